/*
 * What jobs know of each other: results and outputs of those that they need, the status functions over them,
 * and with these the contexts of a job before it runs. A job sees those of its own workflow only.
 */
#include "engine_internal.h"
#include "runfs/str.h"

/* Scope's jobs of that id (NULL: of any), one after another: *i is where to go on. */
static struct run_job *next_of(const struct run_scope *scope, const char *job_id, size_t *i)
{
    const struct run *run = scope->run;

    while (*i < run->n_jobs) {
        struct run_job *job = run->jobs[(*i)++];
        if (job->scope == scope && (!job_id || str_eq(job->def->id, job_id)))
            return job;
    }
    return NULL;
}

/* Whether every combination of that job is done; an id that is not part of this run counts as done. */
static bool def_done(const struct run_scope *scope, const char *job_id)
{
    struct run_job *job;

    for (size_t i = 0; (job = next_of(scope, job_id, &i));)
        if (job->state != JOB_STATE_DONE)
            return false;
    return true;
}

/* The worst of a job's combinations, as `needs` and `jobs` see it. */
static enum job_status def_result(const struct run_scope *scope, const char *job_id)
{
    bool failure = false, cancelled = false, success = false;
    struct run_job *job;

    for (size_t i = 0; (job = next_of(scope, job_id, &i));) {
        failure |= job->result == JOB_FAILURE;
        cancelled |= job->result == JOB_CANCELLED;
        success |= job->result == JOB_SUCCESS;
    }
    return failure ? JOB_FAILURE : cancelled ? JOB_CANCELLED : success ? JOB_SUCCESS : JOB_SKIPPED;
}

enum job_status scope_result(const struct run_scope *scope)
{
    return def_result(scope, NULL);
}

bool scope_done(const struct run_scope *scope)
{
    return def_done(scope, NULL);
}

bool needs_done(const struct run_job *job)
{
    for (size_t k = 0; k < job->def->n_needs; k++)
        if (!def_done(job->scope, job->def->needs[k]))
            return false;
    return true;
}

bool scope_cancelled(const struct run_scope *scope)
{
    if (scope->run->cancelled)
        return true;
    for (; scope; scope = scope->caller ? scope->caller->scope : NULL)
        if (scope->cancelled)
            return true;
    return false;
}

/* ---------------------------------------------------------------------------------------------- contexts */

