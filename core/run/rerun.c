/*
 * Attempts: which jobs of the last one run again, and which stay as they are. What runs again takes along
 * what stands on it: the jobs that need it, and those that need a job which calls it.
 */
#include "engine_internal.h"
#include "runfs/str.h"

/* A job of the attempt before. */
struct former {
    const struct job_row *row; /* owned reference */
    json_t *needs;             /* owned array of job ids */
    struct former *caller;     /* NULL: of the run's own workflow */
    bool again;                /* it runs again, with all that it calls */
    bool within;               /* something that it calls runs again */
    bool calls;                /* there are jobs that it calls */
};

struct formers {
    struct former *jobs; /* owned */
    size_t n, cap;
};

static void formers_release(struct formers *f)
{
    for (size_t i = 0; i < f->n; i++) {
        job_row_unref(f->jobs[i].row);
        json_decref(f->jobs[i].needs);
    }
    free(f->jobs);
}

static int add_former(struct formers *f, const struct job_row *row_take)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct former *more = reallocarray(f->jobs, cap, sizeof(*more));
        if (!more) {
            job_row_unref(row_take);
            return -ENOMEM;
        }
        f->jobs = more;
        f->cap = cap;
    }
    f->jobs[f->n++] =
        (struct former){.row = row_take, .needs = json_loads(row_take->needs, JSON_DECODE_ANY, NULL)};
    return 0;
}

static struct former *find_former(const struct formers *f, const char *key)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->jobs[i].row->key, key))
            return &f->jobs[i];
    return NULL;
}

static int read_formers(struct store *st, int64_t run_id, int attempt, struct formers *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n = 0;
    int r = 0;

    while (r == 0 && (n = store_list_jobs(st, run_id, attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; r == 0 && i < n; i++) {
            const struct job_row *row = store_get_job(st, ids[i]);
            r = row ? add_former(ret, row) : -ENOMEM;
        }
        after = ids[n - 1];
    }
    if (r == 0 && n < 0) /* one that is not seen would run again */
        r = (int)n;
    for (size_t i = 0; r == 0 && i < ret->n; i++) {
        struct former *job = &ret->jobs[i];
        job->caller = *job->row->caller ? find_former(ret, job->row->caller) : NULL;
        if (job->caller)
            job->caller->calls = true;
    }
    return r;
}

/* ---------------------------------------------------------------------------------------------- what again
 */

static bool failed(const struct former *job)
{
    return !str_eq(job->row->conclusion, "success") && !str_eq(job->row->conclusion, "skipped");
}

static bool needs(const struct former *job, const struct former *other)
{
    json_t *id;
    size_t i;

    if (job->caller != other->caller)
        return false;
    json_array_foreach(job->needs, i, id) if (str_eq(json_string_value(id), other->row->job_id)) return true;
    return false;
}

/* Whether job has to run again because other does, wholly or in part. */
static bool follows(const struct former *job, const struct former *other)
{
    return (job->caller == other && other->again) || ((other->again || other->within) && needs(job, other));
}

static void spread(struct formers *f)
{
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < f->n; i++) {
            struct former *job = &f->jobs[i];
            for (size_t k = 0; !job->again && k < f->n; k++)
                if (follows(job, &f->jobs[k]))
                    job->again = more = true;
            if (job->caller && (job->again || job->within) && !job->caller->within)
                job->caller->within = more = true;
        }
    }
}

static bool begins(const struct former *job, enum rerun what, const char *key)
{
    switch (what) {
    case RERUN_JOB:
        return str_eq(job->row->key, key);
    case RERUN_FAILED:
        return failed(job) && !job->calls;
    default:
        return !str_eq(job->row->status, "completed") && !job->calls;
    }
}

/* Marks where it begins. Whether there is anything. */
static bool mark(struct formers *f, enum rerun what, const char *key)
{
    bool any = false;

    for (size_t i = 0; i < f->n; i++)
        any |= f->jobs[i].again = begins(&f->jobs[i], what, key);
    return any;
}

int run_carry(struct run *run, enum rerun what, const char *key, struct err *err)
{
    _cleanup_(formers_release) struct formers f = {0};

    if (what == RERUN_ALL)
        return 0;
    if (read_formers(run->e->store, run->row.id, run->row.attempt - 1, &f) < 0)
        return err_errno(err, -ENOMEM, "cannot run again");
    if (!mark(&f, what, key) && what == RERUN_FAILED)
        return err_set(err, -EINVAL, "run %lld has no failed jobs", (long long)run->row.id);
    spread(&f);
    run->carried = json_object();
    for (size_t i = 0; run->carried && i < f.n; i++)
        if (!f.jobs[i].again && !f.jobs[i].calls)
            json_object_set_new(run->carried, f.jobs[i].row->key, json_integer(f.jobs[i].row->id));
    return run->carried ? 0 : err_errno(err, -ENOMEM, "cannot run again");
}

/* ----------------------------------------------------------------------------------------- what stays */

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

static void copy_row(struct run_job *job, const struct job_row *old)
{
    struct run *run = job->run;

    job->row.status = "completed";
    job->row.conclusion = run_keep(run, old->conclusion);
    job->row.exit_code = old->exit_code;
    job->row.runs_on = run_keep(run, old->runs_on);
    job->row.backend = run_keep(run, old->backend);
    job->row.why = run_keep(run, old->why);
    job->row.environment_url = run_keep(run, old->environment_url);
    job->row.log_job_id = old->log_job_id ? old->log_job_id : old->id;
    job->row.started_at = old->started_at;
    job->row.completed_at = old->completed_at;
    job->row.log_size = old->log_size;
}

/* Its log and steps are those of the job that it was. */
static int carry_over(struct run_job *job, const struct job_row *old, struct err *err)
{
    struct store *st = job->run->e->store;
    const char *key;
    json_t *value;

    (void)job_prepare_row(job, NULL);
    job->state = JOB_STATE_DONE;
    job->result = status_of(old->conclusion);
    if (job->result == JOB_FAILURE && job->continue_on_error)
        job->result = JOB_SUCCESS;
    if (job->result == JOB_FAILURE && !job->run->first_exit_code)
        job->run->first_exit_code = old->exit_code > 0 ? old->exit_code : 1;
    job->outputs = outputs_of(st, old->id);
    copy_row(job, old);
    int r = store_put_job(st, &job->row, err);
    json_object_foreach(job->outputs, key, value) if (r == 0) r =
        store_put_output(st, job->row.id, 0, key, json_string_value(value), err);
    return r;
}

int job_carry_over(struct run_job *job, bool *ret_carried, struct err *err)
{
    int64_t id = json_integer_value(json_object_get(job->run->carried, job->row.key));
    const struct job_row *old = id ? store_get_job(job->run->e->store, id) : NULL;
    int r = 0;

    if (id && !old)
        return err_errno(err, -ENOMEM, "what job '%s' was cannot be read", job->row.key);
    *ret_carried = old && str_eq(old->job_id, job->def->id) && str_eq(old->caller, job->row.caller);
    if (*ret_carried)
        r = carry_over(job, old, err);
    job_row_unref(old);
    return r;
}
