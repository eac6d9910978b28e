/*
 * A workflow written out: what anchors name stands where they are used, and what is not written is said:
 * conditions, shells, permissions, timeouts, and the combinations of each matrix. Expressions stay as they
 * are, so no secret is in it.
 */
#include "runfs/plan.h"

#include <string.h>

#include "runfs/str.h"
#include "yaml.h"
#include "yaml_write.h"

enum { EXPANDED_MAX = 16 * 1024 * 1024 };

struct expanding {
    struct arena a;
    const struct workflow *w;
    const json_t *matrices;
    const struct token *root; /* as the file has it, before the schema */
    bool no_memory;
};

/* ------------------------------------------------------------------------------------------- new tokens */

static struct token *new_token(struct expanding *x, enum token_kind kind)
{
    struct token *t = arena_new(&x->a, struct token);
    static struct token nothing = {.kind = TOKEN_NULL, .str = ""};

    x->no_memory |= !t;
    if (t)
        t->kind = kind;
    return t ? t : &nothing;
}

static struct token *new_text(struct expanding *x, enum token_kind kind, const char *text)
{
    struct token *t = new_token(x, kind);
    const char *copy = arena_strdup(&x->a, text);

    x->no_memory |= !copy;
    if (!x->no_memory) {
        t->str = copy;
        t->len = strlen(copy);
    }
    return t;
}

/* A mapping with room for `room` more pairs than `like` has. */
static struct token *new_mapping(struct expanding *x, const struct token *like, size_t room)
{
    struct token *t = new_token(x, TOKEN_MAPPING);
    size_t n = like && like->kind == TOKEN_MAPPING ? like->map.n : 0;
    struct token_pair *pairs = arena_array(&x->a, struct token_pair, n + room + 1);

    x->no_memory |= !pairs;
    if (!x->no_memory)
        t->map.pairs = pairs;
    return t;
}

static void add(struct expanding *x, struct token *mapping, const char *key, const struct token *value)
{
    if (x->no_memory || !value)
        return;
    struct token *name = new_text(x, TOKEN_STRING, key);
    if (!x->no_memory)
        mapping->map.pairs[mapping->map.n++] = (struct token_pair){name, (struct token *)value};
}

static void add_missing(struct expanding *x, struct token *mapping, const char *key,
                        const struct token *value)
{
    if (!x->no_memory && !token_get(mapping, key))
        add(x, mapping, key, value);
}

static struct token *from_json(struct expanding *x, const json_t *json)
{
    if (json_is_array(json)) {
        struct token *t = new_token(x, TOKEN_SEQUENCE);
        size_t n = json_array_size(json);
        struct token **items = arena_array(&x->a, struct token *, n + 1);
        x->no_memory |= !items;
        for (size_t i = 0; i < n && !x->no_memory; i++)
            items[i] = from_json(x, json_array_get(json, i));
        if (x->no_memory)
            return t;
        t->seq.items = items;
        t->seq.n = n;
        return t;
    }
    if (json_is_object(json)) {
        struct token *t = new_token(x, TOKEN_MAPPING);
        struct token_pair *pairs = arena_array(&x->a, struct token_pair, json_object_size(json) + 1);
        const char *key;
        json_t *value;
        x->no_memory |= !pairs;
        if (x->no_memory)
            return t;
        t->map.pairs = pairs;
        json_object_foreach((json_t *)json, key, value) add(x, t, key, from_json(x, value));
        return t;
    }
    if (json_is_string(json))
        return new_text(x, TOKEN_STRING, json_string_value(json));
    _free_ char *text = json_dumps(json, JSON_ENCODE_ANY);
    x->no_memory |= !text;
    return new_text(x,
                    json_is_null(json)      ? TOKEN_NULL
                    : json_is_boolean(json) ? TOKEN_BOOLEAN
                                            : TOKEN_NUMBER,
                    text ? text : "");
}

