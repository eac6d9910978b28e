/* What people ask of runs: cancel, run again, delete; and their deletion when they are old. */
#include "engine_internal.h"
#include "resume.h"
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
        if (run->cancelled)
            run_kill(run); /* whoever cancels a second time has waited enough */
        else
            run_cancel(run, NULL);
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
        job_cancel(job, NULL);
        run_advance(run);
    }
    pthread_mutex_unlock(&e->lock);
    return r;
}

/* ------------------------------------------------------------------------------------------------- again */

int run_next_attempt(struct run *run, struct err *err)
{
    struct store *st = run->e->store;
    char attempt[16];
    int r = store_keep_attempt(st, run->row.id, err);

    run->row.attempt++;
    run->row.changed_at = now_ns();
    snprintf(attempt, sizeof(attempt), "%d", run->row.attempt);
    json_t *github = json_object_get(run->contexts, "github");
    json_object_set_new(github, "run_attempt", json_string(attempt));
    json_object_set_new(github, "triggering_actor", json_string(run_trigger(&run->row)));
    return r == 0 ? store_put_run(st, &run->row, err) : r;
}

/* A new attempt of a restored run, in the store. */
static int put_attempt(struct run *run, enum rerun what, const char *key, struct err *err)
{
    struct store *st = run->e->store;
    struct err commit_err = {0};

    store_begin(st);
    int r = run_next_attempt(run, err);
    if (r == 0 && run->resume && run->resume->edited.len)
        r = run_put_edited(run, &run->resume->edited, err);
    if (r == 0)
        r = run_carry(run, what, key, err);
    if (r == 0)
        r = run_add_jobs(run, err);
    if (r < 0)
        store_rollback(st);
    else if ((r = store_commit(st, &commit_err)) < 0 && err)
        *err = commit_err;
    return r;
}

/* resume_take: where the job of that key goes on; NULL: from its beginning. */
static int rerun_from(struct engine *e, int64_t run_id, enum rerun what, const char *key, bool debug,
                      const char *actor, struct resume *resume_take, struct err *err)
{
    struct run *run = NULL;

    pthread_mutex_lock(&e->lock);
    /* with the lock: somebody else may have run it again, or deleted it, while it was waited for */
    const struct run_row *row = store_get_run(e->store, run_id);
    int r = !row ? no_run(run_id, err)
            : run_find(e, run_id) || !str_eq(row->status, "completed")
                ? err_set(err, -EINVAL, "run %lld is not completed yet", (long long)run_id)
                : 0;
    if (r == 0 && what == RERUN_FAILED && str_eq(row->conclusion, "success"))
        r = err_set(err, -EINVAL, "run %lld has no failed jobs", (long long)run_id);
    if (r == 0)
        r = run_restore(e, row, resume_take && resume_take->edited.len ? &resume_take->edited : NULL, &run,
                        err);
    if (r == 0) {
        run->resume = TAKE(resume_take);
        run->debug = debug;
        run->row.triggering_actor = run_keep(run, actor ? actor : e->actor);
        r = put_attempt(run, what, key, err);
        if (r == 0)
            run_activate(e, run);
        else
            run_free(run);
    }
    pthread_mutex_unlock(&e->lock);
    resume_free(resume_take);
    run_row_unref(row);
    return r;
}

int engine_resume(struct engine *e, int64_t step_id, struct err *err)
{
    const struct step_row *step = store_get_step(e->store, step_id);
    const struct job_row *job = step ? store_get_job(e->store, step->job_id) : NULL;
    const struct run_row *run = job ? store_get_run(e->store, job->run_id) : NULL;
    struct resume *resume = NULL;
    int r = run ? 0 : err_set(err, -ENOENT, "there is no such step");

    if (r == 0 && step->number > 1)
        r = resume_find(e->store, step, job->key, &resume, err);
    if (r == 0 && resume)
        r = resume_edited(e, run, job, resume->first, &resume->edited, err);
    if (r < 0)
        resume_free(resume);
    else
        r = rerun_from(e, step->run_id, RERUN_JOB, job->key, false, NULL, resume, err);
    step_row_unref(step);
    job_row_unref(job);
    run_row_unref(run);
    return r;
}

int engine_rerun(struct engine *e, int64_t run_id, bool failed_only, bool debug, const char *actor,
                 struct err *err)
{
    return rerun_from(e, run_id, failed_only ? RERUN_FAILED : RERUN_ALL, NULL, debug, actor, NULL, err);
}

int engine_rerun_job(struct engine *e, int64_t job_id, bool debug, const char *actor, struct err *err)
{
    const struct job_row *job = store_get_job(e->store, job_id);
    int r = job ? rerun_from(e, job->run_id, RERUN_JOB, job->key, debug, actor, NULL, err)
                : err_set(err, -ENOENT, "there is no such job");

    job_row_unref(job);
    return r;
}

/* ------------------------------------------------------------------------------------------------ deleting
 */

typedef int delete_fn(struct store *st, int64_t run_id, struct err *err);

static int delete_completed(struct engine *e, int64_t run_id, delete_fn *fn, struct err *err)
{
    int r;

    pthread_mutex_lock(&e->lock);
    const struct run_row *row = store_get_run(e->store, run_id);
    if (!row)
        r = no_run(run_id, err);
    else if (run_find(e, run_id) || !str_eq(row->status, "completed"))
        r = err_set(err, -EBUSY, "run %lld is not completed: cancel it first", (long long)run_id);
    else
        r = fn(e->store, run_id, err);
    pthread_mutex_unlock(&e->lock);
    run_row_unref(row);
    return r;
}

int engine_delete_run(struct engine *e, int64_t run_id, struct err *err)
{
    return delete_completed(e, run_id, store_delete_run, err);
}

int engine_delete_logs(struct engine *e, int64_t run_id, struct err *err)
{
    return delete_completed(e, run_id, store_delete_logs, err);
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
    snapshots_expire(e);
    while (store_expire_hooks(e->store, before, NULL) > 0)
        ;
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
            jobs, json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:O?, s:O?}", "key", job->row.key, "id",
                            job->def->id, "caller", job->row.caller, "name", job->row.name, "conclusion",
                            job->row.conclusion, "exit_code", job->row.exit_code, "duration_ms",
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
