/* A log as GitHub gives logs away. Private to core/net. */
#ifndef RUNFS_LOG_LINES_H
#define RUNFS_LOG_LINES_H

#include "runfs/store.h"

/*
 * Hands on what the view shows, each line behind the time it began, "2026-01-31T12:00:00.1234567Z ", as in
 * the files of GitHub's log archives; programs that read those cut the time off. Lines over longest bytes are
 * broken (0: never). put's negative return ends it and is returned; -errno where the log cannot be read.
 */
typedef int log_put_fn(void *data, const char *bytes, size_t len);
int log_lines(struct log_view *view, size_t longest, log_put_fn *put, void *data);

#endif
