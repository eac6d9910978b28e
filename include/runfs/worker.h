/*
 * A worker runs one job for an engine elsewhere: the job's spec comes as a line of JSON, the job runs in a
 * machine of this host, and what happens goes back as lines of JSON (docs/worker.md has them all). What the
 * job asks of the world outside its machine (repositories, actions, artifacts, caches) it asks there.
 */
#ifndef RUNFS_WORKER_H
#define RUNFS_WORKER_H

#include "runfs/machine.h"

struct worker_opts {
    struct machines *machines;         /* borrowed */
    const struct machine_label *label; /* borrowed: what machine the job gets */
    const char *dir;                   /* for files without names; exists */
    const char *images;                /* what `containers` is in, for this worker and those to come */
    const char *registries;            /* HOST[:PORT], several, by spaces: images that a job names may come
                                          from these, though they are on this host; NULL */
    int64_t images_most;               /* bytes that all images may take together; 0: no bound */
    bool settled;                      /* no registry is asked about an image that is here already */
    int in, out;                       /* borrowed: where the spec comes from, and events go */
    int interrupts; /* borrowed eventfd: 1 is added for each wish that the job ends; the second kills it */
};

/* How long either end may hear nothing of the other, where nothing is said of it. */
enum { WORKER_SILENCE_S = 60 };

enum { WORKER_REFUSED = 65, WORKER_CANCELLED = 130 };
/*
 * Runs it to its end. Returns what to exit with: 0 success, else the first failing step's exit code;
 * WORKER_CANCELLED; WORKER_REFUSED, for a spec that is in error or a machine that is not to be had; 1: who
 * started it is gone, or any other failure. err has a sentence where it is not the job's own.
 */
int worker_serve(const struct worker_opts *opts, struct err *err);

#endif
