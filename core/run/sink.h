/* Where the events of a job go that runs for this process's engine: the store. Private to core/run. */
#ifndef RUNFS_RUN_SINK_H
#define RUNFS_RUN_SINK_H

#include "engine_internal.h"
#include "runfs/knowledge.h"

enum { SINK_TEXTS = 7 };

struct store_sink {
    struct run_job *job;
    struct mask *mask; /* borrowed */
    struct sink_step {
        struct step_row row; /* name and slug owned */
        char *label;         /* owned: "job / step" for the log's headers */
    } * steps;               /* owned: the job's own, then those that were added */
    size_t n;
    int befores, posts; /* how many steps were added before and behind the job's own */
    /* The last step's end is written with the job's, in one commit: they are less than a millisecond apart.
     */
    bool deferred;
    char *last_texts[SINK_TEXTS]; /* owned: script, env, cwd, why, summary, shell, failure */
    json_t *last_outputs;         /* owned */
    struct learn_job learnt;
};

/* Rows for all steps of the job, so that what will run is seen before it does. Within a group of the store.
 */
int sink_open(struct store_sink *s, struct run_job *job, json_t *contexts, struct mask *mask);
/* The first n steps are not run again: their rows are those of that job, from an earlier attempt. */
void sink_keep(struct store_sink *s, int64_t from_job, size_t n);
/* What job_run() takes; data is s. */
struct job_sink sink_events(struct store_sink *s);
/* Writes what was deferred, and that steps which have not run are skipped, and those that nobody has ended
 * cancelled; within the group that ends the job. */
void sink_finish(struct store_sink *s);
void sink_close(struct store_sink *s);

/* A job that never ran: its place says why, as an error and an annotation. `result`: "failure", "cancelled".
 */
void sink_refuse(struct store_sink *s, const char *msg, const char *result);
/* What became of the job is not known, and why: the step that ran last says so. Where none had begun it is
 * refused. */
void sink_break(struct store_sink *s, const char *msg, const char *result);
void sink_job_outputs(struct store_sink *s, json_t *outputs);

#endif
