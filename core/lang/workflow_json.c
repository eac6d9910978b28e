/* A workflow as JSON, in the shape of GitHub's parser tests. */
#include <math.h>
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

/* All of these take what they set; a NULL value is no memory and shows as a missing key. */
static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static json_t *text_json(const char *s)
{
    return json_string(s);
}

static json_t *number_json(double n)
{
    if (isfinite(n) && n == floor(n) && fabs(n) < 9e15)
        return json_integer((json_int_t)n);
    return isfinite(n) ? json_real(n) : json_string(isnan(n) ? "NaN" : n > 0 ? "Infinity" : "-Infinity");
}

static json_t *expr_json(const char *text)
{
    return json_pack("{s:i, s:s}", "type", 3, "expr", text);
}

static json_t *token_json(const struct token *t);

static json_t *sequence_json(const struct token *t)
{
    json_t *items = json_array();

    for (size_t i = 0; i < t->seq.n; i++)
        json_array_append_new(items, token_json(t->seq.items[i]));
    return json_pack("{s:i, s:o}", "type", 1, "seq", items);
}

static json_t *mapping_json(const struct token *t)
{
    json_t *pairs = json_array();

    for (size_t i = 0; i < t->map.n; i++)
        json_array_append_new(pairs, json_pack("{s:o, s:o}", "Key", token_json(t->map.pairs[i].key), "Value",
                                               token_json(t->map.pairs[i].value)));
    return json_pack("{s:i, s:o}", "type", 2, "map", pairs);
}

static json_t *token_json(const struct token *t)
{
    switch (t->kind) {
    case TOKEN_BOOLEAN:
        return json_boolean(t->boolean);
    case TOKEN_NUMBER:
        return number_json(t->number);
    case TOKEN_STRING:
        return text_json(t->str);
    case TOKEN_SEQUENCE:
        return sequence_json(t);
    case TOKEN_MAPPING:
        return mapping_json(t);
    case TOKEN_EXPRESSION:
        return expr_json(t->str);
    case TOKEN_INSERT:
        return json_pack("{s:i, s:s}", "type", 4, "directive", "insert");
    default:
        return json_null();
    }
}

static void set_token(json_t *object, const char *key, const struct token *t)
{
    if (t)
        set(object, key, token_json(t));
}

/* A token without its type: lists and objects as JSON has them. */
static json_t *plain_json(const struct token *t)
{
    if (t->kind == TOKEN_SEQUENCE) {
        json_t *items = json_array();
        for (size_t i = 0; i < t->seq.n; i++)
            json_array_append_new(items, plain_json(t->seq.items[i]));
        return items;
    }
    if (t->kind != TOKEN_MAPPING)
        return t->kind == TOKEN_NULL ? json_object() : token_json(t);
    json_t *object = json_object();
    for (size_t i = 0; i < t->map.n; i++)
        set(object, t->map.pairs[i].key->str, plain_json(t->map.pairs[i].value));
    return object;
}

/* One filter is a list of one. */
static json_t *event_json(const struct workflow_event *event)
{
    json_t *json = event->config ? plain_json(event->config) : json_object(), *value;
    const char *key;

    if (event->crons || event->n_inputs > 0 || !json_is_object(json)) {
        json_t *inputs = json_object_get(json, "inputs");
        json_object_foreach(inputs, key, value) if (!json_object_get(value, "type"))
            set(value, "type", json_string("string"));
        return json;
    }
    json_object_foreach(json, key, value) if (json_is_string(value)) set(json, key, json_pack("[O]", value));
    return json;
}

static json_t *steps_json(const struct workflow_step *steps, size_t n);

static void set_wait(json_t *json, const struct workflow_step *step)
{
    static const char *const keys[] = {[STEP_WAIT] = "wait",
                                       [STEP_WAIT_ALL] = "wait-all",
                                       [STEP_CANCEL] = "cancel",
                                       [STEP_PARALLEL] = "parallel"};

    if (!step->name)
        set(json, "name", json_string(workflow_step_title(step)));
    if (step->kind == STEP_PARALLEL)
        set(json, keys[step->kind], steps_json(step->parallel, step->n_parallel));
    else if (step->kind == STEP_WAIT_ALL)
        set(json, keys[step->kind], json_true());
    else if (step->kind == STEP_WAIT && step->target->kind == TOKEN_STRING)
        set(json, keys[step->kind], json_pack("[s]", step->target->str));
    else
        set(json, keys[step->kind], plain_json(step->target));
}

