/*
 * What the engine has for the containers of its jobs. Private to core/run.
 */
#ifndef RUNFS_RUN_CONTAINERS_H
#define RUNFS_RUN_CONTAINERS_H

#include "runfs/container_site.h"

struct run_job;

/* Whether a job asks for any: one whose image comes out empty is none, as on GitHub, so that a matrix may
 * have it for some of its combinations. */
bool containers_wanted(const struct job_spec *spec);

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
