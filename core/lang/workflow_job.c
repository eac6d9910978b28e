/* One job: its fields, and what can be checked of their values before anything runs. */
#include <ctype.h>
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

void check_concurrency(struct parse *p, const struct token *t)
{
    const struct token *group = t->kind == TOKEN_MAPPING ? token_get(t, "group") : t;
    const struct token *cancel = token_get(t, "cancel-in-progress");

    if (token_is(token_get(t, "queue"), "max") && cancel && cancel->kind == TOKEN_BOOLEAN && cancel->boolean)
        parse_error(p, t, "The combination of 'queue: max' and 'cancel-in-progress: true' is not allowed");
    if (group && group->kind == TOKEN_STRING && group->len > 400)
        parse_error(p, t, "Concurrency group name must be less than 400 characters");
}

static void check_container(struct parse *p, const struct token *t, bool service)
{
    const struct token *image = t->kind == TOKEN_MAPPING ? token_get(t, "image") : t;
    static const char docker[] = "docker://";

    if (token_has_expr(t))
        return;
    bool prefixed = image && str_starts(image->str, docker);
    const char *name = !image ? "" : prefixed ? image->str + strlen(docker) : image->str;
    if (*name == '\0' && (prefixed || service || t->kind == TOKEN_MAPPING))
        parse_error(p, t, "Container image cannot be empty");
}

static void check_services(struct parse *p, const struct token *t)
{
    if (t->kind == TOKEN_MAPPING && !token_has_expr(t))
        for (size_t i = 0; i < t->map.n; i++)
            check_container(p, t->map.pairs[i].value, true);
}

static void check_runs_on(struct parse *p, const struct token *t)
{
    const struct token *group = token_get(t, "group");
    const char *slash = group && group->kind == TOKEN_STRING ? strchr(group->str, '/') : NULL;

    if (!slash)
        return;
    size_t n = (size_t)(slash - group->str);
    static const char *const owners[] = {"org", "organization", "ent", "enterprise"};
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(owners); i++)
        known |= strlen(owners[i]) == n && strncmp(owners[i], group->str, n) == 0;
    if (slash[1] == '\0')
        parse_error(p, group, "Invalid runs-on group name '%s'.", group->str);
    else if (!known || strchr(slash + 1, '/'))
        parse_error(p, group,
                    "Invalid runs-on group name '%s'. Please use 'organization/' or 'enterprise/' prefix to "
                    "target a single runner group.",
                    group->str);
}

/* Whether a matrix has a vector of that name that is not empty. */
static bool has_vector(const struct token *matrix, const char *name)
{
    for (size_t i = 0; i < matrix->map.n; i++) {
        const struct token_pair *pair = &matrix->map.pairs[i];
        if (!token_is(pair->key, "include") && !token_is(pair->key, "exclude") && pair->value->seq.n > 0 &&
            str_eq_ascii_nocase(pair->key->str, name))
            return true;
    }
    return false;
}

/* Of a matrix without expressions it is known now whether what it includes and excludes can mean anything. */
static void check_filters(struct parse *p, const struct token *matrix)
{
    const struct token *include = token_get(matrix, "include"), *exclude = token_get(matrix, "exclude");

    for (size_t i = 0; include && i < include->seq.n; i++)
        if (include->seq.items[i]->map.n == 0)
            parse_error(p, include->seq.items[i], "Matrix include mapping does not contain any values");
    for (size_t i = 0; exclude && i < exclude->seq.n; i++) {
        const struct token *filter = exclude->seq.items[i];
        if (filter->map.n == 0)
            parse_error(p, filter, "Matrix exclude filter must not be empty");
        for (size_t k = 0; k < filter->map.n; k++)
            if (!has_vector(matrix, filter->map.pairs[k].key->str))
                parse_error(p, filter->map.pairs[k].key,
                            "Matrix exclude key '%s' does not match any key within the matrix",
                            filter->map.pairs[k].key->str);
    }
}

