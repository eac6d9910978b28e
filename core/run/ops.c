/* What people ask of runs: cancel, run again, delete; and their deletion when they are old. */
#include "engine_internal.h"
#include "runfs/artifact.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

static int no_run(int64_t id, struct err *err)
{
    return err_set(err, -ENOENT, "there is no run %lld", (long long)id);
}

int engine_cancel_run(struct engine *e, int64_t run_id, struct err *err)
{
    int r = 0;

    pthread_mutex_lock(&e->lock);
    struct run *run = run_find(e, run_id);
    if (run) {
        run_cancel(run);
        run_advance(run);
    } else {
        r = err_set(err, -EINVAL, "run %lld is already completed", (long long)run_id);
    }
    pthread_mutex_unlock(&e->lock);
    return r;
}

static struct run_job *job_find(struct engine *e, int64_t job_id)
{
    for (struct run *run = e->runs; run; run = run->next)
        for (size_t i = 0; i < run->n_jobs; i++)
            if (run->jobs[i]->row.id == job_id)
                return run->jobs[i];
    return NULL;
}

int engine_cancel_job(struct engine *e, int64_t job_id, struct err *err)
{
    int r = 0;

    pthread_mutex_lock(&e->lock);
    struct run_job *job = job_find(e, job_id);
    if (!job || job->state == JOB_STATE_DONE) {
        r = err_set(err, -EINVAL, "the job is already completed");
    } else if (job->state == JOB_STATE_WAITING) {
        r = err_set(err, -EINVAL, "the job has not started: it waits for what it needs");
    } else {
        struct run *run = job->run;
        job_cancel(job);
        run_advance(run);
    }
    pthread_mutex_unlock(&e->lock);
    return r;
}

/* ------------------------------------------------------------------------------------------------- again */

/* Whether a job of the last attempt is kept as it is: it succeeded, and is not what was asked for. */
static bool carried_over(const struct job_row *row, bool failed_only, const char *only_key, struct run *run)
{
    if (only_key) { /* that job, and whatever stands on it */
        const struct workflow_job *def = workflow_job(run->workflow, row->job_id);
        if (str_eq(row->key, only_key))
            return false;
        for (size_t i = 0; def && i < def->n_needs; i++)
            if (str_eq(def->needs[i], only_key))
                return false;
        return true;
    }
    return failed_only && (str_eq(row->conclusion, "success"));
}

static json_t *outputs_of(struct store *st, int64_t job_id)
{
    json_t *outputs = json_object();
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_outputs(st, job_id, 0, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct output_row *row = store_get_output(st, ids[i]);
            if (row)
                json_object_set_new(outputs, row->name, json_string(row->value));
            output_row_unref(row);
        }
        after = ids[n - 1];
    }
    return outputs;
}

static enum job_status status_of(const char *conclusion)
{
    for (enum job_status s = JOB_SUCCESS; s <= JOB_SKIPPED; s++)
        if (str_eq(conclusion, job_status_name(s)))
            return s;
    return JOB_FAILURE;
}

/* A job of the attempt before that goes on being true: its row is copied, its log and steps are those of the
 * old one. */
static int carry_over(struct run *run, struct run_job *job, const struct job_row *old, struct err *err)
{
    _json_ json_t *outputs = outputs_of(run->e->store, old->id);
    const char *key;
    json_t *value;

    job->state = JOB_STATE_DONE;
    job->result = status_of(old->conclusion);
    job->outputs = json_incref(outputs);
    job->row.status = "completed";
    job->row.conclusion = job_status_name(job->result);
    job->row.exit_code = old->exit_code;
    job->row.log_job_id = old->log_job_id ? old->log_job_id : old->id;
    job->row.started_at = old->started_at;
    job->row.completed_at = old->completed_at;
    job->row.log_size = old->log_size;
    int r = store_put_job(run->e->store, &job->row, err);
    json_object_foreach(outputs, key, value) if (r == 0) r =
        store_put_output(run->e->store, job->row.id, 0, key, json_string_value(value), err);
    return r;
}

/* Fills a restored run with jobs; those that are kept are done already. Only jobs without a matrix are kept.
 */
static int add_attempt_jobs(struct run *run, bool failed_only, const char *only_key, struct err *err)
{
    int old_attempt = run->row.attempt - 1;
    int r = run_add_jobs(run, err);

    for (size_t i = 0; r == 0 && (failed_only || only_key) && i < run->n_jobs; i++) {
        struct run_job *job = run->jobs[i];
        const struct job_row *old = store_get_job(
            run->e->store, store_find_job(run->e->store, run->row.id, old_attempt, job->row.key));
        if (old && carried_over(old, failed_only, only_key, run))
            r = carry_over(run, job, old, err);
        job_row_unref(old);
    }
    return r;
}

