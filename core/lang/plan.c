/* The plan: jobs in stages, their matrices as far as they are known, and what waits for what. */
#include "runfs/plan.h"

#include "runfs/str.h"

/* ------------------------------------------------------------------------------------------------ order */

static size_t job_index(const json_t *by_id, const char *id)
{
    return (size_t)json_integer_value(json_object_get(by_id, id)) - 1;
}

static json_t *index_jobs(const struct workflow *w)
{
    json_t *by_id = json_object();

    for (size_t i = 0; by_id && i < w->n_jobs; i++)
        if (json_object_set_new(by_id, w->jobs[i].id, json_integer((json_int_t)i + 1)) < 0) {
            json_decref(by_id);
            return NULL;
        }
    return by_id;
}

/* The stage of a job whose needs all have one; 0 when one has none yet, SIZE_MAX when one does not exist. */
static size_t stage_of(const struct workflow_job *job, const json_t *by_id, const size_t *stages, size_t n)
{
    size_t stage = 1;

    for (size_t i = 0; i < job->n_needs; i++) {
        size_t k = job_index(by_id, job->needs[i]);
        if (k >= n)
            return SIZE_MAX;
        if (!stages[k])
            return 0;
        if (stages[k] >= stage)
            stage = stages[k] + 1;
    }
    return stage;
}

/* Stages of all jobs, owned, in the order of the file; `stage` of a job is found in the pass of that number.
 */
static int plan_stages(const struct workflow *w, size_t **ret)
{
    _json_ json_t *by_id = index_jobs(w);
    _free_ size_t *stages = calloc(w->n_jobs + 1, sizeof(*stages));
    size_t left = w->n_jobs;

    if (!by_id || !stages)
        return -ENOMEM;
    while (left > 0) {
        size_t before = left;
        for (size_t i = 0; i < w->n_jobs; i++) {
            if (stages[i])
                continue;
            size_t stage = stage_of(&w->jobs[i], by_id, stages, w->n_jobs);
            if (stage == SIZE_MAX)
                return -EINVAL;
            stages[i] = stage;
            left -= stage > 0;
        }
        if (left == before)
            return -ELOOP;
    }
    *ret = TAKE(stages);
    return 0;
}

/* By stage, the order of the file within one: counted, so that it is stable. */
static void sort_by_stage(const size_t *stages, size_t n, size_t *order)
{
    size_t done = 0;

    for (size_t stage = 1; done < n; stage++)
        for (size_t i = 0; i < n; i++)
            if (stages[i] == stage)
                order[done++] = i;
}

/* --------------------------------------------------------------------------------------- what is known */

/* The contexts that no plan has, because something has to run first or a runner to be chosen. */
static const char *const later[] = {"needs", "matrix", "strategy", "job",    "jobs", "runner",
                                    "steps", "env",    "secrets",  "inputs", NULL};

/* The first context that t uses and that is not among those given; NULL when all is known. */
static const char *waits_for(const struct token *t, const json_t *contexts)
{
    for (const char *const *p = later; *p; p++)
        if (token_uses_context(t, *p) && !json_object_get(contexts, *p))
            return *p;
    return NULL;
}

static json_t *as_written(const struct token *t);