/* --------------------------------------------------------------------------------------------- steps */

/* `defaults.run` of the job, else of the workflow. */
static const struct token *default_of(const struct expanding *x, const struct token *job, const char *key)
{
    const struct token *mine = token_get(token_get(token_get(job, "defaults"), "run"), key);

    return mine ? mine : token_get(token_get(token_get(x->root, "defaults"), "run"), key);
}

static struct token *expand_list(struct expanding *x, const struct workflow_step *steps, size_t n,
                                 const struct token *job, struct token *raw);

static struct token *expand_group(struct expanding *x, const struct workflow_step *group, struct token *to,
                                  const struct token *job)
{
    for (size_t i = 0; i < to->map.n; i++)
        if (to->map.pairs[i].value == group->target)
            to->map.pairs[i].value =
                expand_list(x, group->parallel, group->n_parallel, job, to->map.pairs[i].value);
    return to;
}

static struct token *expand_step(struct expanding *x, const struct workflow_step *step,
                                 const struct token *raw, const struct token *job)
{
    struct token *to = new_mapping(x, raw, 5);
    const char *condition = step->condition ? expr_text(step->condition) : NULL;

    for (size_t i = 0; i < raw->map.n && !x->no_memory; i++) {
        const struct token_pair *pair = &raw->map.pairs[i];
        bool is_if = pair->key->str && str_eq(pair->key->str, "if") && condition;
        add(x, to, pair->key->str, is_if ? new_text(x, TOKEN_STRING, condition) : pair->value);
    }
    if (step->kind == STEP_PARALLEL)
        return expand_group(x, step, to, job);
    if (step->kind != STEP_RUN && step->kind != STEP_USES)
        return to;
    if (condition)
        add_missing(x, to, "if", new_text(x, TOKEN_STRING, condition));
    if (step->kind == STEP_RUN) {
        const struct token *shell = default_of(x, job, "shell");
        /* what is run where nobody names a shell; `shell: bash` would be another one, with pipefail */
        add_missing(x, to, "shell", shell ? shell : new_text(x, TOKEN_STRING, "bash -e {0}"));
        add_missing(x, to, "working-directory", default_of(x, job, "working-directory"));
    }
    add_missing(x, to, "continue-on-error", new_text(x, TOKEN_BOOLEAN, "false"));
    return to;
}

static struct token *expand_list(struct expanding *x, const struct workflow_step *steps, size_t n,
                                 const struct token *job, struct token *raw)
{
    struct token *to = new_token(x, TOKEN_SEQUENCE);
    struct token **items = arena_array(&x->a, struct token *, n + 1);

    x->no_memory |= !items;
    if (x->no_memory || raw->kind != TOKEN_SEQUENCE || raw->seq.n != n)
        return raw;
    for (size_t i = 0; i < n; i++)
        items[i] = raw->seq.items[i]->kind == TOKEN_MAPPING
                       ? expand_step(x, &steps[i], raw->seq.items[i], job)
                       : raw->seq.items[i];
    to->seq.items = items;
    to->seq.n = n;
    return to;
}

/* ----------------------------------------------------------------------------------------------- jobs */

/* The matrix as a list of its combinations, once these are known. */
static const struct token *expand_strategy(struct expanding *x, const struct workflow_job *def,
                                           const struct token *raw)
{
    json_t *combinations = json_object_get(x->matrices, def->id);
    struct token *to = new_mapping(x, raw, 3), *matrix = new_mapping(x, NULL, 1);

    if (raw && raw->kind == TOKEN_MAPPING)
        for (size_t i = 0; i < raw->map.n && !x->no_memory; i++)
            if (!json_array_size(combinations) || !str_eq(raw->map.pairs[i].key->str, "matrix"))
                add(x, to, raw->map.pairs[i].key->str, raw->map.pairs[i].value);
    if (!raw || (raw->kind != TOKEN_MAPPING && !json_array_size(combinations)))
        return raw;
    if (raw->kind == TOKEN_MAPPING)
        add_missing(x, to, "fail-fast", new_text(x, TOKEN_BOOLEAN, "true"));
    if (json_array_size(combinations)) {
        add(x, matrix, "include", from_json(x, combinations));
        add(x, to, "matrix", matrix);
    }
    return to;
}

