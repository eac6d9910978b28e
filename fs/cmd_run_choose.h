/*
 * Which of a directory's workflows `runfs run` runs: those that an event starts by their filters, as GitHub
 * would. Private to cmd_run.c.
 */
#ifndef RUNFS_FS_CMD_RUN_CHOOSE_H
#define RUNFS_FS_CMD_RUN_CHOOSE_H

#include "runfs/run.h"
#include "workflow_files.h"

/*
 * Leaves those in `files` that r->event starts (push when it is NULL, which is set then), and that have
 * r->job where one is named; says on stderr why others for that event are not started. Files in error stay:
 * running them says what is wrong. checkout: where the event happened. 0; -ENOENT: none is left, which was
 * said, with the cure; -errno, which was said.
 */
int choose_started(struct run_request *r, const char *checkout, struct workflow_files *files);

#endif
