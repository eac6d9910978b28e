/*
 * Scheduling: how a job moves on, from its needs by its `if`, its matrix and its concurrency groups to the
 * queue (queue.c), and how it ends. All of it runs under the engine's lock, whenever a job ended or a run
 * began.
 */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

/* ----------------------------------------------------------------------------------------- small changes */

void job_put(struct run_job *job)
{
    struct err err = {0};

    job->row.changed_at = now_ns();
    store_begin_lasting(job->run->e->store);
    int r = store_put_job(job->run->e->store, &job->row, &err);
    int c = store_commit(job->run->e->store, &err);
    if (r < 0 || c < 0)
        log_error("run", "%lld: job %s: cannot be written: %s", (long long)job->run->row.id, job->row.key,
                  err.msg);
}

/* The first failing combination ends the others, unless fail-fast is off. */
static void fail_fast(const struct run_job *job)
{
    const struct run *run = job->run;
    _buf_ struct buf why = BUF_INIT;

    if (job->result != JOB_FAILURE || !job->group || !job->group->fail_fast)
        return;
    buf_addf(&why, "The strategy configuration was canceled because \"%s.", job->def->id);
    matrix_id(job->suffix, &why);
    buf_adds(&why, "\" failed");
    for (size_t i = 0; i < run->n_jobs; i++)
        if (run->jobs[i] != job && run->jobs[i]->group == job->group && run->jobs[i]->state != JOB_STATE_DONE)
            job_cancel(run->jobs[i], buf_str(&why));
}

void job_done(struct run_job *job, enum job_status status, int exit_code)
{
    bool spared = status == JOB_FAILURE && job->continue_on_error;

    job->state = JOB_STATE_DONE;
    run_changed(job->run);
    job->result = spared ? JOB_SUCCESS : status;
    job->row.status = "completed";
    job->row.conclusion = job_status_name(status);
    job->row.exit_code = exit_code;
    job->row.completed_at = now_ns();
    metric_count(&metric_jobs, job->row.conclusion);
    if (job->row.started_at) {
        metric_time(&metric_job_time, job->row.completed_at - job->row.started_at);
        metric_time(&metric_queue_time, job->row.started_at - job->row.created_at);
    }
    if (status == JOB_FAILURE && !spared && !job->run->first_exit_code)
        job->run->first_exit_code = exit_code ? exit_code : 1;
    if (job->row.log_size < 0)
        job->row.log_size = 0;
    job_put(job);
    if (job->counted)
        job->group->running--;
    job->counted = false;
    for (size_t i = 0; i < JOB_PERMITS; i++)
        permit_release(TAKE(job->permits[i]));
    fail_fast(job);
}

void job_note(struct run_job *job, const char *msg)
{
    struct annotation_row note = {.run_id = job->run->row.id,
                                  .job_id = job->row.id,
                                  .attempt = job->run->row.attempt,
                                  .level = "error",
                                  .title = "",
                                  .file = "",
                                  .message = msg};
    _buf_ struct buf why = BUF_INIT;

    buf_addf(&why, "%s%s\n", job->decided, msg);
    job->row.why = run_keep(job->run, buf_str(&why));
    store_begin_lasting(job->run->e->store);
    (void)store_put_annotation(job->run->e->store, &note, NULL);
    (void)store_commit(job->run->e->store, NULL);
}

/* It cannot start: it fails, and says why. */
static void job_refuse(struct run_job *job, const char *msg)
{
    job_note(job, msg);
    job_done(job, JOB_FAILURE, 1);
}

/* -------------------------------------------------------------------------------------------- deciding */

/* A matrix in error, or a name: none of the job's combinations starts. */
static void refuse_all(struct run_job *job, const char *msg)
{
    struct run *run = job->run;
    size_t n = run->n_jobs;

    for (size_t i = 0; i < n; i++)
        if (run->jobs[i] == job || (job->group && run->jobs[i]->group == job->group))
            if (run->jobs[i]->state != JOB_STATE_DONE)
                job_refuse(run->jobs[i], msg);
}

