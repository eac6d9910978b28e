/* Jobs: conditions, needs and their cycles, calls of reusable workflows. */
#include "runfs/str.h"
#include "workflow_internal.h"

int convert_condition(struct convert *c, const struct token *t, const char *definition,
                      const struct expr **ret)
{
    _buf_ struct buf text = BUF_INIT;
    uint32_t uses = schema_uses(definition);
    int line = t ? t->line : 1, col = t ? t->col : 1;

    if (t && t->kind != TOKEN_NULL)
        buf_add(&text, t->str, t->len);
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
        text.ptr[--text.len] = '\0';
    if (!buf_ok(&text))
        return -ENOMEM;
    if (text.len == 0) {
        *ret = schema_expr(c->r, "success()", 9, uses, line, col);
        return *ret ? 0 : -ENOMEM;
    }
    const char *start = text.ptr + strspn(text.ptr, " \t\r\n");
    const struct expr *e = schema_expr(c->r, start, strlen(start), uses, line, col);
    if (e && !expr_calls_status(e)) {
        _buf_ struct buf whole = BUF_INIT;
        buf_addf(&whole, "success() && (%s)", start);
        if (!buf_ok(&whole))
            return -ENOMEM;
        e = schema_expr(c->r, whole.ptr, whole.len, uses, line, col);
    }
    *ret = e;
    return c->r->no_memory ? -ENOMEM : 0;
}

/* ------------------------------------------------------------------------------------------------ needs */

static const struct token *need_token(const struct token *needs, size_t i)
{
    return needs->kind == TOKEN_SEQUENCE ? needs->seq.items[i] : needs;
}

/*
 * Jobs start when all their needs have; those that never can are told why, each need at its own place.
 * `started` is worked through in rounds: as many as there are jobs at most.
 */
static int check_needs(struct convert *c, const struct token *jobs)
{
    struct workflow *w = c->w;
    bool *started = arena_array(w->arena, bool, w->n_jobs + 1);
    bool any = false, progress = true;

    if (!started)
        return -ENOMEM;
    for (size_t i = 0; i < w->n_jobs; i++)
        any |= started[i] = w->jobs[i].n_needs == 0;
    if (!any) {
        convert_complain(c, jobs, "The workflow must contain at least one job with no dependencies.");
        return 0;
    }
    while (progress) {
        progress = false;
        for (size_t i = 0; i < w->n_jobs; i++) {
            size_t met = 0;
            for (size_t k = 0; k < w->jobs[i].n_needs && !started[i]; k++) {
                const struct workflow_job *need = workflow_job(w, w->jobs[i].needs[k]);
                met += need && started[need - w->jobs];
            }
            if (!started[i] && met == w->jobs[i].n_needs)
                started[i] = progress = true;
        }
    }
    for (size_t i = 0; i < w->n_jobs; i++) {
        const struct token *needs = started[i] ? NULL : token_get(jobs->map.pairs[i].value, "needs");
        for (size_t k = 0; needs && k < w->jobs[i].n_needs; k++) {
            const char *id = w->jobs[i].needs[k];
            const struct workflow_job *need = workflow_job(w, id);
            if (!need)
                convert_complain(c, need_token(needs, k), "Job '%s' depends on unknown job '%s'.",
                                 w->jobs[i].id, id);
            else if (!started[need - w->jobs])
                convert_complain(
                    c, need_token(needs, k),
                    "Job '%s' depends on job '%s' which creates a cycle in the dependency graph.",
                    w->jobs[i].id, id);
        }
    }
    return 0;
}

/* --------------------------------------------------------------------------------- reusable workflows */

static bool given(const struct token *map, const char *name)
{
    for (size_t i = 0; map && map->kind == TOKEN_MAPPING && i < map->map.n; i++)
        if (str_eq_ascii_nocase(map->map.pairs[i].key->str, name))
            return true;
    return false;
}

