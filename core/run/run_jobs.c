/*
 * From the jobs of a workflow to the jobs of a run: a row for each, one for each combination of a matrix,
 * with their names, their directories, and what is evaluated before they can start.
 */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { KEY_MAX = 200, SUFFIX_MAX = 80 };

/* ---------------------------------------------------------------------------------------- scopes and rows */

struct run_scope *scope_new(struct run *run, struct run_job *caller, const struct workflow *w,
                            json_t *contexts)
{
    struct run_scope *scope = calloc(1, sizeof(*scope));

    if (!scope)
        return NULL;
    *scope = (struct run_scope){
        .run = run, .caller = caller, .workflow = w, .contexts = json_incref(contexts), .next = run->scopes};
    run->scopes = scope;
    return scope;
}

static struct run_job *run_add_job(struct run_scope *scope, const struct workflow_job *def)
{
    struct run *run = scope->run;

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
    job->scope = scope;
    job->def = def;
    job->decided = job->suffix = "";
    job->row = (struct job_row){.run_id = run->row.id,
                                .attempt = run->row.attempt,
                                .key = def->id,
                                .job_id = def->id,
                                .name = def->id,
                                .caller = scope->caller ? scope->caller->row.key : "",
                                .uses = def->uses ? def->uses : "",
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

    return run_keep(run, text ? text : "");
}

/* As expressions print it: whole numbers stay whole. */
static const char *matrix_text(struct run *run, json_t *matrix)
{
    _value_ struct value v = value_from_json(matrix);
    _buf_ struct buf text = BUF_INIT;

    return run_keep(run, matrix && value_write_json(&v, &text) == 0 ? buf_str(&text) : "");
}

static const char *needs_text(struct run *run, const struct workflow_job *def)
{
    _json_ json_t *needs = json_array();

    for (size_t i = 0; i < def->n_needs; i++)
        json_array_append_new(needs, json_string(def->needs[i]));
    return json_text(run, needs);
}

/* -------------------------------------------------------------------------------------------------- names */

static bool key_taken(const struct run_job *job, const char *key)
{
    for (size_t i = 0; i < job->run->n_jobs; i++)
        if (job->run->jobs[i] != job && str_eq(job->run->jobs[i]->row.key, key))
            return true;
    return false;
}

/* The directory: "build-linux-18", "call.build"; no id of a job has a dot. */
static void set_key(struct run_job *job)
{
    _buf_ struct buf key = BUF_INIT;

    if (job->scope->caller)
        buf_addf(&key, "%s.", job->scope->caller->row.key);
    buf_adds(&key, job->def->id);
    if (*job->suffix) {
        buf_addc(&key, '-');
        buf_add_slug(&key, job->suffix, SUFFIX_MAX);
    }
    if (key.len > KEY_MAX)
        key.ptr[key.len = KEY_MAX] = '\0';
    size_t stem = key.len;
    for (int n = 2; buf_ok(&key) && key_taken(job, buf_str(&key)); n++) {
        key.len = stem;
        buf_addf(&key, "-%d", n);
    }
    job->row.key = run_keep(job->run, buf_str(&key));
}

/* A name that nobody could evaluate yet. */
static bool name_is_open(const struct workflow_job *def)
{
    return token_uses_context(def->name, "matrix") || token_uses_context(def->name, "strategy") ||
           token_uses_context(def->name, "needs");
}

/*
 * "call / build (linux, 18)". A name with an expression says by itself which combination it is; another gets
 * the combination behind it. Before the job is expanded (s NULL) one that depends on its matrix is the id.
 */
static int set_name(struct run_job *job, const struct strategy *s, size_t index, struct err *err)
{
    const struct workflow_job *def = job->def;
    bool expression = def->name && token_has_expr(def->name);
    const char *base = def->name && !expression && *def->name->str ? def->name->str : def->id;
    _free_ char *given = NULL;
    _buf_ struct buf name = BUF_INIT;
    int r = 0;

    if (job->scope->caller)
        buf_addf(&name, "%s / ", job->scope->caller->row.name);
    if (expression && (s || !name_is_open(def))) {
        _json_ json_t *contexts = job_contexts(job);
        struct expr_env env = {.contexts = contexts};
        r = token_eval_string(def->name, job->scope->workflow->file, &env, &given, err);
    }
    if (given && *given)
        buf_adds(&name, given);
    else if (s)
        strategy_name(s, index, base, &name);
    else
        buf_adds(&name, base);
    if (buf_ok(&name) && name.len)
        name.ptr[name.len = name_kept(name.ptr)] = '\0';
    job->row.name = run_keep(job->run, buf_str(&name));
    return s ? r : 0;
}

/* ----------------------------------------------------------------------------------------- adding the jobs
 */

/* Whether a job is part of the run: `--job ID` takes that one and what it needs. */
static bool job_wanted(const struct workflow *w, const char *id, const char *only, int depth)
{
    const struct workflow_job *def = workflow_job(w, only);

    if (str_eq(id, only))
        return true;
    for (size_t i = 0; def && i < def->n_needs && depth < 1000; i++)
        if (job_wanted(w, id, def->needs[i], depth + 1))
            return true;
    return false;
}

static int add_job(struct run_scope *scope, const struct workflow_job *def, struct err *err)
{
    struct run_job *job = run_add_job(scope, def);
    bool carried = false;

    if (!job)
        return err_errno(err, -ENOMEM, "cannot add a job");
    job->row.needs = needs_text(scope->run, def);
    set_key(job);
    (void)set_name(job, NULL, 0, NULL);
    int r = job_carry_over(job, &carried, err);
    return r < 0 || carried ? r : store_put_job(scope->run->e->store, &job->row, err);
}

int scope_add_jobs(struct run_scope *scope, struct err *err)
{
    const char *only = scope->caller ? NULL : json_string_value(json_object_get(scope->run->request, "job"));
    const struct workflow *w = scope->workflow;
    int r = 0;

    if (only && !workflow_job(w, only))
        return err_set(err, -EINVAL, "%s has no job '%s'", w->file, only);
    for (size_t i = 0; r == 0 && i < w->n_jobs; i++)
        if (!only || job_wanted(w, w->jobs[i].id, only, 0))
            r = add_job(scope, &w->jobs[i], err);
    return r;
}

int run_add_jobs(struct run *run, struct err *err)
{
    run->top = scope_new(run, NULL, run->workflow, run->contexts);
    return run->top ? scope_add_jobs(run->top, err) : err_errno(err, -ENOMEM, "cannot start a run");
}

/* ---------------------------------------------------------------------------------------------- the matrix
 */

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

/* One combination. `from` is the job as it was before; its row goes to the first of them. */
static int add_combination(struct run_job *from, struct run_job *job, const struct strategy *s, size_t i,
                           struct matrix_group *group, struct err *err)
{
    json_t *combination = json_array_get(s->combinations, i);
    bool carried = false;

