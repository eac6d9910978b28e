/* What `runfs run` is told on its command line. Private to cmd_run.c. */
#ifndef RUNFS_FS_CMD_RUN_OPTIONS_H
#define RUNFS_FS_CMD_RUN_OPTIONS_H

#include <limits.h>

#include "runfs/run.h"
#include "workflow_files.h"

extern const char run_help[];

/* Borrowed from argv, but for what is owned; `workspace` and `files` are the caller's to fill in. */
struct run_options {
    const char *name, *state, *payload; /* name: what was given as FILE or DIRECTORY; NULL: nothing */
    bool json;
    struct run_request request;
    struct workflow_files files;
    char *mirror; /* owned */
    const char *registry;
    char workspace[PATH_MAX];
};

/* 0: go on; 1: help was asked for; 2: wrong usage, which was said. ret is to be released whatever came. */
int run_options_parse(int argc, char **argv, struct run_options *ret);
void run_options_release(struct run_options *o);

#endif
