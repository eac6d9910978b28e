/*
 * Steps in the background: each runs on a thread of its own, in a lane of the job's machine, while the steps
 * behind it go on. What one of them leaves (outputs, environment, path, outcome) reaches the others when a
 * `wait`, `wait-all` or `cancel` has taken it, at the latest before the posts.
 *
 * The threads of a job take turns: one that does not wait for its machine, or for something outside, has the
 * job to itself. So nothing that steps share needs a lock of its own.
 *
 * Rules: GitHub documentation, "Workflow syntax", jobs.<job_id>.steps[*].background and the keys behind it.
 */
#ifndef RUNFS_JOB_BACKGROUND_H
#define RUNFS_JOB_BACKGROUND_H

#include "job_internal.h"

/* Before the first step: with steps that run in the background, this thread has the first turn from then on.
 * -ENOMEM */
int background_begin(struct running_job *j);
/* Starts a step of the job's own, by its index. */
void background_start(struct running_job *j, size_t index);
/* Does the work of a step that waits for such steps, or cancels one. */
void background_control(struct running_step *s);
/* Whether one was started that nobody has waited for yet. */
bool background_pending(const struct running_job *j);
/* Waits for all that nobody has waited for, and for the job takes over how they ended. */
void background_finish(struct running_job *j);
void background_release(struct running_job *j); /* behind the posts; behind background_finish() */

/* Whether a later step cancelled this one, by its own wish. */
bool background_was_cancelled(const struct running_job *j);

/* While this thread waits for something that is none of the job's, the others have their turns. */
void job_leave(struct running_job *j);
void job_enter(struct running_job *j);

#endif