static void check_strategy(struct parse *p, const struct token *t)
{
    const struct token *matrix = token_get(t, "matrix");
    bool some = false;

    if (!matrix || matrix->kind != TOKEN_MAPPING)
        return;
    for (size_t i = 0; i < matrix->map.n; i++) {
        const struct token *key = matrix->map.pairs[i].key, *value = matrix->map.pairs[i].value;
        bool vector = !token_is(key, "include") && !token_is(key, "exclude");
        bool empty = value->kind == TOKEN_SEQUENCE && value->seq.n == 0;
        some |= vector || (token_is(key, "include") && !empty);
        if (vector && empty && key->kind == TOKEN_STRING)
            parse_error(p, value, "Matrix vector '%s' does not contain any values", key->str);
    }
    if (!some)
        parse_error(p, matrix, "Matrix must define at least one vector");
    if (!token_has_expr(t))
        check_filters(p, matrix);
}

/* "3.*": a major version and any minor one. */
static void check_snapshot(struct parse *p, const struct token *t)
{
    const struct token *version = token_get(t, "version");
    size_t digits = version ? strspn(version->str, "0123456789") : 0;

    if (version && (digits == 0 || digits > 9 || !str_eq(version->str + digits, ".*")))
        parse_error(p, t, "Expected format '{major-version}.*' Actual '%s'", version->str);
}

/* `if` of a snapshot is an expression even where it is written as text. */
static int check_snapshot_if(struct parse *p, const struct token *t)
{
    static const struct schema place = {.context = CTX_GITHUB | CTX_INPUTS | CTX_VARS | CTX_NEEDS |
                                                   CTX_STRATEGY | CTX_MATRIX};
    const struct token *condition = token_get(t, "if");
    _expr_err_ struct expr_err err = {0};
    const struct expr *e;

    if (!condition || condition->kind != TOKEN_STRING)
        return 0;
    int r = parse_expression(p, condition->str, condition->len, place.context, &e, &err);
    if (r == -EINVAL)
        parse_error(p, condition, "%s", err.msg);
    return r == -ENOMEM ? r : 0;
}

static void check_job_values(struct parse *p, const char *key, const struct token *t)
{
    if (str_eq(key, "concurrency"))
        check_concurrency(p, t);
    else if (str_eq(key, "container"))
        check_container(p, t, false);
    else if (str_eq(key, "services"))
        check_services(p, t);
    else if (str_eq(key, "runs-on"))
        check_runs_on(p, t);
    else if (str_eq(key, "strategy"))
        check_strategy(p, t);
    else if (str_eq(key, "snapshot"))
        check_snapshot(p, t);
}

/* Gitea and Forgejo look in their own folders, too. */
static bool is_rooted(const struct parse *p, const char *path)
{
    enum forge f = forge_of_path(path, NULL);

    return f == FORGE_GITHUB || (f != FORGE_UNKNOWN && p->run->opts->forge != FORGE_GITHUB);
}

/* GitHub's words for what is no reference of a reusable workflow, NULL for one that is. */
static const char *reference_problem(const struct parse *p, const char *uses)
{
    const char *at = strchr(uses, '@'), *path;

    if (str_starts(uses, "./") || str_starts(uses, "$/")) {
        if (at)
            return "cannot specify version when calling local workflows";
        return is_rooted(p, uses + 2) ? NULL
                                      : "references to workflows must be rooted in '.github/workflows'";
    }
    if (p->run->opts->forge != FORGE_GITHUB) /* Forgejo's may call those of another host */
        uses = forge_behind_host(uses);
    if (!at || at[1] == '\0')
        return "no version specified";
    path = strchr(uses, '/');
    path = path ? strchr(path + 1, '/') : NULL;
    if (!path || path > at)
        return "references to workflows must be prefixed with format 'owner/repository/' or './' for local "
               "workflows";
    return is_rooted(p, path + 1) ? NULL : "references to workflows must be rooted in '.github/workflows'";
}

