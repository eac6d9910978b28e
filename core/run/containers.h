/*
 * Containers that a job asks for: its own, services beside it, and those of Docker actions. The latter two
 * cannot be run yet; here is told which are asked for, and what to do without.
 */
#ifndef RUNFS_CONTAINERS_H
#define RUNFS_CONTAINERS_H

#include "container.h"

struct run_job;

/*
 * 0 when the job asks for no service: one whose image comes out empty is none, as on GitHub, so that a matrix
 * may have it for some of its combinations. -ENOTSUP with the reason and the cure. file: the workflow's, for
 * messages.
 */
int containers_refuse(const struct workflow_job *job, const char *file, const struct expr_env *env,
                      struct err *err);

/* The same of a job that is given away as a whole: it may have none of its own either. */
int containers_refuse_elsewhere(const struct workflow_job *job, const char *file, const struct expr_env *env,
                                struct err *err);

/* As containers_refuse() for an action that is one. Returns -ENOTSUP. */
int containers_refuse_action(const char *uses, struct err *err);

/* The job's own, with its image here; NULL in *ret: it has none. */
int containers_open(struct run_job *job, json_t *contexts, struct mask *mask, struct container **ret,
                    struct err *err);
/* Makes its machine what the container says, within what its label says of networks and limits. */
int containers_enter(const struct container *c, const struct machine_label *label, struct machine_spec *spec,
                     struct err *err);
int containers_make_volumes(const struct container *c, struct machine *m, struct err *err);
/* job.container in contexts: what the runner calls it, and the network that it is on. */
void containers_tell(json_t *contexts, const struct machine *machine);

#endif
