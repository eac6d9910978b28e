/* Action manifests: text, schema, and then the struct that says how the action runs. */
#include "runfs/action.h"

#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

/* An action with what it owns; `action` is what the world sees. */
struct action_doc {
    struct action action;
    struct arena arena;
    struct expr_owner *exprs;
};

void action_free(struct action *a)
{
    struct action_doc *doc = (struct action_doc *)a;

    if (!doc)
        return;
    exprs_free(doc->exprs);
    arena_release(&doc->arena);
    free(doc);
}

const struct action_input *action_input(const struct action *a, const char *name)
{
    for (size_t i = 0; i < a->n_inputs; i++)
        if (str_eq_ascii_nocase(a->inputs[i].name, name))
            return &a->inputs[i];
    return NULL;
}

/* The text of a literal, "" where there is none, NULL: no memory. */
static const char *text_of(struct parse *p, const struct token *t)
{
    const char *text = t ? token_text(p->arena, t) : "";

    if (!text)
        p->no_memory = true;
    return text;
}

static const char *text_or_null(const struct token *map, const char *key)
{
    const struct token *t = token_get(map, key);

    return t ? t->str : NULL;
}

/* The runner matches these keys of an input in any case. */
static const struct token *get_nocase(const struct token *map, const char *key)
{
    for (size_t i = 0; i < map->map.n; i++)
        if (str_eq_ascii_nocase(map->map.pairs[i].key->str, key))
            return map->map.pairs[i].value;
    return NULL;
}

static void convert_input(struct parse *p, const struct token_pair *pair, struct action_input *to)
{
    const struct token *required = token_get(pair->value, "required"),
                       *deprecation = get_nocase(pair->value, "deprecationMessage"),
                       *fallback = get_nocase(pair->value, "default");

    if (fallback && (fallback->kind == TOKEN_SEQUENCE || fallback->kind == TOKEN_MAPPING))
        parse_error(p, fallback, "The default of an input must be a string");
    *to = (struct action_input){
        .name = pair->key->str,
        .description = text_of(p, token_get(pair->value, "description")),
        .deprecation = text_of(p, deprecation),
        .required =
            required && (required->kind == TOKEN_BOOLEAN ? required->boolean : token_is(required, "true")),
        .fallback = fallback,
    };
}

static int convert_inputs(struct parse *p, const struct token *map, struct action *a)
{
    size_t n = map ? map->map.n : 0;

    a->inputs = arena_array(p->arena, struct action_input, n + 1);
    if (!a->inputs)
        return -ENOMEM;
    for (; a->n_inputs < n; a->n_inputs++)
        convert_input(p, &map->map.pairs[a->n_inputs], &a->inputs[a->n_inputs]);
    return 0;
}

static int convert_outputs(struct parse *p, const struct token *map, struct action *a)
{
    size_t n = map ? map->map.n : 0;

    a->outputs = arena_array(p->arena, struct action_output, n + 1);
    if (!a->outputs)
        return -ENOMEM;
    for (; a->n_outputs < n; a->n_outputs++) {
        const struct token_pair *pair = &map->map.pairs[a->n_outputs];
        a->outputs[a->n_outputs] =
            (struct action_output){.name = pair->key->str,
                                   .description = text_of(p, token_get(pair->value, "description")),
                                   .value = token_get(pair->value, "value")};
    }
    return 0;
}

/* pre-if and post-if are conditions as they stand: the status is asked for only where they ask for it. */
static int hook_condition(struct parse *p, const struct token *t, const struct expr **ret)
{
    static const char fallback[] = "always()";
    _expr_err_ struct expr_err err = {0};
    int r = parse_expression(p, t ? t->str : fallback, t ? t->len : strlen(fallback), schema_step_if.context,
                             ret, &err);

    if (r != -EINVAL)
        return r;
    parse_error(p, t, "%s", err.msg);
    return 0;
}

static int convert_node(struct parse *p, const struct token *runs, struct action *a)
{
    a->using = ACTION_NODE;
    a->main = text_or_null(runs, "main");
    a->pre = text_or_null(runs, "pre");
    a->post = text_or_null(runs, "post");
    if (!a->main)
        parse_error(
            p, runs,
            "You are using a JavaScript Action but there is not an entry JavaScript file provided in %s.",
            p->file);
    return 0;
}

static int convert_docker(struct parse *p, const struct token *runs, struct action *a)
{
    a->using = ACTION_DOCKER;
    a->image = text_or_null(runs, "image");
    a->pre_entrypoint = text_or_null(runs, "pre-entrypoint");
    a->entrypoint = text_or_null(runs, "entrypoint");
    a->post_entrypoint = text_or_null(runs, "post-entrypoint");
    a->args = token_get(runs, "args");
    a->env = token_get(runs, "env");
    if (!a->image)
        parse_error(p, runs, "You are using a Container Action but an image is not provided in %s.", p->file);
    return 0;
}

