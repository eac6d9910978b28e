/*
 * The files through which a step speaks to the runner: GITHUB_ENV, GITHUB_OUTPUT, GITHUB_STATE (NAME=value
 * lines and NAME<<DELIMITER blocks) and GITHUB_PATH (a directory a line). GitHub documentation, "Environment
 * files".
 *
 * Lines end with a line feed; a carriage return before it belongs to the line, as it does to GitHub's runner
 * on Linux. Empty lines and a byte order mark are passed over. Bytes that are not UTF-8 become U+FFFD.
 */
#ifndef RUNFS_JOB_ENVFILE_H
#define RUNFS_JOB_ENVFILE_H

#include <jansson.h>

#include "runfs/buf.h"
#include "runfs/err.h"

/* Sets each pair in `into` (an object of strings), in order, a later one in the place of an earlier. -EINVAL
 * with GitHub's sentence: the pairs before what is wrong are set, as they are there. */
int envfile_parse(const char *text, size_t len, json_t *into, struct err *err);

/*
 * Takes out of GITHUB_ENV's pairs what a step may not set (NODE_OPTIONS), and appends a line with GitHub's
 * words for each to complaints; none of them fails the step. GITHUB_* and RUNNER_* may be set: those that the
 * runner sets itself it sets again for every step, after these.
 */
void envfile_check_env(json_t *pairs, struct buf *complaints);

/* Adds each non-empty line to `into` (an array); one that is in it already moves to the end. */
int pathfile_parse(const char *text, size_t len, json_t *into, struct err *err);

#endif
