/* The outside of a job that runs for this process's engine. Private to core/run. */
#ifndef RUNFS_RUN_LOCAL_H
#define RUNFS_RUN_LOCAL_H

#include "engine_internal.h"

struct local_outside {
    struct run_job *job;     /* borrowed */
    struct store_sink *sink; /* borrowed */
    int64_t last_snapshot;   /* of the machine; 0: none */
    struct mask *mask;       /* borrowed: learns the token of the services */
    json_t *services_env;    /* owned; NULL until they were asked for */
};
struct job_outside local_outside_functions(struct local_outside *l); /* borrows l */
void local_outside_release(struct local_outside *l);

#endif
