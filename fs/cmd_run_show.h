/*
 * What `runfs run` shows of its run on standard output: its log as it comes, on a terminal in colours and
 * with a line at the bottom that says what runs; or a line of JSON for each thing that happens, by its
 * "event": a "job" or "step" has another status, a piece of the "log", and at the end the "result". What is
 * said of the run or of a whole job, which no log has, comes before the last words, in JSON each an
 * "annotation". Private to cmd_run.c, on its one thread.
 */
#ifndef RUNFS_FS_CMD_RUN_SHOW_H
#define RUNFS_FS_CMD_RUN_SHOW_H

#include "fs.h"

/* The caller sets json; the rest is showing_begin()'s. */
struct showing {
    bool json;
    bool terminal;       /* it moves its cursor: standard output is one, and TERM is not dumb */
    bool colours;        /* and they are wanted: NO_COLOR is not set (no-color.org) */
    struct store *store; /* borrowed */
    int64_t run_id;
    int64_t started;       /* monotonic, ns */
    struct log_view *view; /* owned */
    int64_t shown;         /* bytes of the log */
    bool status_shown;
    json_t *told; /* owned: what JSON told already, by job and step id */
};

/* The run was submitted. Returns 0 or -errno. */
int showing_begin(struct showing *s, struct store *store, int64_t run_id, struct err *err);
void showing_release(struct showing *s); /* of what was never begun, too */

void show_now(struct showing *s); /* what has come since the last call */
/* On a terminal one line at the bottom: what runs, for how long. clear_status() takes it away; the log does,
 * too. */
void draw_status(struct showing *s);
void clear_status(struct showing *s);
/* The last words: how the run ended. Returns the exit code of `runfs run`. */
int conclude(struct showing *s);

#endif