static int by_end(const void *a, const void *b)
{
    const struct run_job *x = *(struct run_job *const *)a, *y = *(struct run_job *const *)b;

    if (x->row.completed_at != y->row.completed_at)
        return x->row.completed_at < y->row.completed_at ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/*
 * The outputs of a job are those of all its combinations; the one that ended last wins, among those that gave
 * a value at all: jobs leave empty ones out.
 */
static json_t *def_outputs(const struct run_scope *scope, const char *job_id)
{
    const struct run *run = scope->run;
    _free_ struct run_job **jobs = calloc(run->n_jobs + 1, sizeof(struct run_job *));
    json_t *outputs = json_object();
    struct run_job *job;
    size_t n = 0;

    for (size_t i = 0; jobs && (job = next_of(scope, job_id, &i));)
        if (job->outputs)
            jobs[n++] = job;
    if (n > 1)
        qsort(jobs, n, sizeof(*jobs), by_end);
    for (size_t i = 0; outputs && i < n; i++)
        json_object_update(outputs, jobs[i]->outputs);
    return outputs;
}

static int add_result(json_t *to, const struct run_scope *scope, const char *id)
{
    return json_object_set_new(to, id,
                               json_pack("{s:s, s:o}", "result", job_status_name(def_result(scope, id)),
                                         "outputs", def_outputs(scope, id)));
}

static json_t *job_needs_context(const struct run_job *job)
{
    json_t *needs = json_object();

    for (size_t k = 0; needs && k < job->def->n_needs; k++)
        add_result(needs, job->scope, job->def->needs[k]);
    return needs;
}

json_t *scope_jobs_context(const struct run_scope *scope)
{
    json_t *jobs = json_object();

    for (size_t i = 0; jobs && i < scope->workflow->n_jobs; i++)
        add_result(jobs, scope, scope->workflow->jobs[i].id);
    return jobs;
}

json_t *job_contexts(const struct run_job *job)
{
    json_t *contexts = json_copy(job->scope->contexts);
    const struct matrix_group *group = job->group;

    json_object_set_new(contexts, "needs", job_needs_context(job));
    if (!group)
        return contexts;
    json_object_set(contexts, "matrix", job->matrix ? job->matrix : json_null());
    json_object_set_new(
        contexts, "strategy",
        json_pack("{s:b, s:I, s:I, s:I}", "fail-fast", group->fail_fast, "job-index", (json_int_t)job->index,
                  "job-total", (json_int_t)group->total, "max-parallel",
                  (json_int_t)(group->max_parallel ? (size_t)group->max_parallel : group->total)));
    return contexts;
}

/* ------------------------------------------------------------------------- status functions over needs */

struct ancestors {
    bool all_success, any_failure;
};

static void add_result_of(const struct run_scope *scope, const char *id, struct ancestors *a)
{
    enum job_status result = def_result(scope, id);

    a->all_success &= result == JOB_SUCCESS;
    a->any_failure |= result == JOB_FAILURE;
}

/* Marks what a job needs, directly or not. */
static void mark_needs(const struct workflow *w, const struct workflow_job *def, bool *marked)
{
    for (size_t i = 0; i < def->n_needs; i++) {
        const struct workflow_job *need = workflow_job(w, def->needs[i]);
        if (!need || marked[need - w->jobs])
            continue;
        marked[need - w->jobs] = true;
        mark_needs(w, need, marked);
    }
}

/* success() and failure() look at all jobs that this one stands on; with arguments, at these and no others.
 */
static int look_at(const struct run_job *job, const struct value *args, size_t n, struct ancestors *a)
{
    const struct workflow *w = job->scope->workflow;
    _free_ bool *marked = calloc(w->n_jobs + 1, sizeof(bool));

    if (!marked)
        return -ENOMEM;
    if (n == 0)
        mark_needs(w, job->def, marked);
    for (size_t i = 0; i < n; i++) {
        _buf_ struct buf id = BUF_INIT;
        bool known = false;
        value_to_string(&args[i], &id);
        for (size_t k = 0; k < w->n_jobs; k++)
            if (str_eq_ascii_nocase(w->jobs[k].id, buf_str(&id)))
                known = marked[k] = true;
        a->all_success &= known;
    }
    for (size_t k = 0; k < w->n_jobs; k++)
        if (marked[k])
            add_result_of(job->scope, w->jobs[k].id, a);
    return 0;
}

static int call_status(void *data, const char *function, const struct value *args, size_t n,
                       struct value *ret, struct err *err)
{
    const struct run_job *job = data;
    struct ancestors a = {.all_success = true};
    bool cancelled = scope_cancelled(job->scope);

    if (str_eq_ascii_nocase(function, "always")) {
        *ret = value_boolean(true);
        return 0;
    }
    if (str_eq_ascii_nocase(function, "cancelled")) {
        *ret = value_boolean(cancelled);
        return 0;
    }
    if (look_at(job, args, n, &a) < 0)
        return err_errno(err, -ENOMEM, "%s()", function);
    if (str_eq_ascii_nocase(function, "success"))
        *ret = value_boolean(a.all_success && !cancelled);
    else if (str_eq_ascii_nocase(function, "failure"))
        *ret = value_boolean(a.any_failure && !cancelled);
    else
        return err_set(err, -EINVAL, "%s() is not available here", function);
    return 0;
}

struct expr_env job_if_env(struct run_job *job, json_t *contexts)
{
    return (struct expr_env){.contexts = contexts, .call = call_status, .data = job};
}
