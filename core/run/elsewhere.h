/* Jobs that run on another host as a whole: a label names what gives them away. Private to core/run. */
#ifndef RUNFS_RUN_ELSEWHERE_H
#define RUNFS_RUN_ELSEWHERE_H

#include "sink.h"

/* A job that is elsewhere, for those who cancel it; in run_job while it is, under the engine's lock. */
struct elsewhere {
    int wake; /* eventfd */
};
/* The job's cancelled or killed was set. With the engine's lock held. */
void elsewhere_wake(const struct elsewhere *e);

/* As job_run() for a job with that label, which `jobs` is set in. Whatever goes wrong is in the sink and the
 * result. */
void elsewhere_run(struct run_job *job, const struct job_spec *spec, const struct machine_label *label,
                   struct store_sink *sink, struct job_result *ret);

#endif