int job_evaluate_if(struct run_job *job, bool *ret_wanted, struct buf *why, struct err *err)
{
    _json_ json_t *contexts = job_contexts(job);
    struct expr_env env = job_if_env(job, contexts);
    _expr_err_ struct expr_err expr_err = {0};
    _value_ struct value value = {0};
    _buf_ struct buf ignored = BUF_INIT;

    int r = expr_explain(job->def->condition, &env, &value, why ? why : &ignored, &expr_err);
    if (r < 0)
        return err_set(err, r, "Error when evaluating 'if' for job '%s'. %s", job->def->id,
                       expr_err.msg ? expr_err.msg : "It cannot be evaluated");
    *ret_wanted = value_truthy(&value);
    return 0;
}

/* ------------------------------------------------------------------- from max-parallel to a concurrency
 * group */

/* The groups of a job, in the order in which it asks: its own, then that of the workflow that it calls. */
static int job_group(struct run_job *job, int which, struct group_setting **ret, struct err *err)
{
    const struct workflow *called = job->def->called;
    struct err own = {0};
    int r;

    *ret = NULL;
    if (which == 0) {
        _json_ json_t *contexts = job_contexts(job);
        r = group_setting_evaluate(job->def->concurrency, job->scope->workflow->file,
                                   &(struct expr_env){.contexts = contexts}, ret, &own);
    } else {
        r = job->called && called->concurrency
                ? group_setting_evaluate(called->concurrency, called->file,
                                         &(struct expr_env){.contexts = job->called->contexts}, ret, &own)
                : 0;
    }
    return r < 0 ? err_set(err, r, "Error when evaluating 'concurrency' for job '%s'. %s", job->def->id,
                           own.msg)
                 : 0;
}

/* What a job waits for, as long as that is so. */
static void show_permit(struct run_job *job, const struct permit *p)
{
    const char *status = p->held ? "queued" : "pending";
    _buf_ struct buf why = BUF_INIT;

    buf_adds(&why, job->decided);
    permit_describe(p, &why);
    if (str_eq(job->row.status, status) && job->row.why && str_eq(job->row.why, buf_str(&why)))
        return;
    job->row.why = run_keep(job->run, buf_str(&why));
    job->row.concurrency = run_keep(job->run, p->group);
    job->row.status = status;
    job_put(job);
}

/* Asks for the next group of a job. False: it will not go on, and has said why. */
static bool ask_for_group(struct run_job *job)
{
    struct group_setting *g = NULL;
    int which = job->n_permits++;
    struct err err = {0};

    int r = job_group(job, which, &g, &err);
    if (r == 0 && g)
        r = permit_request(job->run, job, g, &job->permits[which], &err);
    group_setting_free(g);
    if (r == -ECANCELED)
        job_cancel(job, err.msg);
    else if (r < 0)
        job_refuse(job, err.msg);
    return job->state != JOB_STATE_DONE;
}

void job_begins(struct run_job *job)
{
    struct run *run = job->run;

    job->row.status = "in_progress";
    job->row.started_at = now_ns();
    job_put(job);
    if (str_eq(run->row.status, "in_progress"))
        return;
    run->row.status = "in_progress";
    run->row.started_at = job->row.started_at;
    run_put(run);
}

static void start_call(struct run_job *job)
{
    struct err err = {0};

    job->state = JOB_STATE_CALLING;
    job->row.why = job->decided;
    job_begins(job);
    if (scope_add_jobs(job->called, &err) < 0) {
        job->called->cancelled = true; /* those that it had added already do not run */
        job_refuse(job, err.msg);
    }
}