    job->group = group;
    job->index = i;
    job->matrix = json_object_size(combination) ? json_incref(combination) : NULL;
    job->suffix = run_keep(job->run, json_string_value(json_array_get(s->suffixes, i)));
    job->decided = job->row.why = from->row.why;
    job->row.needs = from->row.needs;
    job->row.matrix = matrix_text(job->run, job->matrix);
    job->state = JOB_STATE_HELD;
    set_key(job);
    int r = set_name(job, s, i, err);
    return r < 0 ? r : job_carry_over(job, &carried, err);
}

static int expand(struct run_job *job, const struct strategy *s, struct err *err)
{
    struct run *run = job->run;
    struct matrix_group *group = arena_new(&run->arena, struct matrix_group);
    size_t total = json_array_size(s->combinations);
    bool placed = false;
    int r = 0;

    if (!group)
        return err_errno(err, -ENOMEM, "cannot expand the matrix");
    *group =
        (struct matrix_group){.fail_fast = s->fail_fast, .max_parallel = s->max_parallel, .total = total};
    for (size_t i = 0; r == 0 && i < total; i++) {
        if (!combination_wanted(run, json_array_get(s->combinations, i)))
            continue;
        struct run_job *one = placed ? run_add_job(job->scope, job->def) : job;
        if (!one)
            return err_errno(err, -ENOMEM, "cannot expand the matrix");
        placed = true;
        r = add_combination(job, one, s, i, group, err);
    }
    if (!placed)
        return err_set(err, -EINVAL, "no combination of the matrix of job '%s' agrees with --matrix",
                       job->def->id);
    return r;
}

/* What a complaint about a matrix is about: the vector that is none, or the matrix as a whole. */
static const struct token *matrix_culprit(const struct token *strategy, const json_t *evaluated)
{
    const struct token *matrix = token_get(strategy, "matrix");
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(evaluated, "matrix"), key, value)
    {
        const struct token *vector = matrix && matrix->kind == TOKEN_MAPPING ? token_get(matrix, key) : NULL;
        if (vector && !json_array_size(value))
            return vector;
    }
    return matrix ? matrix : strategy;
}