static int convert_composite(struct parse *p, const struct token *runs, struct action *a)
{
    const struct token *steps = token_get(runs, "steps");
    struct step_list list = {.condition = &schema_composite_if};

    a->using = ACTION_COMPOSITE;
    if (!steps) {
        parse_error(p, runs, "You are using a composite action but there are no steps provided in %s.",
                    p->file);
        return 0;
    }
    int r = convert_steps(p, steps, &list);
    a->steps = list.steps;
    a->n_steps = list.n;
    return r;
}

static int convert_runs(struct parse *p, const struct token *runs, struct action *a)
{
    static const struct {
        const char *using;
        int (*convert)(struct parse *p, const struct token *runs, struct action *a);
    } kinds[] = {{"docker", convert_docker}, {"node12", convert_node}, {"node16", convert_node},
                 {"node20", convert_node},   {"node24", convert_node}, {"composite", convert_composite}};
    const struct token *using = token_get(runs, "using");

    if (!using) {
        parse_error(
            p, runs,
            "Missing 'using' value. 'using' requires 'composite', 'docker', 'node12', 'node16', 'node20' or "
            "'node24'.");
        return 0;
    }
    a->using_text = using->str;
    int r = hook_condition(p, token_get(runs, "pre-if"), &a->pre_if);
    if (r == 0)
        r = hook_condition(p, token_get(runs, "post-if"), &a->post_if);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(kinds); i++)
        if (str_eq_ascii_nocase(using->str, kinds[i].using))
            return kinds[i].convert(p, runs, a);
    parse_error(
        p, using,
        "'using: %s' is not supported, use 'docker', 'node12', 'node16', 'node20' or 'node24' instead.",
        using->str);
    return r;
}

static int convert_action(struct parse *p, const struct token *root, struct action *a)
{
    const struct token *runs = token_get(root, "runs");

    if (!runs)
        parse_error(p, root, "Top level 'runs:' section is required for %s", p->file);
    a->name = text_of(p, token_get(root, "name"));
    a->description = text_of(p, token_get(root, "description"));
    int r = convert_inputs(p, token_get(root, "inputs"), a);
    if (r == 0)
        r = convert_outputs(p, token_get(root, "outputs"), a);
    if (r == 0 && runs)
        r = convert_runs(p, runs, a);
    return r;
}

static int parse_as(const char *file, const char *text, size_t len, enum forge forge, struct action **ret,
                    struct lint *lint)
{
    const struct workflow_opts opts = {.no_background_steps = true, .forge = forge}; /* as on GitHub */
    struct lint found = {0};
    struct parse_run run = {.opts = &opts, .lint = &found, .max_bytes = WORKFLOW_MAX_RESULT};
    struct action_doc *doc = calloc(1, sizeof(*doc));
    const struct token *root;

    if (!doc)
        return -ENOMEM;
    doc->action.arena = &doc->arena;
    doc->action.file = arena_strdup(&doc->arena, file);
    struct parse p = {.run = &run, .arena = &doc->arena, .exprs = &doc->exprs, .file = doc->action.file};
    int r = p.file ? parse_file(&p, text, len, &schema_action, &root) : -ENOMEM;
    if (r == 0)
        r = convert_action(&p, root, &doc->action);
    if (r == 0 && found.n > 0)
        r = -EINVAL;
    if (p.no_memory)
        r = -ENOMEM;
    if (r == 0) {
        *ret = &doc->action;
        return 0;
    }
    action_free(&doc->action);
    if (r == -ENOMEM)
        lint_release(&found);
    else
        *lint = found;
    return r;
}

int action_parse(const char *file, const char *text, size_t len, enum forge forge, struct action **ret,
                 struct lint *lint)
{
    enum forge other = forge == FORGE_UNKNOWN ? forge_of_text(text, len) : forge;
    struct lint found = {0};

    if (forge != FORGE_UNKNOWN || other == FORGE_GITHUB)
        return parse_as(file, text, len, other, ret, lint);
    int r = parse_as(file, text, len, FORGE_GITHUB, ret, &found);
    if (r == -EINVAL && parse_as(file, text, len, other, ret, lint) == 0)
        r = 0;
    else if (r < 0 && r != -ENOMEM) {
        lint_release(lint);
        *lint = found;
        return r;
    }
    lint_release(&found);
    return r;
}
