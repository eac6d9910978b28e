/* What the live page reads: rows as JSON, and a stream of what changes. Private to core/net. */
#ifndef RUNFS_LIVE_INTERNAL_H
#define RUNFS_LIVE_INTERNAL_H

#include "api_internal.h"

/* ---------------------------------------------------------------------------------------- rows (live_rows.c)
 */

/* New values; NULL: no memory. Times are milliseconds since 1970, 0 for not yet. */
json_t *live_run(const struct run_row *run);
json_t *live_job(struct store *st, const struct job_row *job); /* with its steps */
json_t *live_annotations(struct store *st, const struct run_row *run);
json_t *live_artifacts(struct store *st, int64_t run_id);
json_t *live_machines(struct store *st);
/* At most max runs, newest first, that have a smaller number than `before` (0: all), of that status
 * (run_query's). */
json_t *live_runs(struct store *st, const char *status, int64_t workflow_id, int64_t before, size_t max);

/* ---------------------------------------------------------------------------------------- logs (live_log.c)
 */

/* What of a step's log was told. */
struct live_tail {
    int64_t step_id;
    struct log_view *view; /* owned; NULL: not begun, or done */
    int64_t at;
    bool done;
};

/* The log of one job, step by step. Zeroed but for the first four fields. */
struct live_log {
    struct store *store; /* borrowed */
    int64_t run_id, job_id;
    char *from;              /* owned: what the page has already, "STEP.BYTES,STEP.BYTES"; NULL: nothing */
    struct live_tail *tails; /* owned */
    size_t n;
};

/* Appends events of what was printed since, up to a limit: 1 when there is more at once, 0 when not, -errno.
 */
int live_log_more(struct live_log *l, struct buf *ret);
void live_log_release(struct live_log *l);

/* ----------------------------------------------------------------------------------------- events (live.c)
 */

/* Tells the streams what a commit changed; on its thread. */
void live_changed(struct live *live, const struct change *changes, size_t n);
/* Ends every stream, and those that begin afterwards. */
void live_end(struct live *live);

#endif
