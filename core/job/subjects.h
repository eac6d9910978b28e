/*
 * Artifacts that a job's steps declare, for those who attest them: each step may write lines to
 * GITHUB_ARTIFACTS, the path of a file or REFERENCE@sha256:HEX, and reads in GITHUB_ARTIFACTS_LIST what the
 * steps before declared (GitHub's runner, 2.336). On the thread of the job.
 */
#ifndef RUNFS_JOB_SUBJECTS_H
#define RUNFS_JOB_SUBJECTS_H

#include "job_internal.h"

/* Takes what a step wrote. -EINVAL: GitHub's sentence about the first line that is wrong; where one is no
 * artifact none is kept. */
int subjects_take(struct running_step *s, const char *text, size_t len, struct err *err);
/* All that were declared, {"version":1,"subjects":[{name,digest,kind}]}, by name; to be freed. NULL without
 * memory. */
char *subjects_list(const struct running_job *j);

#endif
