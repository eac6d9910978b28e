/* Calls of reusable workflows: they are found, parsed as workflows of their own, and checked against the
 * call. */
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

/* A call: who calls, and the workflow that is called. */
struct call {
    struct parse *from, *to;
    struct workflow_job *job;
    const struct token *map, *key, *uses; /* the job's, its `uses` */
};

/* The literal keys of a mapping by their names in lower case, as indices; an owned object, NULL: no memory.
 */
static json_t *index_names(const struct token *map)
{
    _json_ json_t *index = json_object();
    _buf_ struct buf name = BUF_INIT;

    for (size_t i = 0; index && map && map->kind == TOKEN_MAPPING && i < map->map.n; i++) {
        const struct token *key = map->map.pairs[i].key;
        if (key->kind != TOKEN_STRING)
            continue;
        if (name_lower(key->str, &name) < 0 ||
            json_object_set_new(index, buf_str(&name), json_integer((json_int_t)i)) < 0)
            return NULL;
    }
    return TAKE(index);
}

/* The value of a key, whatever its case. */
static const struct token *find_name(struct parse *p, const struct token *map, const json_t *index,
                                     const char *name)
{
    _buf_ struct buf lower = BUF_INIT;

    if (!index || name_lower(name, &lower) < 0) {
        p->no_memory = true;
        return NULL;
    }
    const json_t *i = json_object_get(index, buf_str(&lower));
    return i ? map->map.pairs[json_integer_value(i)].value : NULL;
}

/* Complains of what is given and not defined. */
static void check_undefined(struct call *c, const struct token *given, const struct token *definitions,
                            const char *what)
{
    _json_ json_t *index = index_names(definitions);

    for (size_t i = 0; given && given->kind == TOKEN_MAPPING && i < given->map.n; i++) {
        const struct token_pair *pair = &given->map.pairs[i];
        if (pair->key->kind == TOKEN_STRING && !find_name(c->from, definitions, index, pair->key->str))
            parse_error(c->from, pair->value, "Invalid %s, %s is not defined in the referenced workflow.",
                        what, pair->key->str);
    }
}

/* Whether a literal given for an input is of its type; what has expressions is known later. */
static void check_type(struct parse *p, const struct token *type, const struct token *value)
{
    const struct schema *schema = token_is(type, "boolean")  ? &schema_input_boolean
                                  : token_is(type, "number") ? &schema_input_number
                                                             : &schema_input_string;

    if (!value || token_has_expr(value) || schema == &schema_input_string || schema_accepts(schema, value))
        return;
    const char *text = token_text(p->arena, value);
    if (!text)
        p->no_memory = true;
    else
        parse_error(p, value, "Unexpected value '%s'", text);
}

static void check_inputs(struct call *c, const struct token *definitions)
{
    const struct token *given = token_get(c->map, "with");
    _json_ json_t *index = index_names(given);

    for (size_t i = 0; definitions && i < definitions->map.n; i++) {
        const char *name = definitions->map.pairs[i].key->str;
        const struct token *spec = definitions->map.pairs[i].value, *required = token_get(spec, "required");
        const struct token *value = find_name(c->from, given, index, name);
        check_type(c->to, token_get(spec, "type"), token_get(spec, "default"));
        check_type(c->from, token_get(spec, "type"), value);
        if (!value && required && required->boolean)
            parse_error(c->from, c->uses, "Input %s is required, but not provided while calling.", name);
    }
    check_undefined(c, given, definitions, "input");
}

static void check_secrets(struct call *c, const struct token *definitions)
{
    const struct token *given = c->job->secrets;
    _json_ json_t *index = index_names(given);

    if (c->job->secrets_inherit)
        return;
    for (size_t i = 0; definitions && i < definitions->map.n; i++) {
        const char *name = definitions->map.pairs[i].key->str;
        const struct token *required = token_get(definitions->map.pairs[i].value, "required");
        if (required && required->boolean && !find_name(c->from, given, index, name))
            parse_error(c->from, c->uses, "Secret %s is required, but not provided while calling.", name);
    }
    check_undefined(c, given, definitions, "secret");
}

static void check_call(struct call *c, const struct token *root)
{
    const struct workflow_event *event = workflow_event(&c->to->doc->workflow, "workflow_call");

    if (!event) {
        parse_error(c->to, token_get(root, "on"),
                    "workflow_call key is not defined in the referenced workflow.");
        return;
    }
    check_inputs(c, token_get(event->config, "inputs"));
    check_secrets(c, token_get(event->config, "secrets"));
}

/* What there is where something may be said anew: that, or else what was said around it. */
static struct granted granted_within(const struct granted *around, const struct token *permissions,
                                     const char *cache_mode)
{
    return (struct granted){permissions ? permissions : around->permissions,
                            *cache_mode ? cache_mode : around->cache_mode};
}

