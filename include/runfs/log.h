/*
 * The daemon's own log: one line each, `TIME LEVEL MODULE ID: what: why`, written once, by whoever stops an
 * error from travelling on. Output of jobs never passes through here. Thread-safe; a line is one write(2).
 */
#ifndef RUNFS_LOG_H
#define RUNFS_LOG_H

#include <stdint.h>

#include "runfs/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Lines go to standard error, until a file is open: they are appended to it, and when it has max bytes it
 * becomes PATH.1 (which is lost, if there is one) and a new one begins. log_close() goes back to standard
 * error; no other thread may log meanwhile. -errno with words; nothing has changed then.
 */
int log_open(const char *path, uint64_t max, struct err *err);
void log_close(void);
/* The least important level that is written (INFO at first). */
void log_threshold(enum log_level level);

void log_line(enum log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(module, ...) log_line(LOG_LEVEL_ERROR, (module), __VA_ARGS__)
#define log_warning(module, ...) log_line(LOG_LEVEL_WARNING, (module), __VA_ARGS__)
#define log_info(module, ...) log_line(LOG_LEVEL_INFO, (module), __VA_ARGS__)
#define log_debug(module, ...) log_line(LOG_LEVEL_DEBUG, (module), __VA_ARGS__)

#endif