static int convert_call(struct parse *p, const struct token *map, struct workflow_job *job)
{
    const struct token *uses = token_get(map, "uses"), *secrets = token_get(map, "secrets");

    if (!uses)
        return 0;
    const char *problem = reference_problem(p, uses->str);
    if (problem)
        parse_error(p, uses, "invalid value workflow reference: %s", problem);
    job->uses = uses->str;
    job->with = token_get(map, "with");
    job->secrets_inherit = token_is(secrets, "inherit");
    job->secrets = job->secrets_inherit ? NULL : secrets;
    return 0;
}

/* The steps as they run: a group's own stand before it, and it waits for them. */
static int order_steps(struct arena *arena, struct workflow_job *job)
{
    size_t n = job->n_written;

    for (size_t i = 0; i < job->n_written; i++)
        n += job->written[i].n_parallel;
    job->steps = n == job->n_written ? job->written : arena_array(arena, struct workflow_step, n);
    if (!job->steps)
        return n ? -ENOMEM : 0;
    job->n_steps = n;
    n = 0;
    for (size_t i = 0; i < job->n_written && job->steps != job->written; i++) {
        const struct workflow_step *step = &job->written[i];
        for (size_t k = 0; k < step->n_parallel; k++) {
            job->steps[n] = step->parallel[k];
            job->steps[n].background = job->steps[n].grouped = true;
            n++;
        }
        job->steps[n++] = *step;
    }
    return 0;
}

int convert_job(struct parse *p, const struct token *key, const struct token *map, struct workflow_job *job)
{
    struct step_list steps = {.condition = &schema_step_if};
    struct id_set ids = {0};
    char *problem = NULL;
    int r = id_set_add(&ids, key->str, &problem);

    id_set_release(&ids);
    if (r < 0)
        return r;
    if (problem)
        parse_error(p, key, "%s", problem);
    free(problem);
    *job = (struct workflow_job){.line = key->line,
                                 .col = key->col,
                                 .id = key->str,
                                 .name = token_get(map, "name"),
                                 .runs_on = token_get(map, "runs-on"),
                                 .strategy = token_get(map, "strategy"),
                                 .env = token_get(map, "env"),
                                 .defaults_run = token_get(token_get(map, "defaults"), "run"),
                                 .outputs = token_get(map, "outputs"),
                                 .timeout_minutes = token_get(map, "timeout-minutes"),
                                 .cancel_timeout_minutes = token_get(map, "cancel-timeout-minutes"),
                                 .continue_on_error = token_get(map, "continue-on-error"),
                                 .concurrency = token_get(map, "concurrency"),
                                 .environment = token_get(map, "environment"),
                                 .permissions = token_get(map, "permissions"),
                                 .cache_mode = text_or_empty(token_get(map, "cache-mode")),
                                 .container = token_get(map, "container"),
                                 .services = token_get(map, "services"),
                                 .snapshot = token_get(map, "snapshot")};
    r = token_get(map, "if") ? 0 : convert_condition(p, NULL, &schema_job_if, &job->condition);
    for (size_t i = 0; r == 0 && i < map->map.n; i++) {
        const struct token_pair *pair = &map->map.pairs[i];
        check_job_values(p, pair->key->str, pair->value);
        if (token_is(pair->key, "if"))
            r = convert_condition(p, pair->value, &schema_job_if, &job->condition);
        else if (token_is(pair->key, "steps"))
            r = convert_steps(p, pair->value, &steps);
        else if (token_is(pair->key, "snapshot"))
            r = check_snapshot_if(p, pair->value);
    }
    job->written = steps.steps;
    job->n_written = steps.n;
    if (r == 0)
        r = order_steps(p->arena, job);
    return r < 0 ? r : convert_call(p, map, job);
}