/* A job that has all groups that it asked for goes on as far as it can. */
static bool proceed(struct run_job *job)
{
    struct err err = {0};

    for (;;) {
        const struct permit *last = job->n_permits ? job->permits[job->n_permits - 1] : NULL;
        if (last)
            show_permit(job, last);
        if (last && !last->held)
            return false;
        if (job->n_permits == JOB_PERMITS)
            break;
        if (job->n_permits == 1 && job->def->uses && call_start(job, &err) < 0) {
            job_refuse(job, err.msg);
            return true;
        }
        if (!ask_for_group(job))
            return true;
    }
    if (job->def->uses)
        start_call(job);
    else
        job_queue(job);
    return true;
}

static bool admit(struct run_job *job)
{
    struct matrix_group *group = job->group;

    if (group->max_parallel && group->running >= group->max_parallel)
        return false;
    group->running++;
    job->counted = true;
    job->state = JOB_STATE_PENDING;
    (void)proceed(job);
    return true;
}

/* A job becomes its combinations, and these go on as far as they can. */
static void expand(struct run_job *job)
{
    struct run *run = job->run;
    struct err err = {0};

    if (job_expand(job, &err) < 0) {
        refuse_all(job, err.msg);
        return;
    }
    for (size_t i = 0; i < run->n_jobs; i++) {
        struct run_job *one = run->jobs[i];
        if (one->group != job->group || one->state != JOB_STATE_HELD)
            continue;
        if (job_prepare_row(one, &err) < 0)
            job_refuse(one, err.msg);
        else
            job_put(one);
    }
    /* in the order of the combinations: who asks first for a concurrency group has it */
    for (size_t i = 0; job->group && i < run->n_jobs; i++)
        if (run->jobs[i]->group == job->group && run->jobs[i]->state == JOB_STATE_HELD)
            (void)admit(run->jobs[i]);
}

/* All needs are done: does it run? */
static void decide(struct run_job *job)
{
    bool wanted = false, cancelled = scope_cancelled(job->scope);
    _buf_ struct buf why = BUF_INIT;
    struct err err = {0};

    buf_addf(&why, "if: %s\n", expr_text(job->def->condition));
    int r = job_evaluate_if(job, &wanted, &why, &err);
    if (r == 0)
        buf_addf(&why, "%s\n", wanted ? "runs" : cancelled ? "cancelled" : "skipped");
    if (r == 0 && wanted && job->def->uses)
        buf_addf(&why, "calls %s\n", job->def->uses);
    job->decided = job->row.why = run_keep(job->run, buf_str(&why));
    if (r < 0)
        job_refuse(job, err.msg);
    else if (!wanted)
        job_done(job, cancelled ? JOB_CANCELLED : JOB_SKIPPED, 0);
    else
        expand(job);
}

static void finish_call(struct run_job *job)
{
    enum job_status result = scope_result(job->called);
    struct err err = {0};
    int code = 0;

    if (call_outputs(job, &err) < 0) {
        job_note(job, err.msg);
        result = result == JOB_SUCCESS ? JOB_FAILURE : result;
    }
    for (size_t i = 0; i < job->run->n_jobs && !code; i++)
        if (job->run->jobs[i]->scope == job->called && job->run->jobs[i]->result == JOB_FAILURE)
            code = job->run->jobs[i]->row.exit_code;
    job_done(job, result, result == JOB_FAILURE && !code ? 1 : code);
}

bool job_advance(struct run_job *job)
{
    switch (job->state) {
    case JOB_STATE_WAITING:
        if (!needs_done(job))
            return false;
        decide(job);
        return true;
    case JOB_STATE_HELD:
        return admit(job);
    case JOB_STATE_PENDING:
        return proceed(job);
    case JOB_STATE_CALLING:
        if (!scope_done(job->called))
            return false;
        finish_call(job);
        return true;
    default:
        return false;
    }
}

void job_finish(struct run_job *job, enum job_status status, int exit_code)
{
    struct engine *e = job->run->e;

    e->busy--;
    job_done(job, status, exit_code);
    pthread_cond_broadcast(&e->work);
}