static json_t *step_json(const struct workflow_step *step)
{
    json_t *json = json_object();

    set(json, "id", json_string(step->id));
    set_token(json, "name", step->name);
    set_token(json, "continue-on-error", step->continue_on_error);
    if (step->kind != STEP_RUN && step->kind != STEP_USES) {
        set_wait(json, step);
        return json;
    }
    set(json, "if", expr_json(expr_text(step->condition)));
    set_token(json, "env", step->env);
    set_token(json, "run", step->run);
    if (step->uses)
        set(json, "uses", json_string(step->uses));
    if (step->has_background)
        set(json, "background", json_boolean(step->background));
    return json;
}

static json_t *steps_json(const struct workflow_step *steps, size_t n)
{
    json_t *json = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(json, step_json(&steps[i]));
    return json;
}

static json_t *needs_json(const struct workflow_job *job)
{
    json_t *needs = json_array();

    for (size_t i = 0; i < job->n_needs; i++)
        json_array_append_new(needs, json_string(job->needs[i]));
    return needs;
}

static json_t *jobs_json(const struct workflow *w);

static void set_call(json_t *json, const struct workflow_job *job)
{
    const struct workflow_event *event = job->called ? workflow_event(job->called, "workflow_call") : NULL;
    const struct token *config = event ? event->config : NULL;

    set(json, "needs", needs_json(job));
    set(json, "ref", json_string(job->uses));
    set_token(json, "input-definitions", token_get(config, "inputs"));
    set_token(json, "input-values", job->with);
    set_token(json, "secret-definitions", token_get(config, "secrets"));
    set_token(json, "secret-values", job->secrets);
    set_token(json, "outputs", token_get(config, "outputs"));
    if (job->secrets_inherit)
        set(json, "inherit-secrets", json_true());
    if (job->called)
        set(json, "jobs", jobs_json(job->called));
}

static void set_steps(json_t *json, const struct workflow_job *job)
{
    if (job->n_needs > 0)
        set(json, "needs", needs_json(job));
    set(json, "steps", steps_json(job->written, job->n_written));
    set_token(json, "env", job->env);
    set_token(json, "environment", job->environment);
    set_token(json, "runs-on", job->runs_on);
    set_token(json, "container", job->container);
    set_token(json, "services", job->services);
    set_token(json, "outputs", job->outputs);
    set_token(json, "snapshot", job->snapshot);
}

static json_t *job_json(const struct workflow_job *job)
{
    json_t *json = json_object();
    bool named = job->name && !(job->name->kind == TOKEN_STRING && job->name->len == 0);

    set(json, "type", json_string(job->uses ? "reusableWorkflowJob" : "job"));
    set(json, "id", json_string(job->id));
    set(json, "name", named ? token_json(job->name) : json_string(job->id));
    set(json, "if", expr_json(expr_text(job->condition)));
    set_token(json, "concurrency", job->concurrency);
    set_token(json, "strategy", job->strategy);
    (job->uses ? set_call : set_steps)(json, job);
    return json;
}

static json_t *jobs_json(const struct workflow *w)
{
    json_t *jobs = json_array();

    for (size_t i = 0; i < w->n_jobs; i++)
        json_array_append_new(jobs, job_json(&w->jobs[i]));
    return jobs;
}

json_t *workflow_to_json(const struct workflow *w)
{
    json_t *json = json_object(), *events = json_object();

    for (size_t i = 0; i < w->n_events; i++)
        set(events, w->events[i].name, event_json(&w->events[i]));
    set(json, "events", events);
    set_token(json, "env", w->env);
    set_token(json, "concurrency", w->concurrency);
    set(json, "jobs", jobs_json(w));
    return json;
}
