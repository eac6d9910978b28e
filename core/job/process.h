/* Between process.c, which runs a program of a step, process_files.c, the files through which it and the
 * runner speak, and tool.c, which runs programs of the runner's own. */
#ifndef RUNFS_JOB_PROCESS_H
#define RUNFS_JOB_PROCESS_H

#include "job_internal.h"

/* The files of a process, in the order in which they are put and got. */
enum { FILE_ENV, FILE_OUTPUT, FILE_PATH, FILE_STATE, FILE_SUMMARY, FILE_ARTIFACTS, FILES, PUTS = FILES + 4 };

struct process_files {
    struct buf dir, paths[PUTS];
    char *event, *subjects; /* owned by malloc (jansson) */
    struct machine_file put[PUTS], get[FILES];
    size_t n_put;
};
/* The directory of a step's environment files; appended. */
void step_files(const struct running_step *s, struct buf *ret);
/* Names the files of a process of the step, and what is put in them. -ENOMEM; to be released all the same. */
int process_files_prepare(struct running_step *s, const struct process *p, struct process_files *f);
/* Adds what all processes of a job find, and the first of them brings: event.json, and sudo. */
void process_files_add_shared(struct running_job *j, struct process_files *f);
/* What it left in them is the step's and the job's; problem matchers that it asked for are loaded. state:
 * what GITHUB_STATE adds to; NULL: dropped. What cannot be taken fails the step. */
void process_files_take(struct running_step *s, const struct process_files *f, json_t *state);
void process_files_release(struct process_files *f);

/* machine_exec() of the job's machine, while its other steps may go on; output() is called in a turn of the
 * job's. */
int job_exec(struct running_job *j, struct machine_exec *x, struct machine_result *ret, struct err *err);

#endif
