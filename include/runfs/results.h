/*
 * The services that actions speak to themselves: artifacts (v4), caches (v2 and v1), on loopback HTTP, over
 * the artifacts and caches of the store. What @actions/artifact and @actions/cache ask of GitHub is answered
 * here.
 *
 * The server starts with the first job that may need it, on a port of the kernel's choice, with threads of
 * its own. A job's token is a JWT that ends with the job; it reaches its own run's artifacts and the caches
 * of its own scope. Any thread may call any function.
 */
#ifndef RUNFS_RESULTS_H
#define RUNFS_RESULTS_H

#include "runfs/run.h"

struct results;

int results_new(struct store *st, struct results **ret, struct err *err); /* listens on nothing yet */
/* No job may be open. Ends the threads; requests under way are cut off. */
void results_free(struct results *r);

/* A table for engine_opts.services. Borrowed; valid as long as r. */
const struct job_services *results_services(struct results *r);

/*
 * Opens a job: the environment for its JavaScript actions (a new object of strings: ACTIONS_RESULTS_URL,
 * ACTIONS_RUNTIME_URL, ACTIONS_CACHE_URL, ACTIONS_RUNTIME_TOKEN, ACTIONS_CACHE_SERVICE_V2), whose token the
 * caller masks. Starts the server if it is not running.
 */
int results_job_open(struct results *r, const struct service_job *job, json_t **ret_env, struct err *err);
/* The token and what it signed are refused from now on; uploads that were not finished are dropped. */
void results_job_close(struct results *r, int64_t job_id);

#endif
