/* Between the files of Docker actions. */
#ifndef RUNFS_JOB_DOCKER_H
#define RUNFS_JOB_DOCKER_H

#include "job_internal.h"

/* u->image becomes the one that the Dockerfile of the action comes to: built once for all stages of the
 * action, as on GitHub, since the job may change it meanwhile. */
int docker_build(struct running_step *s, struct use *u, struct err *err);

#endif
