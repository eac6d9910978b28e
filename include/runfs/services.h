/*
 * `services:` of a job: machines of images beside its own, on a network of the job's. They begin before its
 * first step and end behind its last one. GitHub documentation, "Communicating with Docker service
 * containers".
 *
 * From a job in a container each is found by its name; from one that is in none, by the ports of localhost
 * that its `ports` are mapped to.
 */
#ifndef RUNFS_SERVICES_H
#define RUNFS_SERVICES_H

#include "runfs/container.h"

struct running_job;
struct services;
struct step_output;

/* All borrowed, for the call but where it says so. */
struct services_opts {
    struct machines *machines;         /* as long as the services */
    struct container_place place;      /* likewise */
    const struct machine_label *label; /* of the job: what leads out of the network, and limits of each */
    const char *title;                 /* of the job, which those of the machines begin with */
    const char *network;               /* what the network is called */
    int64_t run_id, job_id;
    /* A machine that whoever cancels the job has to interrupt, and that it has not any more. May be NULL. */
    void (*begins)(void *data, struct machine *m, bool begins);
    void *data;
};

/*
 * said: what the workflow says, evaluated. Nothing begins, but the network is there. NULL in *ret: it has
 * none (a service whose image comes out empty is none, so that a matrix may have it for some of its
 * combinations).
 */
int services_new(const struct services_opts *opts, const json_t *said, struct services **ret,
                 struct err *err);
void services_free(struct services *s); /* ends what still runs; takes NULL */

/* What the job's machine, and others beside it, are to be on. s may be NULL. */
struct machine_net *services_net(const struct services *s);
const char *services_network(const struct services *s); /* what it is called; NULL without */

/*
 * In the log of a step of their own: fetches their images, starts them, and waits until they are ready. Then
 * the job's contexts know them. -EIO: one did not become so, which the log shows. Whatever comes of it,
 * services_end() ends them, and shows what they said.
 */
int services_begin(struct services *s, struct running_job *j, struct step_output *log, struct err *err);
void services_end(struct services *s, struct step_output *log);

#endif