static int rerun(struct engine *e, int64_t run_id, bool failed_only, const char *only_key, struct err *err)
{
    const struct run_row *row = store_get_run(e->store, run_id);
    struct run *run = NULL;

    if (!row)
        return no_run(run_id, err);
    pthread_mutex_lock(&e->lock);
    int r = run_find(e, run_id) || !str_eq(row->status, "completed")
                ? err_set(err, -EINVAL, "run %lld is not completed yet", (long long)run_id)
                : 0;
    if (r == 0 && failed_only && str_eq(row->conclusion, "success"))
        r = err_set(err, -EINVAL, "run %lld has no failed jobs", (long long)run_id);
    if (r == 0)
        r = run_restore(e, row, &run, err);
    if (r == 0) {
        struct err commit_err = {0};
        char attempt[16];
        run->row.attempt++;
        run->row.changed_at = now_ns();
        snprintf(attempt, sizeof(attempt), "%d", run->row.attempt);
        json_object_set_new(json_object_get(run->contexts, "github"), "run_attempt", json_string(attempt));
        store_begin(e->store);
        r = store_put_run(e->store, &run->row, err);
        if (r == 0)
            r = add_attempt_jobs(run, failed_only, only_key, err);
        if (r < 0)
            store_rollback(e->store);
        else if ((r = store_commit(e->store, &commit_err)) < 0 && err)
            *err = commit_err;
        if (r == 0)
            run_activate(e, run);
        else
            run_free(run);
    }
    pthread_mutex_unlock(&e->lock);
    run_row_unref(row);
    return r;
}

int engine_rerun(struct engine *e, int64_t run_id, bool failed_only, struct err *err)
{
    return rerun(e, run_id, failed_only, NULL, err);
}

int engine_rerun_job(struct engine *e, int64_t job_id, struct err *err)
{
    const struct job_row *job = store_get_job(e->store, job_id);
    int r =
        job ? rerun(e, job->run_id, false, job->job_id, err) : err_set(err, -ENOENT, "there is no such job");

    job_row_unref(job);
    return r;
}

/* ------------------------------------------------------------------------------------------------ deleting
 */

int engine_delete_run(struct engine *e, int64_t run_id, struct err *err)
{
    const struct run_row *row = store_get_run(e->store, run_id);
    int r;

    if (!row)
        return no_run(run_id, err);
    pthread_mutex_lock(&e->lock);
    if (run_find(e, run_id) || !str_eq(row->status, "completed"))
        r = err_set(err, -EBUSY, "run %lld is not completed: cancel it first", (long long)run_id);
    else
        r = store_delete_run(e->store, run_id, err);
    pthread_mutex_unlock(&e->lock);
    run_row_unref(row);
    return r;
}

static void expire_artifacts(struct engine *e)
{
    struct err err = {0};
    int expired = artifact_expire(e->store, now_ns(), &err);

    if (expired < 0)
        log_warning("run", "artifacts that have expired cannot be deleted: %s", err.msg);
    else if (expired > 0)
        log_info("run", "%d artifacts deleted: expired", expired);
}

void engine_retain(struct engine *e)
{
    int64_t before = now_ns() - config_number(e->store, "retention_days", 90) * 86400 * 1000000000LL;
    int64_t ids[64];
    ssize_t n;

    expire_artifacts(e);
    while ((n = store_runs_before(e->store, before, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            struct err err = {0};
            if (engine_delete_run(e, ids[i], &err) < 0) {
                log_warning("run", "%lld: cannot be deleted: %s", (long long)ids[i], err.msg);
                return;
            }
            log_info("run", "%lld: deleted: older than retention_days", (long long)ids[i]);
        }
}

/* ------------------------------------------------------------------------------------------------- results
 */

int run_write_result(struct run *run)
{
    _json_ json_t *jobs = json_array(), *result = NULL;

    for (size_t i = 0; i < run->n_jobs; i++) {
        const struct run_job *job = run->jobs[i];
        json_array_append_new(
            jobs, json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:O?, s:O?}", "key", job->row.key, "id",
                            job->def->id, "name", job->row.name, "conclusion", job->row.conclusion,
                            "exit_code", job->row.exit_code, "duration_ms",
                            (json_int_t)(job->row.started_at
                                             ? (job->row.completed_at - job->row.started_at) / 1000000
                                             : 0),
                            "matrix", job->matrix, "outputs", job->outputs));
    }
    result = json_pack("{s:I, s:i, s:s, s:s, s:s, s:i, s:I, s:O}", "run", (json_int_t)run->row.id, "attempt",
                       run->row.attempt, "workflow", run->row.workflow_name, "event", run->row.event,
                       "conclusion", run->row.conclusion, "exit_code", run->row.exit_code, "duration_ms",
                       (json_int_t)((run->row.completed_at - run->row.started_at) / 1000000), "jobs", jobs);
    _free_ char *text = result ? json_dumps(result, JSON_INDENT(2)) : NULL;
    _buf_ struct buf line = BUF_INIT;
    if (!text)
        return -ENOMEM;
    buf_addf(&line, "%s\n", text);
    return store_put_run_text(run->e->store, run->row.id, RUN_RESULT, buf_str(&line), line.len, NULL);
}
