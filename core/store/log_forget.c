/* Logs that are deleted while their run stays: in place of each job's stands that it was. */
#include <stdio.h>

#include "runfs/io.h"
#include "runfs/str.h"
#include "store_internal.h"

static const char line[] = "The log was deleted.\n";

static int forget_steps(struct store *st, int64_t job_id, struct err *err)
{
    int64_t ids[64], after = 0;
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = store_list_steps(st, job_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; r == 0 && i < n; i++) {
            const struct step_row *old = store_get_step(st, ids[i]);
            struct step_row step = old ? *old : (struct step_row){0};
            step.log_size = step.stdout_size = step.stderr_size = 0;
            r = old ? store_put_step(st, &step, err) : 0;
            step_row_unref(old);
        }
        after = ids[n - 1];
    }
    return r;
}

/* A job that was carried over from another attempt has the log of what it was. Where there is no room even
 * for the line, nothing stands there. */
static int forget_job(struct store *st, struct log_writer *w, const struct job_row *old, struct err *err)
{
    struct log_select select = {
        .run_id = old->run_id, .job_id = old->log_job_id ? old->log_job_id : old->id, .streams = LOG_OF_STEP};
    struct job_row job = *old;

    if (w && select.job_id == old->id)
        (void)log_append(w, old->attempt, old->id, 0, LOG_RUNNER, old->name, line, sizeof(line) - 1, NULL);
    job.log_size = log_size(st, &select);
    int r = store_put_job(st, &job, err);
    return r == 0 ? forget_steps(st, old->id, err) : r;
}

static int forget_jobs(struct store *st, struct log_writer *w, int64_t run_id, int attempt, struct err *err)
{
    int64_t ids[64], after = 0;
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = store_list_jobs(st, run_id, attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; r == 0 && i < n; i++) {
            const struct job_row *job = store_get_job(st, ids[i]);
            r = job ? forget_job(st, w, job, err) : 0;
            job_row_unref(job);
        }
        after = ids[n - 1];
    }
    return r;
}

static int64_t size_of(struct store *st, int64_t run_id, int attempt)
{
    return log_size(st, &(struct log_select){.run_id = run_id, .attempt = attempt, .streams = LOG_OF_RUN});
}

static int forget(struct store *st, const struct run_row *run, struct log_writer *w, struct err *err)
{
    struct run_row row = *run;
    int r = 0;

    for (int attempt = 1; r == 0 && attempt <= run->attempt; attempt++) {
        r = forget_jobs(st, w, run->id, attempt, err);
        if (attempt < run->attempt)
            write_ints(st, "UPDATE attempts SET log_size = ?3 WHERE run_id = ?1 AND attempt = ?2",
                       (const int64_t[]){run->id, attempt, size_of(st, run->id, attempt)}, 3, err);
    }
    row.log_size = size_of(st, run->id, run->attempt);
    row.logs_gone = run->attempt;
    row.changed_at = now_ns();
    if (r == 0)
        r = store_put_run(st, &row, err);
    return r;
}

/* Attempts are in no change that is told. */
static void drop_attempts(struct store *st, int64_t run_id)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_attempts(st, run_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            cache_drop(&st->cache, ids[i]);
        after = ids[n - 1];
    }
}

/* What was said goes first, and what stands in its place cannot be refused any more then. Where this is cut
 * short it is done again at the next start. */
int store_delete_logs(struct store *st, int64_t run_id, struct err *err)
{
    const struct run_row *run = store_get_run(st, run_id);
    struct log_writer *w = NULL;

    if (!run)
        return err_set(err, -ENOENT, "there is no run %lld", (long long)run_id);
    log_forget(st, run_id);
    store_begin_lasting(st);
    (void)log_writer_begin(st, run_id, &w, NULL);
    int r = forget(st, run, w, err);
    store_changed(st, (struct change){.kind = CHANGE_LOG, .id = run_id, .run_id = run_id});
    store_changed(st, (struct change){.kind = CHANGE_RUN, .id = run_id, .emptied = true});
    int c = store_commit(st, err);
    r = r < 0 ? r : c;
    log_writer_close(w);
    if (r == 0 && !store_waits(st))
        log_forgotten(st, run_id);
    drop_attempts(st, run_id);
    run_row_unref(run);
    return r;
}
