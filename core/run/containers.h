/*
 * Containers that a job asks for: its own, services beside it, and those of Docker actions. None can be run
 * yet; here is told which are asked for, and what to do without.
 */
#ifndef RUNFS_CONTAINERS_H
#define RUNFS_CONTAINERS_H

#include "runfs/expr.h"
#include "runfs/workflow.h"

/*
 * 0 when the job asks for none: one whose image comes out empty is none, as on GitHub, so that a matrix may
 * have it for some of its combinations. -ENOTSUP with the reason and the cure. file: the workflow's, for
 * messages.
 */
int containers_refuse(const struct workflow_job *job, const char *file, const struct expr_env *env,
                      struct err *err);

/* As containers_refuse() for an action that is one. Returns -ENOTSUP. */
int containers_refuse_action(const char *uses, struct err *err);

#endif
