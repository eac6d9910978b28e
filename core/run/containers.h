/*
 * What the engine has for the containers of its jobs. Private to core/run.
 */
#ifndef RUNFS_RUN_CONTAINERS_H
#define RUNFS_RUN_CONTAINERS_H

#include "runfs/container_site.h"

struct run_job;

/*
 * 0 when a job that is given away as a whole asks for none: one whose image comes out empty is none, as on
 * GitHub, so that a matrix may have it for some of its combinations. -ENOTSUP with the reason and the cure.
 * file: the workflow's, for messages.
 */
int containers_refuse_elsewhere(const struct workflow_job *job, const char *file, const struct expr_env *env,
                                struct err *err);

/* Where those of one job come to be, while it runs. It stays where it is, as `site` leads back to it. */
struct containers {
    struct container_site site;
    struct run_job *job; /* borrowed */
    struct mask *mask;   /* borrowed */
    struct buf title;    /* owned */
};
void containers_open(struct containers *c, struct run_job *job, struct mask *mask);
void containers_release(struct containers *c);

#endif