/* Every key that is given must be declared, and every declared one that is required must be given. */
static void check_call_keys(struct convert *c, const struct token *uses, const struct token *declared,
                            const struct token *values, const char *what, const char *what_lower)
{
    for (size_t i = 0; values && values->kind == TOKEN_MAPPING && i < values->map.n; i++) {
        const struct token *key = values->map.pairs[i].key;
        if (key->kind == TOKEN_STRING && !given(declared, key->str))
            convert_complain(c, key, "Invalid %s, %s is not defined in the referenced workflow.", what_lower,
                             key->str);
    }
    for (size_t i = 0; declared && declared->kind == TOKEN_MAPPING && i < declared->map.n; i++) {
        const struct token *required = token_get(declared->map.pairs[i].value, "required");
        const char *name = declared->map.pairs[i].key->str;
        bool wanted = required && required->kind == TOKEN_BOOLEAN && required->boolean &&
                      !token_get(declared->map.pairs[i].value, "default");
        if (wanted && !given(values, name))
            convert_complain(c, uses, "%s %s is required, but not provided while calling.", what, name);
    }
}

static int follow_call(struct convert *c, const struct token *uses, struct workflow_job *job)
{
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};

    if (!c->opts->find)
        return 0;
    if (c->depth >= CALL_DEPTH_MAX) {
        convert_complain(c, uses, "Nested reusable workflow depth exceeded %d.", CALL_DEPTH_MAX);
        return 0;
    }
    int r = c->opts->find(c->opts->data, job->uses, &text, &err);
    if (r < 0) {
        convert_complain(c, uses, "error parsing called workflow \"%s\": %s", job->uses, err.msg);
        return r == -ENOMEM ? r : 0;
    }
    r = workflow_parse_at(job->uses, buf_str(&text), text.len, c->opts, c->depth + 1, &job->called,
                          c->r->lint);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    const struct workflow_event *call = workflow_event(job->called, "workflow_call");
    if (!call) {
        convert_complain(c, uses, "workflow is not reusable as it is missing a `on.workflow_call` trigger");
        return 0;
    }
    check_call_keys(c, uses, token_get(call->config, "inputs"), job->with, "Input", "input");
    if (!job->secrets_inherit)
        check_call_keys(c, uses, token_get(call->config, "secrets"), job->secrets, "Secret", "secret");
    return 0;
}

/* ------------------------------------------------------------------------------------------------- jobs */

static int convert_job(struct convert *c, const struct token_pair *pair, struct workflow_job *job)
{
    const struct token *t = pair->value, *name = token_get(t, "name"), *uses = token_get(t, "uses");
    const char *complaint = id_complaint(c->w->arena, pair->key->str);

    *job = (struct workflow_job){.line = pair->key->line, .col = pair->key->col, .id = pair->key->str};
    if (complaint)
        convert_complain(c, pair->key, "%s", complaint);
    job->name = name && name->kind == TOKEN_STRING && name->len == 0 ? NULL : name;
    job->needs = string_list(c->w->arena, token_get(t, "needs"), &job->n_needs);
    job->runs_on = token_get(t, "runs-on");
    job->strategy = token_get(t, "strategy");
    job->env = token_get(t, "env");
    job->defaults_run = token_get(token_get(t, "defaults"), "run");
    job->outputs = token_get(t, "outputs");
    job->timeout_minutes = token_get(t, "timeout-minutes");
    job->cancel_timeout_minutes = token_get(t, "cancel-timeout-minutes");
    job->continue_on_error = token_get(t, "continue-on-error");
    job->concurrency = token_get(t, "concurrency");
    job->environment = token_get(t, "environment");
    job->permissions = token_get(t, "permissions");
    job->container = token_get(t, "container");
    job->services = token_get(t, "services");
    job->snapshot = token_get(t, "snapshot");
    int r = convert_condition(c, token_get(t, "if"), "job-if", &job->condition);
    if (r < 0 || !uses)
        return r < 0 ? r : convert_steps(c, token_get(t, "steps"), job);
    job->uses = uses->str;
    job->with = token_get(t, "with");
    job->secrets = token_get(t, "secrets");
    job->secrets_inherit = job->secrets && job->secrets->kind == TOKEN_STRING;
    return follow_call(c, uses, job);
}

int convert_jobs(struct convert *c, const struct token *jobs)
{
    size_t n = jobs->kind == TOKEN_MAPPING ? jobs->map.n : 0;
    int r = 0;

    c->w->jobs = arena_array(c->w->arena, struct workflow_job, n + 1);
    if (!c->w->jobs)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = convert_job(c, &jobs->map.pairs[i], &c->w->jobs[i]);
        c->w->n_jobs++;
    }
    return r < 0 ? r : check_needs(c, jobs);
}