static json_t *sequence_as_written(const struct token *t)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < t->seq.n; i++)
        if (json_array_append_new(list, as_written(t->seq.items[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *mapping_as_written(const struct token *t)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < t->map.n; i++) {
        _json_ json_t *key = as_written(t->map.pairs[i].key);
        const char *name = json_is_string(key) ? json_string_value(key) : t->map.pairs[i].key->str;
        if (json_object_set_new(object, name ? name : "", as_written(t->map.pairs[i].value)) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* A token as JSON, its expressions as their text. */
static json_t *as_written(const struct token *t)
{
    _buf_ struct buf text = BUF_INIT;

    switch (t->kind) {
    case TOKEN_NULL:
        return json_null();
    case TOKEN_BOOLEAN:
        return json_boolean(t->boolean);
    case TOKEN_SEQUENCE:
        return sequence_as_written(t);
    case TOKEN_MAPPING:
        return mapping_as_written(t);
    case TOKEN_EXPRESSION:
        buf_addf(&text, "${{ %s }}", t->str);
        return buf_ok(&text) ? json_string(buf_str(&text)) : NULL;
    case TOKEN_INSERT:
        return json_string("${{ insert }}");
    default:
        return json_stringn(t->str, t->len);
    }
}

/* A token's value when all it needs is known, else what is written; so is one that is too long to be read.
 * NULL (absent) gives JSON null. */
static json_t *known_or_written(const struct workflow *w, const struct token *t, json_t *contexts)
{
    enum { READ_MAX = 64 * 1024 };
    struct expr_env env = {.contexts = contexts};
    _json_ json_t *value = NULL;

    if (!t)
        return json_null();
    if (token_has_expr(t) && !waits_for(t, contexts) && token_eval(t, w->file, &env, &value, NULL) == 0 &&
        json_string_length(value) <= READ_MAX)
        return TAKE(value);
    return as_written(t);
}

/* ------------------------------------------------------------------------------------------------- jobs */

/* json_object_set_new with one failure to look at, at the end: a NULL value or a failed set clears *ok. */
static void put(json_t *object, const char *key, json_t *value_take, bool *ok)
{
    if (json_object_set_new(object, key, value_take) < 0)
        *ok = false;
}

static const char *kind_name(enum step_kind kind)
{
    static const char *const names[] = {
        [STEP_RUN] = "run",           [STEP_USES] = "uses",     [STEP_WAIT] = "wait",
        [STEP_WAIT_ALL] = "wait-all", [STEP_CANCEL] = "cancel", [STEP_PARALLEL] = "parallel"};

    return names[kind];
}

/* A step without a name is called after what it does, as GitHub shows it: "Run make". */
static json_t *step_name(const struct workflow *w, const struct workflow_step *step, json_t *contexts)
{
    _json_ json_t *run = NULL;

    if (step->name)
        return known_or_written(w, step->name, contexts);
    if (step->kind == STEP_USES)
        return json_sprintf("Run %s", step->uses);
    if (workflow_step_title(step))
        return json_string(workflow_step_title(step));
    run = known_or_written(w, step->run, contexts);
    const char *line = json_is_string(run) ? json_string_value(run) : "";
    line += strspn(line, " \t\r\n");
    _free_ char *first = strndup(line, strcspn(line, "\r\n"));
    return first ? json_sprintf("Run %s", first) : NULL;
}

static json_t *steps_json(const struct workflow *w, const struct workflow_job *job, json_t *contexts)
{
    _json_ json_t *steps = json_array();
    bool ok = steps != NULL;

    for (size_t i = 0; ok && i < job->n_steps; i++) {
        const struct workflow_step *step = &job->steps[i];
        json_t *json = json_object();
        put(json, "number", json_integer((json_int_t)i + 1), &ok);
        put(json, "id", json_string(step->id), &ok);
        put(json, "name", step_name(w, step, contexts), &ok);
        put(json, "if", step->condition ? json_string(expr_text(step->condition)) : json_null(), &ok);
        put(json, "kind", json_string(kind_name(step->kind)), &ok);
        if (json_array_append_new(steps, json) < 0)
            ok = false;
    }
    return ok ? TAKE(steps) : NULL;
}

/* Why the matrix of a job cannot be given now; NULL: it can, and strategy is filled. */
static char *expand_matrix(const struct workflow *w, const struct workflow_job *job, json_t *contexts,
                           struct strategy *ret)
{
    struct expr_env env = {.contexts = contexts};
    _json_ json_t *evaluated = NULL, *written = NULL;
    const char *context = waits_for(job->strategy, contexts);
    _buf_ struct buf why = BUF_INIT;
    struct err err = {0};

    if (!context) {
        int r = token_eval(job->strategy, w->file, &env, &evaluated, &err);
        if (r == 0)
            r = strategy_expand(evaluated, ret, &err);
        if (r == 0)
            return NULL;
        buf_adds(&why, err.msg);
        return buf_steal(&why);
    }
    const struct token *matrix = token_get(job->strategy, "matrix");
    written = as_written(matrix ? matrix : job->strategy);
    _free_ char *text = written ? json_dumps(written, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    buf_addf(&why, "waits for %s: %s", context,
             json_is_string(written) ? json_string_value(written)
             : text                  ? text
                                     : "");
    return buf_steal(&why);
}

/*
 * The name of one combination's job. A name with an expression says by itself which one it is; another gets
 * the combination's values behind it.
 */
static json_t *combination_name(const struct workflow *w, const struct workflow_job *job,
                                const struct strategy *s, size_t index, json_t *contexts)
{
    _json_ json_t *with = json_copy(contexts), *name = NULL;
    _buf_ struct buf full = BUF_INIT;

    if (!with || json_object_set(with, "matrix", json_array_get(s->combinations, index)) < 0)
        return NULL;
    if (job->name && token_has_expr(job->name))
        return known_or_written(w, job->name, with);
    name = job->name ? as_written(job->name) : json_string(job->id);
    if (!name)
        return NULL;
    strategy_name(s, index, json_is_string(name) ? json_string_value(name) : job->id, &full);
    return buf_ok(&full) ? json_stringn(buf_str(&full), full.len) : NULL;
}

static void put_matrix(const struct workflow *w, const struct workflow_job *job, json_t *json,
                       json_t *contexts, bool *ok)
{
    _strategy_ struct strategy s = {0};
    _free_ char *why = NULL;
    _json_ json_t *names = json_array();
    /* A strategy that is an expression as a whole may yield a matrix. */
    bool some =
        job->strategy && (job->strategy->kind == TOKEN_EXPRESSION || token_get(job->strategy, "matrix"));

    if (some)
        why = expand_matrix(w, job, contexts, &s);
    if (!names || (some && !why && !s.combinations))
        *ok = false;
    for (size_t i = 0; *ok && i < json_array_size(s.combinations); i++)
        if (json_array_append_new(names, combination_name(w, job, &s, i, contexts)) < 0)
            *ok = false;
    put(json, "matrix", s.combinations ? json_incref(s.combinations) : json_null(), ok);
    put(json, "matrix_names", s.combinations ? json_incref(names) : json_null(), ok);
    put(json, "matrix_why", why ? json_string(why) : json_null(), ok);
}

static json_t *jobs_json(const struct workflow *w, json_t *contexts);

/* What a called workflow knows now: its inputs only if all that it is given is known. */
static json_t *called_contexts(const struct workflow *w, const struct workflow_job *job, json_t *contexts)
{
    json_t *inner = json_copy(contexts), *inputs = NULL;

    json_object_del(inner, "inputs");
    if (inner && !waits_for(job->with, contexts) &&
        inputs_of_call(job, w->file, contexts, &inputs, NULL) == 0)
        json_object_set_new(inner, "inputs", inputs);
    return inner;
}

static json_t *called_json(const struct workflow *w, const struct workflow_job *job, json_t *contexts)
{
    _json_ json_t *inner = NULL;

    if (!job->called)
        return json_null();
    inner = called_contexts(w, job, contexts);
    json_t *jobs = inner ? jobs_json(job->called, inner) : NULL;
    return jobs ? json_pack("{s:s, s:o}", "workflow", job->called->file, "jobs", jobs) : NULL;
}

static json_t *job_json(const struct workflow *w, const struct workflow_job *job, size_t stage,
                        json_t *contexts)
{
    _json_ json_t *json = json_object(), *needs = json_array();
    json_t *name = job->name ? known_or_written(w, job->name, contexts) : json_string(job->id);
    bool ok = json && needs && name;

    for (size_t i = 0; ok && i < job->n_needs; i++)
        ok = json_array_append_new(needs, json_string(job->needs[i])) == 0;
    put(json, "id", json_string(job->id), &ok);
    put(json, "name", name, &ok);
    put(json, "needs", json_incref(needs), &ok);
    put(json, "if", job->condition ? json_string(expr_text(job->condition)) : json_null(), &ok);
    put(json, "runs_on", known_or_written(w, job->runs_on, contexts), &ok);
    put(json, "stage", json_integer((json_int_t)stage), &ok);
    put(json, "uses", job->uses ? json_string(job->uses) : json_null(), &ok);
    put(json, "called", called_json(w, job, contexts), &ok);
    if (ok)
        put_matrix(w, job, json, contexts, &ok);
    put(json, "steps", steps_json(w, job, contexts), &ok);
    return ok ? TAKE(json) : NULL;
}

static json_t *jobs_json(const struct workflow *w, json_t *contexts)
{
    _free_ size_t *stages = NULL, *order = calloc(w->n_jobs + 1, sizeof(*order));
    _json_ json_t *jobs = json_array();

    if (!order || !jobs || plan_stages(w, &stages) < 0)
        return NULL;
    sort_by_stage(stages, w->n_jobs, order);
    for (size_t i = 0; i < w->n_jobs; i++)
        if (json_array_append_new(jobs, job_json(w, &w->jobs[order[i]], stages[order[i]], contexts)) < 0)
            return NULL;
    return TAKE(jobs);
}

json_t *plan_to_json(const struct workflow *w, const struct event *e, json_t *contexts)
{
    _json_ json_t *json = json_object();
    _buf_ struct buf why = BUF_INIT;
    bool triggered = event_matches(w, e, &why), ok = json && buf_ok(&why);

    put(json, "workflow", json_string(*w->name ? w->name : w->file), &ok);
    put(json, "event", json_string(e->name), &ok);
    put(json, "triggered", json_boolean(triggered), &ok);
    put(json, "why", json_stringn(buf_str(&why), why.len), &ok);
    put(json, "jobs", jobs_json(w, contexts), &ok);
    return ok ? TAKE(json) : NULL;
}
