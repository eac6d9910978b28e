/*
 * The files through which a step speaks to the runner: GITHUB_ENV, GITHUB_OUTPUT, GITHUB_STATE (NAME=value
 * lines and NAME<<DELIMITER blocks) and GITHUB_PATH (a directory a line). GitHub documentation, "Environment
 * files".
 */
#ifndef RUNFS_RUN_ENVFILE_H
#define RUNFS_RUN_ENVFILE_H

#include <jansson.h>

#include "runfs/err.h"

/* Adds each pair to `into` (an object of strings); a later one wins. -EINVAL with GitHub's sentence: nothing
 * was added. */
int envfile_parse(const char *text, size_t len, json_t *into, struct err *err);

/* Appends each non-empty line to `into` (an array). */
int pathfile_parse(const char *text, size_t len, json_t *into, struct err *err);

#endif
