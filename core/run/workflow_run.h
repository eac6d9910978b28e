/* workflow_run: runs that start other runs. Private to core/run. */
#ifndef RUNFS_RUN_WORKFLOW_RUN_H
#define RUNFS_RUN_WORKFLOW_RUN_H

#include "engine_internal.h"

/* At most so many runs may follow one another: A starts B, B starts C, C starts D, and that is the end. */
enum { WORKFLOW_RUN_LEVELS = 3 };

/* How many runs of workflow_run stand before this one; counts no further than the limit. */
int workflow_run_level(struct store *st, const struct run_row *row);

/* The payload that tells of a run. action: requested | in_progress | completed. NULL: no memory. */
json_t *workflow_run_payload(struct store *st, const struct run_row *row, const char *action);

/*
 * What was told of which run, so that each change is told once. Bounded: of the last WORKFLOW_RUNS_TOLD runs.
 */
enum { WORKFLOW_RUNS_TOLD = 4096 };
struct told {
    struct {
        int64_t run_id;
        int attempt;
        unsigned actions; /* bits of enum run_action */
    } runs[WORKFLOW_RUNS_TOLD];
    size_t n; /* ever */
};
enum run_action { RUN_REQUESTED = 1, RUN_IN_PROGRESS = 2, RUN_COMPLETED = 4 };
extern const char *const run_action_names[3];

/*
 * Which actions a run's row has come to that were not told yet; notes them as told. created: its row was seen
 * to come, without which nothing is known of what was told before `since` (ns): then only what is newer
 * counts. A run that runs again is not requested again.
 */
unsigned told_news(struct told *t, const struct run_row *row, bool created, int64_t since);

#endif
