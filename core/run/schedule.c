/*
 * Scheduling: which job may start, decided by its needs, its `if`, its matrix, and what has been cancelled.
 * All of it runs under the engine's lock, whenever a job ended or a run began.
 */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

static struct run_job *first_of(const struct run *run, const char *job_id)
{
    for (size_t i = 0; i < run->n_jobs; i++)
        if (str_eq(run->jobs[i]->def->id, job_id))
            return run->jobs[i];
    return NULL;
}

/* Whether every combination of that job is done; an id that is not part of this run counts as done. */
static bool def_done(const struct run *run, const char *job_id)
{
    for (size_t i = 0; i < run->n_jobs; i++)
        if (str_eq(run->jobs[i]->def->id, job_id) && run->jobs[i]->state != JOB_STATE_DONE)
            return false;
    return true;
}

/* The worst of a job's combinations. */
static enum job_status def_result(const struct run *run, const char *job_id)
{
    bool failure = false, cancelled = false, success = false;

    for (size_t i = 0; i < run->n_jobs; i++) {
        const struct run_job *job = run->jobs[i];
        if (!str_eq(job->def->id, job_id))
            continue;
        failure |= job->result == JOB_FAILURE;
        cancelled |= job->result == JOB_CANCELLED;
        success |= job->result == JOB_SUCCESS;
    }
    return failure ? JOB_FAILURE : cancelled ? JOB_CANCELLED : success ? JOB_SUCCESS : JOB_SKIPPED;
}

json_t *job_needs_context(const struct run_job *job)
{
    json_t *needs = json_object();

    for (size_t k = 0; needs && k < job->def->n_needs; k++) {
        const char *id = job->def->needs[k];
        json_t *outputs = json_object();
        for (size_t i = 0; i < job->run->n_jobs; i++)
            if (str_eq(job->run->jobs[i]->def->id, id) && job->run->jobs[i]->outputs)
                json_object_update(outputs, job->run->jobs[i]->outputs);
        json_object_set_new(
            needs, id,
            json_pack("{s:s, s:o}", "result", job_status_name(def_result(job->run, id)), "outputs", outputs));
    }
    return needs;
}

/* ------------------------------------------------------------------------- status functions over needs */

struct ancestors {
    bool all_success, any_failure;
};

static void add_ancestor(const struct run *run, const char *id, struct ancestors *a, int depth)
{
    const struct workflow_job *def = workflow_job(run->workflow, id);
    enum job_status result = def_result(run, id);

    a->all_success &= result == JOB_SUCCESS;
    a->any_failure |= result == JOB_FAILURE;
    for (size_t i = 0; def && i < def->n_needs && depth < 1000; i++)
        add_ancestor(run, def->needs[i], a, depth + 1);
}

static int call_status(void *data, const char *function, const struct value *args, size_t n,
                       struct value *ret, struct err *err)
{
    const struct run_job *job = data;
    struct ancestors a = {.all_success = true};

    if (str_eq_ascii_nocase(function, "always")) {
        *ret = value_boolean(true);
        return 0;
    }
    if (str_eq_ascii_nocase(function, "cancelled")) {
        *ret = value_boolean(job->run->cancelled);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        _buf_ struct buf id = BUF_INIT;
        value_to_string(&args[i], &id);
        if (first_of(job->run, buf_str(&id)))
            add_ancestor(job->run, buf_str(&id), &a, 0);
    }
    for (size_t i = 0; n == 0 && i < job->def->n_needs; i++)
        add_ancestor(job->run, job->def->needs[i], &a, 0);
    if (str_eq_ascii_nocase(function, "success"))
        *ret = value_boolean(a.all_success && !job->run->cancelled);
    else if (str_eq_ascii_nocase(function, "failure"))
        *ret = value_boolean(a.any_failure && !job->run->cancelled);
    else
        return err_set(err, -EINVAL, "%s() is not available here", function);
    return 0;
}

/* ----------------------------------------------------------------------------------------- small changes */

static void put_job(struct run_job *job)
{
    struct err err = {0};

    job->row.changed_at = now_ns();
    if (store_put_job(job->run->e->store, &job->row, &err) < 0)
        log_error("run", "%lld: job %s: cannot be written: %s", (long long)job->run->row.id, job->row.key,
                  err.msg);
}