/* The called workflow's jobs have what it says itself, or else what its caller has. */
static int check_called(struct call *c, const struct token *root, const struct granted *allowed)
{
    const struct workflow *w = &c->to->doc->workflow;
    struct granted wanted = {w->permissions, w->cache_mode};

    check_call(c, root);
    check_granted(c->from, c->key, c->uses->str, NULL, &wanted, allowed);
    for (size_t i = 0; i < w->n_jobs; i++) {
        const struct workflow_job *job = &w->jobs[i];
        check_granted(c->from, c->key, c->uses->str, job->id,
                      &(struct granted){job->permissions, job->cache_mode}, allowed);
    }
    wanted = granted_within(allowed, w->permissions, w->cache_mode);
    return load_calls(c->to, &wanted);
}

static int parse_called(struct call *c, const char *text, size_t len, const struct granted *allowed)
{
    size_t before = parse_errors(c->from);
    const struct token *root;

    int r = parse_file(c->to, text, len, &schema_workflow, &root);
    if (r == 0)
        r = convert_root(c->to, root);
    if (r == 0 && parse_errors(c->from) == before)
        r = check_called(c, root, allowed);
    if (c->to->no_memory || c->from->no_memory || r == -ENOMEM)
        return -ENOMEM;
    return lint_prefix(c->from->run->lint, before, c->from->file, c->uses->line, c->uses->col);
}

/* What stands against following a call at all, NULL for nothing. */
static const char *call_problem(const struct parse *p, const char *uses)
{
    if (p->depth + 1 > WORKFLOW_MAX_CALL_DEPTH)
        return "Nested reusable workflow depth exceeded 10.";
    if (p->run->calls >= WORKFLOW_MAX_CALLS)
        return "The maximum file count of 1000 has been exceeded";
    for (const struct parse *up = p; up; up = up->caller)
        if (up->uses && str_eq(up->uses, uses))
            return "Loops in the workflow tree are not permitted.";
    return NULL;
}

/* What a call means: "./" and "$/" are the repository, and the ref, that the calling workflow comes from. */
static const char *full_reference(struct call *c)
{
    const char *uses = c->uses->str, *from = c->from->uses;
    const char *at = from ? strrchr(from, '@') : NULL,
               *slash = from ? strchr(forge_behind_host(from), '/') : NULL;
    const char *path = slash ? strchr(slash + 1, '/') : NULL;

    if (str_starts(uses, "$/"))
        uses = arena_printf(c->from->arena, ".%s", uses + 1);
    if (!uses || !str_starts(uses, "./") || !from || str_starts(from, "./") || !at || !path || path > at)
        return uses;
    return arena_printf(c->from->arena, "%.*s/%s%s", (int)(path - from), from, uses + 2, at);
}

static int follow(struct call *c, const struct granted *allowed)
{
    const struct workflow_opts *opts = c->from->run->opts;
    const char *uses = full_reference(c);
    const char *problem = uses ? call_problem(c->from, uses) : NULL;
    _buf_ struct buf text = BUF_INIT;
    struct err err = {0};

    if (!uses)
        return -ENOMEM;
    if (problem) {
        parse_error(c->from, c->uses, "%s", problem);
        return 0;
    }
    c->from->run->calls++;
    int r = opts->find(opts->data, uses, &text, &err);
    if (r == -ENOMEM || r == -EOPNOTSUPP)
        return r == -ENOMEM ? r : 0;
    if (r < 0) {
        parse_error(c->from, c->uses, "Unable to find reusable workflow");
        return 0;
    }
    struct workflow_doc *doc = calloc(1, sizeof(*doc));
    if (!doc)
        return -ENOMEM;
    c->job->called = &doc->workflow; /* from here on the caller owns it */
    doc->workflow.arena = &doc->arena;
    doc->workflow.file = arena_strdup(&doc->arena, str_starts(uses, "./") ? uses + 2 : uses);
    struct parse to = {.run = c->from->run,
                       .caller = c->from,
                       .uses = uses,
                       .depth = c->from->depth + 1,
                       .doc = doc,
                       .arena = &doc->arena,
                       .exprs = &doc->exprs,
                       .file = doc->workflow.file};
    c->to = &to;
    return to.file ? parse_called(c, buf_str(&text), text.len, allowed) : -ENOMEM;
}

int load_calls(struct parse *p, const struct granted *granted)
{
    struct workflow *w = &p->doc->workflow;
    const struct token *jobs = token_get(w->root, "jobs");

    if (!p->run->opts->find || parse_errors(p) > 0)
        return 0;
    for (size_t i = 0; i < w->n_jobs; i++) {
        struct workflow_job *job = &w->jobs[i];
        const struct token_pair *pair = &jobs->map.pairs[i];
        if (!job->uses)
            continue;
        struct call call = {.from = p,
                            .job = job,
                            .map = pair->value,
                            .key = pair->key,
                            .uses = token_get(pair->value, "uses")};
        struct granted own = granted_within(granted, job->permissions, job->cache_mode);
        int r = follow(&call, &own);
        if (r < 0)
            return r;
    }
    return 0;
}
