/*
 * Where the containers of one job come to be: its own, those of Docker actions, and those of its services;
 * and what is the same about them whoever runs the job, this process's engine or a worker.
 */
#ifndef RUNFS_CONTAINER_SITE_H
#define RUNFS_CONTAINER_SITE_H

#include "runfs/container.h"

struct job_spec;
struct services;

/* All borrowed, as long as the job. */
struct container_site {
    struct machines *machines;
    const char *title; /* what those of its machines begin with */
    int64_t run_id, job_id;
    const atomic_bool *cancelled;
    /* Where images are, and who is asked for them, as it is now. Its mask learns passwords. */
    struct container_place (*place)(void *data);
    /* Whoever cancels the job reaches that machine, too, until it is delisted. False: too many at once. */
    bool (*enlist)(void *data, struct machine *m);
    void (*delist)(void *data, const struct machine *m);
    void *data;
};

/* What a job's own machine is made with; all owned, as long as that. */
struct job_containers {
    struct container *own;     /* NULL: it runs in none */
    struct services *services; /* NULL: it has none */
};
void job_containers_release(struct job_containers *c);

/*
 * The machine of a job, with what its `container:` and `services:` say: their images are here, or are being
 * fetched when the services begin. base: what else is known of it, its name, its label and whose it is; what
 * the label means is added, and the workspace, of the repository. What it was made with is in *c, also where
 * it fails; its contexts know of the container then. NULL in *ret or a machine: with or without an error.
 */
int job_machine_open(const struct container_site *site, const struct job_spec *job,
                     const struct machine_label *label, const struct machine_spec *base,
                     struct job_containers *c, struct machine **ret, struct err *err);

/*
 * The container of a Docker action: a machine of its image, which has directories of the job's (pairs as in
 * machine_spec.shared) and is on the network of its services. Both are given away, the machine to
 * container_end_action().
 */
int container_of_action(const struct container_site *site, const char *image, struct machine *beside,
                        const char *const *shared, struct services *services,
                        struct container **ret_container, struct machine **ret, struct err *err);
void container_end_action(const struct container_site *site, struct machine *m);

#endif