static void put_run(struct run *run)
{
    struct err err = {0};

    run->row.changed_at = now_ns();
    if (store_put_run(run->e->store, &run->row, &err) < 0)
        log_error("run", "%lld: cannot be written: %s", (long long)run->row.id, err.msg);
}

static void job_done(struct run_job *job, enum job_status status, int exit_code)
{
    bool spared = status == JOB_FAILURE && job->continue_on_error;

    job->state = JOB_STATE_DONE;
    job->result = spared ? JOB_SUCCESS : status;
    job->row.status = "completed";
    job->row.conclusion = job_status_name(status);
    job->row.exit_code = exit_code;
    job->row.completed_at = now_ns();
    if (status == JOB_FAILURE && !spared && !job->run->first_exit_code)
        job->run->first_exit_code = exit_code ? exit_code : 1;
    if (job->row.log_size < 0)
        job->row.log_size = 0;
    put_job(job);
}

static const char *keep_text(struct run *run, const struct buf *text)
{
    const char *copy = buf_ok(text) ? arena_strndup(&run->arena, buf_str(text), text->len) : NULL;

    return copy ? copy : "";
}

/* A job that cannot start: why, as an annotation, in `why`, and in its result. */
static void job_refuse(struct run_job *job, const char *msg)
{
    struct annotation_row note = {.run_id = job->run->row.id,
                                  .job_id = job->row.id,
                                  .attempt = job->run->row.attempt,
                                  .level = "error",
                                  .title = "",
                                  .file = "",
                                  .message = msg};
    _buf_ struct buf why = BUF_INIT;

    buf_addf(&why, "%s%s\n", job->row.why, msg);
    job->row.why = keep_text(job->run, &why);
    (void)store_put_annotation(job->run->e->store, &note, NULL);
    job_done(job, JOB_FAILURE, 1);
}

/* ------------------------------------------------------------------------------------------ new job rows */

static struct run_job *run_add_job(struct run *run, const struct workflow_job *def)
{
    if (run->n_jobs == run->cap_jobs) {
        size_t cap = run->cap_jobs ? run->cap_jobs * 2 : 8;
        struct run_job **more = reallocarray(run->jobs, cap, sizeof(*more));
        if (!more)
            return NULL;
        run->jobs = more;
        run->cap_jobs = cap;
    }
    struct run_job *job = calloc(1, sizeof(*job));
    if (!job)
        return NULL;
    job->run = run;
    job->def = def;
    job->row = (struct job_row){.run_id = run->row.id,
                                .attempt = run->row.attempt,
                                .key = def->id,
                                .job_id = def->id,
                                .name = def->id,
                                .status = "queued",
                                .conclusion = "",
                                .exit_code = -1,
                                .created_at = now_ns(),
                                .log_size = -1};
    run->jobs[run->n_jobs++] = job;
    return job;
}

static const char *json_text(struct run *run, const json_t *json)
{
    _free_ char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *copy = text ? arena_strdup(&run->arena, text) : NULL;

    return copy ? copy : "";
}

static struct expr_env job_env(struct run_job *job, json_t *contexts)
{
    return (struct expr_env){.contexts = contexts, .call = call_status, .data = job};
}

/* Contexts of a job before it starts: the run's, and needs; matrix and strategy once it has them. Owned by
 * the caller. */
static json_t *job_contexts(const struct run_job *job)
{
    json_t *contexts = json_copy(job->run->contexts);

    json_object_set_new(contexts, "needs", job_needs_context(job));
    if (job->matrix)
        json_object_set(contexts, "matrix", job->matrix);
    if (job->group)
        json_object_set_new(contexts, "strategy",
                            json_pack("{s:b, s:I, s:I, s:I}", "fail-fast", job->group->fail_fast, "job-index",
                                      (json_int_t)job->index, "job-total", (json_int_t)job->group->total,
                                      "max-parallel",
                                      (json_int_t)(job->group->max_parallel ? (size_t)job->group->max_parallel
                                                                            : job->group->total)));
    return contexts;
}

static bool key_taken(const struct run_job *job, const char *key)
{
    for (size_t i = 0; i < job->run->n_jobs; i++)
        if (job->run->jobs[i] != job && str_eq(job->run->jobs[i]->row.key, key))
            return true;
    return false;
}