int job_expand(struct run_job *job, struct err *err)
{
    _json_ json_t *contexts = job_contexts(job), *evaluated = NULL;
    const char *file = job->scope->workflow->file;
    struct expr_env env = {.contexts = contexts};
    _strategy_ struct strategy s = {0};
    struct err own = {0};

    int r = token_eval(job->def->strategy, file, &env, &evaluated, &own);
    if (r == 0) {
        r = strategy_expand(evaluated, &s, &own);
        const struct token *at = r == -EINVAL ? matrix_culprit(job->def->strategy, evaluated) : NULL;
        if (at)
            err_prefix(&own, "%s (Line: %d, Col: %d)", file, at->line, at->col);
    }
    if (r < 0)
        return err_set(err, r, "Error when evaluating 'strategy' for job '%s'. %s", job->def->id, own.msg);
    return expand(job, &s, err);
}

/* --------------------------------------------------------------------------------- before it can start */

static int complain(const struct run_job *job, const char *key, int r, const struct err *own, struct err *err)
{
    return r < 0 ? err_set(err, r, "Error when evaluating '%s' for job '%s'. %s", key, job->def->id, own->msg)
                 : 0;
}

/* What an expression in the place of a whole environment has yielded: a name, or a mapping as it could be
 * written. */
static int environment_of(struct run_job *job, json_t *json, struct err *err)
{
    const struct token *t = job->def->environment;
    const char *name = json_string_value(json_object_get(json, "name")), *key;
    _buf_ struct buf text = BUF_INIT;
    json_t *value;

    json_object_foreach(
        json, key,
        value) if (!(str_eq(key, "deployment")
                         ? json_is_boolean(value)
                         : (str_eq(key, "name") || str_eq(key, "url")) &&
                               json_is_string(
                                   value))) return err_set(err, -EINVAL,
                                                           "%s (Line: %d, Col: %d): Unexpected value '%s'",
                                                           job->scope->workflow->file, t->line, t->col, key);
    if (json_is_object(json) && !name)
        return err_set(err, -EINVAL, "%s (Line: %d, Col: %d): Required property is missing: name",
                       job->scope->workflow->file, t->line, t->col);
    if (!name) {
        _value_ struct value v = value_from_json(json);
        value_to_string(&v, &text);
        name = buf_str(&text);
    }
    job->row.environment = run_keep(job->run, name);
    const char *url = json_string_value(json_object_get(json, "url"));
    if (url)
        job->row.environment_url = run_keep(job->run, url);
    return 0;
}

static int set_environment(struct run_job *job, const struct expr_env *env, struct err *err)
{
    const struct token *t = job->def->environment;
    const char *file = job->scope->workflow->file;
    _free_ char *name = NULL;
    _json_ json_t *json = NULL;
    struct err own = {0};
    int r;

    if (t && t->kind == TOKEN_MAPPING) { /* its url is evaluated once the steps have ended */
        r = token_eval_string(token_get(t, "name"), file, env, &name, &own);
        if (r == 0)
            job->row.environment = run_keep(job->run, name);
    } else {
        r = token_eval(t, file, env, &json, &own);
        if (r == 0)
            r = environment_of(job, json, &own);
    }
    return complain(job, "environment", r, &own, err);
}

/* The job's own permissions, its workflow's, or else those of whoever calls it. */
static void set_permissions(struct run_job *job)
{
    const struct token *t = job->def->permissions;
    _buf_ struct buf text = BUF_INIT;

    for (const struct run_scope *scope = job->scope; scope && !t;
         scope = scope->caller ? scope->caller->scope : NULL) {
        t = scope->workflow->permissions;
        if (!t && scope->caller)
            t = scope->caller->def->permissions;
    }
    if (t)
        permissions_text(t, &text);
    job->row.permissions = run_keep(job->run, buf_str(&text));
}

int job_prepare_row(struct run_job *job, struct err *err)
{
    _json_ json_t *contexts = job_contexts(job);
    struct expr_env env = {.contexts = contexts};
    const char *file = job->scope->workflow->file;
    struct err own = {0};

    set_permissions(job);
    int r = token_eval_boolean(job->def->continue_on_error, file, &env, false, &job->continue_on_error, &own);
    if (r < 0)
        return complain(job, "continue-on-error", r, &own, err);
    return set_environment(job, &env, err);
}
