/*
 * Containers that a job asks for: its own, those of Docker actions, and those of its services.
 */
#ifndef RUNFS_RUN_CONTAINERS_H
#define RUNFS_RUN_CONTAINERS_H

#include "runfs/container.h"

struct run_job;
struct services;

/*
 * 0 when a job that is given away as a whole asks for none: one whose image comes out empty is none, as on
 * GitHub, so that a matrix may have it for some of its combinations. -ENOTSUP with the reason and the cure.
 * file: the workflow's, for messages.
 */
int containers_refuse_elsewhere(const struct workflow_job *job, const char *file, const struct expr_env *env,
                                struct err *err);

/* Its services, which nothing has been begun of; NULL in *ret: it has none. */
int containers_open_services(struct run_job *job, const struct machine_label *label, json_t *contexts,
                             struct mask *mask, struct services **ret, struct err *err);
/* The job's own, with its image here; NULL in *ret: it has none. */
int containers_open(struct run_job *job, json_t *contexts, struct mask *mask, struct container **ret,
                    struct err *err);
/* Makes its machine what the container says, within what its label says of networks and limits. */
int containers_enter(const struct container *c, const struct machine_label *label, struct machine_spec *spec,
                     struct err *err);
/* job.container in contexts: what the runner calls it, and the network that it is on; NULL: its machine's. */
void containers_tell(json_t *contexts, const struct machine *machine, const char *network);

/* Where its images are, and who is asked for them. mask learns passwords. */
struct container_place containers_place(struct run_job *job, struct mask *mask);
/* Whoever cancels the job reaches that machine, too, until containers_delist(). False: too many at once. */
bool containers_enlist(struct run_job *job, struct machine *m);
void containers_delist(struct run_job *job, const struct machine *m);

/* action_machine() and action_machine_end() of struct job_outside; data: a struct local_outside. */
int containers_of_action(void *data, const char *image, struct machine *beside, const char *const *shared,
                         struct container **ret_container, struct machine **ret, struct err *err);
void containers_end_action(void *data, struct machine *m);

#endif