/* Key and display name of a combination: "build-linux-18" and "build (linux, 18)". */
static void name_job(struct run_job *job)
{
    _json_ json_t *contexts = job_contexts(job);
    struct expr_env env = job_env(job, contexts);
    _buf_ struct buf suffix = BUF_INIT, key = BUF_INIT, name = BUF_INIT;
    _free_ char *given = NULL;

    if (job->matrix)
        matrix_suffix(job->matrix, &suffix);
    buf_adds(&key, job->def->id);
    if (suffix.len) {
        buf_addc(&key, '-');
        buf_add_slug(&key, buf_str(&suffix), 80);
    }
    size_t stem = key.len;
    for (int n = 2; buf_ok(&key) && key_taken(job, buf_str(&key)); n++) {
        key.len = stem;
        buf_addf(&key, "-%d", n);
    }
    job->row.key = keep_text(job->run, &key);
    if (job->def->name &&
        token_eval_string(job->def->name, job->run->workflow->file, &env, &given, NULL) == 0 && *given)
        buf_adds(&name, given);
    else
        buf_adds(&name, job->def->id);
    if (suffix.len && !(job->def->name && token_has_expr(job->def->name)))
        buf_adds(&name, buf_str(&suffix)); /* " (linux, 18)" */
    job->row.name = keep_text(job->run, &name);
    if (job->matrix)
        job->row.matrix = json_text(job->run, job->matrix);
    (void)token_eval_boolean(job->def->continue_on_error, job->run->workflow->file, &env, false,
                             &job->continue_on_error, NULL);
}

/* `runfs run --matrix k:v`: whether the combination agrees. */
static bool combination_wanted(const struct run *run, const json_t *combination)
{
    json_t *wanted = json_object_get(run->request, "matrix");
    const char *key;
    json_t *value;

    json_object_foreach(wanted, key, value)
    {
        _value_ struct value v = value_from_json(json_object_get(combination, key));
        _buf_ struct buf text = BUF_INIT;
        value_to_string(&v, &text);
        if (v.kind != VALUE_NULL && !str_eq(buf_str(&text), json_string_value(value)))
            return false;
    }
    return true;
}

/* Replaces a job by its combinations; the first one takes its row. */
static int expand(struct run_job *job, const struct strategy *s, struct err *err)
{
    struct run *run = job->run;
    struct matrix_group *group = arena_new(&run->arena, struct matrix_group);
    size_t total = json_array_size(s->combinations), index = 0;
    bool placed = false;

    if (!group)
        return err_errno(err, -ENOMEM, "cannot expand the matrix");
    *group =
        (struct matrix_group){.fail_fast = s->fail_fast, .max_parallel = s->max_parallel, .total = total};
    for (size_t i = 0; i < total; i++) {
        json_t *combination = json_array_get(s->combinations, i);
        if (!combination_wanted(run, combination))
            continue;
        struct run_job *one = placed ? run_add_job(run, job->def) : job;
        if (!one)
            return err_errno(err, -ENOMEM, "cannot expand the matrix");
        placed = true;
        one->group = group;
        one->index = index++;
        one->matrix = json_object_size(combination) ? json_incref(combination) : NULL;
        one->row.why = job->row.why;
        one->row.needs = job->row.needs;
        name_job(one);
        if (one != job)
            put_job(one);
    }
    if (!placed)
        return err_set(err, -EINVAL, "no combination of the matrix of job '%s' agrees with --matrix",
                       job->def->id);
    put_job(job);
    return 0;
}

static int expand_job(struct run_job *job, struct err *err)
{
    _json_ json_t *contexts = job_contexts(job), *evaluated = NULL;
    struct expr_env env = job_env(job, contexts);
    struct strategy s = {0};
    int r = token_eval(job->def->strategy, job->run->workflow->file, &env, &evaluated, err);

    if (r == 0)
        r = strategy_expand(evaluated, &s, err);
    if (r == 0)
        r = expand(job, &s, err);
    strategy_release(&s);
    return r;
}

/* Whether a job is part of the run: `--job ID` takes that one and what it needs. */
static bool job_wanted(const struct run *run, const char *id, const char *only, int depth)
{
    const struct workflow_job *def = workflow_job(run->workflow, only);

    if (str_eq(id, only))
        return true;
    for (size_t i = 0; def && i < def->n_needs && depth < 1000; i++)
        if (job_wanted(run, id, def->needs[i], depth + 1))
            return true;
    return false;
}