static struct token *expand_needs(struct expanding *x, const struct workflow_job *def)
{
    _json_ json_t *needs = json_array();

    for (size_t i = 0; i < def->n_needs; i++)
        x->no_memory |= json_array_append_new(needs, json_string(def->needs[i])) < 0;
    return from_json(x, needs);
}

static void add_defaults(struct expanding *x, const struct workflow_job *def, struct token *to)
{
    if (def->condition)
        add_missing(x, to, "if", new_text(x, TOKEN_STRING, expr_text(def->condition)));
    add_missing(x, to, "permissions", token_get(x->root, "permissions"));
    if (def->uses)
        return;
    add_missing(x, to, "timeout-minutes", new_text(x, TOKEN_NUMBER, "360"));
    add_missing(x, to, "cancel-timeout-minutes", new_text(x, TOKEN_NUMBER, "5"));
    add_missing(x, to, "continue-on-error", new_text(x, TOKEN_BOOLEAN, "false"));
}

static struct token *expand_job(struct expanding *x, const struct workflow_job *def, const struct token *raw)
{
    struct token *to = new_mapping(x, raw, 6), *steps = token_get(raw, "steps");

    for (size_t i = 0; i < raw->map.n && !x->no_memory; i++) {
        const char *key = raw->map.pairs[i].key->str;
        const struct token *value = raw->map.pairs[i].value;
        if (str_eq(key, "steps"))
            continue; /* they come last: what is about the job is read first */
        if (str_eq(key, "if") && def->condition)
            value = new_text(x, TOKEN_STRING, expr_text(def->condition));
        else if (str_eq(key, "needs"))
            value = expand_needs(x, def);
        else if (str_eq(key, "strategy"))
            value = expand_strategy(x, def, value);
        add(x, to, key, value);
    }
    add_defaults(x, def, to);
    if (steps)
        add(x, to, "steps", expand_list(x, def->written, def->n_written, raw, steps));
    return to;
}

static struct token *expand_jobs(struct expanding *x, const struct token *raw)
{
    struct token *to = new_mapping(x, raw, 0);

    for (size_t i = 0; i < raw->map.n && !x->no_memory; i++) {
        const char *id = raw->map.pairs[i].key->str;
        const struct workflow_job *def = workflow_job(x->w, id);
        const struct token *job = raw->map.pairs[i].value;
        add(x, to, id, def && job->kind == TOKEN_MAPPING ? expand_job(x, def, job) : job);
    }
    return to;
}

int workflow_expand(const struct workflow *w, const char *text, size_t len, const json_t *matrices,
                    struct buf *ret)
{
    struct expanding x = {.w = w, .matrices = matrices};
    struct yaml_error error;
    struct yaml_tree tree = {0};
    struct token *root, *to;
    int r = yaml_read(&x.a, text, len, &tree, &error);

    root = tree.root;
    if (r == 0 && root->kind != TOKEN_MAPPING)
        r = -EINVAL;
    if (r == 0) {
        x.root = root;
        to = new_mapping(&x, root, 0);
        for (size_t i = 0; i < root->map.n && !x.no_memory; i++) {
            const char *key = root->map.pairs[i].key->str;
            const struct token *value = root->map.pairs[i].value;
            add(&x, to, key,
                str_eq(key, "jobs") && value->kind == TOKEN_MAPPING ? expand_jobs(&x, value) : value);
        }
        r = x.no_memory ? -ENOMEM : yaml_write(to, EXPANDED_MAX, ret);
    }
    arena_release(&x.a);
    return r;
}