static const char *needs_text(struct run *run, const struct workflow_job *def)
{
    _json_ json_t *needs = json_array();

    for (size_t i = 0; i < def->n_needs; i++)
        json_array_append_new(needs, json_string(def->needs[i]));
    return json_text(run, needs);
}

int run_add_jobs(struct run *run, struct err *err)
{
    const char *only = json_string_value(json_object_get(run->request, "job"));

    if (only && !workflow_job(run->workflow, only))
        return err_set(err, -EINVAL, "%s has no job '%s'", run->workflow->file, only);
    for (size_t i = 0; i < run->workflow->n_jobs; i++) {
        const struct workflow_job *def = &run->workflow->jobs[i];
        if (only && !job_wanted(run, def->id, only, 0))
            continue;
        struct run_job *job = run_add_job(run, def);
        if (!job)
            return err_errno(err, -ENOMEM, "cannot start a run");
        job->row.needs = needs_text(run, def);
        name_job(job);
        int r = store_put_job(run->e->store, &job->row, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* -------------------------------------------------------------------------------------------- deciding */

static void make_ready(struct run_job *job)
{
    struct engine *e = job->run->e;

    job->state = JOB_STATE_READY;
    job->next_ready = NULL;
    *e->ready_end = job;
    e->ready_end = &job->next_ready;
    e->queued++;
    pthread_cond_signal(&e->work);
}

/* All needs are done: does it run? */
static void decide(struct run_job *job)
{
    _json_ json_t *contexts = job_contexts(job);
    struct expr_env env = job_env(job, contexts);
    _expr_err_ struct expr_err expr_err = {0};
    _value_ struct value value = {0};
    _buf_ struct buf why = BUF_INIT;
    struct run *run = job->run;
    size_t before = run->n_jobs;
    struct err err = {0};

    buf_addf(&why, "if: %s\n", expr_text(job->def->condition));
    int r = expr_explain(job->def->condition, &env, &value, &why, &expr_err);
    bool wanted = r == 0 && value_truthy(&value);
    if (r == 0)
        buf_addf(&why, "%s\n", wanted ? "runs" : run->cancelled ? "cancelled" : "skipped");
    job->row.why = keep_text(run, &why);
    if (r < 0) {
        job_refuse(job, expr_err.msg ? expr_err.msg : "The `if` cannot be evaluated");
    } else if (!wanted) {
        job_done(job, run->cancelled ? JOB_CANCELLED : JOB_SKIPPED, 0);
    } else if (expand_job(job, &err) < 0) {
        job_refuse(job, err.msg);
    } else {
        make_ready(job);
        for (size_t i = before; i < run->n_jobs; i++)
            make_ready(run->jobs[i]);
    }
}

static bool needs_done(const struct run_job *job)
{
    for (size_t k = 0; k < job->def->n_needs; k++)
        if (!def_done(job->run, job->def->needs[k]))
            return false;
    return true;
}

/* ---------------------------------------------------------------------------------------- the run's end */

static void complete(struct run *run)
{
    bool failure = false, cancelled = run->cancelled, success = false;

    for (size_t i = 0; i < run->n_jobs; i++) {
        failure |= run->jobs[i]->result == JOB_FAILURE;
        cancelled |= run->jobs[i]->result == JOB_CANCELLED;
        success |= run->jobs[i]->result == JOB_SUCCESS;
    }
    run->row.status = "completed";
    run->row.conclusion = failure ? "failure" : cancelled ? "cancelled" : success ? "success" : "skipped";
    run->row.exit_code = failure ? (run->first_exit_code ? run->first_exit_code : 1) : cancelled ? 130 : 0;
    run->row.completed_at = now_ns();
    if (!run->row.started_at)
        run->row.started_at = run->row.completed_at;
    run->row.log_size = log_size(
        run->e->store,
        &(struct log_select){.run_id = run->row.id, .attempt = run->row.attempt, .streams = LOG_OF_RUN});
    (void)run_write_result(run);
    put_run(run);
}

static void unlink_run(struct run *run)
{
    struct run **at = &run->e->runs;

    while (*at && *at != run)
        at = &(*at)->next;
    if (*at)
        *at = run->next;
    pthread_cond_broadcast(&run->e->done);
}

/* Decides whatever can be decided. A run whose jobs are all done is completed and freed. */
void run_advance(struct run *run)
{
    bool progress = true, all_done = true;

    store_begin(run->e->store);
    while (progress) {
        progress = false;
        for (size_t i = 0; i < run->n_jobs; i++)
            if (run->jobs[i]->state == JOB_STATE_WAITING && needs_done(run->jobs[i])) {
                decide(run->jobs[i]);
                progress = true;
            }
    }
    for (size_t i = 0; i < run->n_jobs; i++)
        all_done &= run->jobs[i]->state == JOB_STATE_DONE;
    if (all_done)
        complete(run);
    struct err err = {0};
    if (store_commit(run->e->store, &err) < 0)
        log_error("run", "%lld: %s", (long long)run->row.id, err.msg);
    if (all_done) {
        unlink_run(run);
        run_free(run);
    }
}

static void unqueue(struct run_job *job)
{
    struct engine *e = job->run->e;
    struct run_job **at = &e->ready;

    while (*at && *at != job)
        at = &(*at)->next_ready;
    if (!*at)
        return;
    *at = job->next_ready;
    if (!*at)
        e->ready_end = at;
    e->queued--;
}

void run_activate(struct engine *e, struct run *run)
{
    struct run **end = &e->runs;

    while (*end)
        end = &(*end)->next;
    *end = run;
    run->next = NULL;
    run_advance(run);
}

void run_abandon(struct run *run)
{
    for (size_t i = 0; i < run->n_jobs; i++)
        if (run->jobs[i]->state == JOB_STATE_READY)
            unqueue(run->jobs[i]);
    unlink_run(run);
    run_free(run);
}

struct run *run_find(struct engine *e, int64_t id)
{
    for (struct run *run = e->runs; run; run = run->next)
        if (run->row.id == id)
            return run;
    return NULL;
}

/* --------------------------------------------------------------------------------------- starting, ending */

struct run_job *schedule_next(struct engine *e)
{
    struct run_job **at = &e->ready;

    if (e->busy >= e->slots)
        return NULL;
    for (; *at; at = &(*at)->next_ready) {
        struct run_job *job = *at;
        if (job->group && job->group->max_parallel && job->group->running >= job->group->max_parallel)
            continue;
        *at = job->next_ready;
        if (!*at)
            e->ready_end = at;
        e->queued--;
        e->busy++;
        if (job->group)
            job->group->running++;
        job->state = JOB_STATE_RUNNING;
        return job;
    }
    return NULL;
}

void job_cancel(struct run_job *job)
{
    atomic_store(&job->cancelled, true);
    if (job->state == JOB_STATE_RUNNING && job->machine)
        machine_interrupt(job->machine);
    if (job->state == JOB_STATE_READY) {
        unqueue(job);
        job_done(job, JOB_CANCELLED, 0);
    }
}

/* Jobs whose `if` asks for it (always(), cancelled()) still run; they are decided again by run_advance.
 * Whoever cancels a second time has waited enough: what runs is killed. */
void run_cancel(struct run *run)
{
    bool again = run->cancelled;

    run->cancelled = true;
    for (size_t i = 0; i < run->n_jobs; i++) {
        struct run_job *job = run->jobs[i];
        bool anyway =
            expr_calls(job->def->condition, "always") || expr_calls(job->def->condition, "cancelled");
        if (job->state == JOB_STATE_RUNNING || (job->state == JOB_STATE_READY && !anyway))
            job_cancel(job);
        if (again && job->state == JOB_STATE_RUNNING && job->machine)
            machine_kill(job->machine);
    }
}

void job_finish(struct run_job *job, enum job_status status, int exit_code)
{
    struct run *run = job->run;
    struct engine *e = run->e;

    e->busy--;
    if (job->group)
        job->group->running--;
    job_done(job, status, exit_code);
    if (job->result == JOB_FAILURE && job->group && job->group->fail_fast)
        for (size_t i = 0; i < run->n_jobs; i++)
            if (run->jobs[i] != job && run->jobs[i]->group == job->group &&
                run->jobs[i]->state != JOB_STATE_DONE)
                job_cancel(run->jobs[i]);
    pthread_cond_broadcast(&e->work);
}
