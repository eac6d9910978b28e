/* `on`: what starts a workflow. */
#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

/* The strings of a token that is one or a sequence of them, NULL-terminated. NULL for no token. */
static int string_list(struct parse *p, const struct token *t, const char *const **ret)
{
    size_t n = !t ? 0 : t->kind == TOKEN_SEQUENCE ? t->seq.n : 1;
    const char **list = arena_array(p->arena, const char *, n + 1);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        list[i] = (t->kind == TOKEN_SEQUENCE ? t->seq.items[i] : t)->str;
    *ret = t ? list : NULL;
    return 0;
}

static enum input_type input_type(const struct token *t)
{
    static const char *const names[] = {[INPUT_STRING] = "string",
                                        [INPUT_BOOLEAN] = "boolean",
                                        [INPUT_NUMBER] = "number",
                                        [INPUT_CHOICE] = "choice",
                                        [INPUT_ENVIRONMENT] = "environment"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (token_is(t, names[i]))
            return (enum input_type)i;
    return INPUT_STRING;
}

/* Text that says it is as good as a boolean. */
static void check_boolean_default(struct parse *p, const struct token *t)
{
    static const char *const kinds[] = {
        [TOKEN_NULL] = "NullToken", [TOKEN_NUMBER] = "NumberToken", [TOKEN_STRING] = "StringToken"};

    if (t && t->kind < ARRAY_LEN(kinds) && kinds[t->kind] && !token_is(t, "true") && !token_is(t, "false"))
        parse_error(
            p, t,
            "Unexpected type '%s' encountered while reading 'input default'. The type 'BooleanToken' was "
            "expected.",
            kinds[t->kind]);
}

static int convert_input(struct parse *p, const struct token_pair *pair, struct workflow_input *to)
{
    const struct token *map = pair->value, *description = token_get(map, "description");
    const struct token *required = token_get(map, "required"), *options = token_get(map, "options");

    to->name = pair->key->str;
    to->description = text_or_empty(description);
    to->type = input_type(token_get(map, "type"));
    to->required = required && required->boolean;
    to->fallback = token_get(map, "default");
    if (to->type == INPUT_BOOLEAN)
        check_boolean_default(p, to->fallback);
    if (to->type == INPUT_CHOICE && (!options || options->seq.n == 0))
        parse_error(p, map, "Missing 'options' for choice input");
    else if (to->type != INPUT_CHOICE && options)
        parse_error(p, map, "Input type is not 'choice', but 'options' is defined");
    return string_list(p, options, &to->options);
}

enum { INPUTS_MAX = 25 }; /* GitHub documentation, "on.workflow_dispatch.inputs" */

/* GitHub refuses a workflow whose runs start itself. */
static void check_listens_to(struct parse *p, const struct token *list)
{
    const char *own = p->doc->workflow.name;
    bool many = list && list->kind == TOKEN_SEQUENCE;

    for (size_t i = 0; list && i < (many ? list->seq.n : 1); i++) {
        const struct token *name = many ? list->seq.items[i] : list;
        if (*own && name->kind == TOKEN_STRING && str_eq(name->str, own))
            parse_error(p, name, "Workflow '%s' cannot listen to itself.", own);
    }
}

/* What GitHub refuses of an event beside what its schema says. */
static void check_event(struct parse *p, const struct workflow_event *event, const struct token *config)
{
    const struct token *inputs = token_get(config, "inputs"), *secrets = token_get(config, "secrets");

    if (str_eq(event->name, "workflow_dispatch") && event->n_inputs > INPUTS_MAX)
        parse_error(p, inputs, "you may only define up to %d `inputs` for a `workflow_dispatch` event",
                    INPUTS_MAX);
    if (str_eq(event->name, "workflow_run") && p->run->opts->forge == FORGE_GITHUB)
        check_listens_to(p, token_get(config, "workflows"));
    for (size_t i = 0; secrets && secrets->kind == TOKEN_MAPPING && i < secrets->map.n; i++) {
        const struct token *name = secrets->map.pairs[i].key;
        if (str_eq_ascii_nocase(name->str, "GITHUB_TOKEN"))
            parse_error(p, name,
                        "secret name `%s` within `workflow_call` can not be used since it would collide "
                        "with system reserved name",
                        name->str);
    }
}

static int convert_inputs(struct parse *p, const struct token *map, struct workflow_event *to)
{
    size_t n = map && map->kind == TOKEN_MAPPING ? map->map.n : 0;
    struct workflow_input *inputs = arena_array(p->arena, struct workflow_input, n + 1);

    if (!inputs)
        return -ENOMEM;
    to->inputs = inputs;
    to->n_inputs = n;
    for (size_t i = 0; i < n; i++)
        if (convert_input(p, &map->map.pairs[i], &inputs[i]) < 0)
            return -ENOMEM;
    return 0;
}

/* The words that Gitea takes for a pattern (its documentation, "Compared to GitHub Actions"). */
static const char *cron_of_word(const struct parse *p, const char *said)
{
    static const char *const words[][2] = {{"@yearly", "0 0 1 1 *"},  {"@annually", "0 0 1 1 *"},
                                           {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
                                           {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                                           {"@hourly", "0 * * * *"}};

    for (size_t i = 0; p->run->opts->forge != FORGE_GITHUB && i < ARRAY_LEN(words); i++)
        if (str_eq(said, words[i][0]))
            return words[i][1];
    return said;
}

static int convert_schedule(struct parse *p, const struct token *list, struct workflow_event *to)
{
    const char **crons = arena_array(p->arena, const char *, list->seq.n + 1);
    const char **zones = arena_array(p->arena, const char *, list->seq.n + 1);

    if (!crons || !zones)
        return -ENOMEM;
    for (size_t i = 0; i < list->seq.n; i++) {
        const struct token *cron = token_get(list->seq.items[i], "cron");
        const struct token *zone = token_get(list->seq.items[i], "timezone");
        crons[i] = cron_of_word(p, cron->str);
        zones[i] = text_or_empty(zone);
        if (!cron_valid(crons[i]))
            parse_error(
                p, cron,
                "Invalid cron expression. Expected format: '* * * * *' (minute hour day month weekday)");
    }
    to->crons = crons;
    to->timezones = zones;
    return 0;
}

static int convert_filters(struct parse *p, const struct token *map, struct workflow_event *to)
{
    const struct {
        const char *key;
        const char *const **list;
    } filters[] = {
        {"types", &to->types},
        {"branches", &to->branches},
        {"branches-ignore", &to->branches_ignore},
        {"tags", &to->tags},
        {"tags-ignore", &to->tags_ignore},
        {"paths", &to->paths},
        {"paths-ignore", &to->paths_ignore},
        {"workflows", &to->workflows},
    };

    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (string_list(p, token_get(map, filters[i].key), filters[i].list) < 0)
            return -ENOMEM;
    return convert_inputs(p, token_get(map, "inputs"), to);
}

int convert_on(struct parse *p, const struct token *on)
{
    struct workflow *w = &p->doc->workflow;
    size_t n = on->kind == TOKEN_MAPPING ? on->map.n : on->kind == TOKEN_SEQUENCE ? on->seq.n : 1;
    int r = 0;

    w->events = arena_array(p->arena, struct workflow_event, n + 1);
    if (!w->events)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct workflow_event *event = &w->events[i];
        const struct token *config = on->kind == TOKEN_MAPPING ? on->map.pairs[i].value : NULL;
        event->name = config                       ? on->map.pairs[i].key->str
                      : on->kind == TOKEN_SEQUENCE ? on->seq.items[i]->str
                                                   : on->str;
        event->config = config;
        if (config && config->kind == TOKEN_MAPPING)
            r = convert_filters(p, config, event);
        if (config && config->kind == TOKEN_MAPPING && r == 0)
            check_event(p, event, config);
        else if (config && config->kind == TOKEN_SEQUENCE)
            r = convert_schedule(p, config, event);
        w->n_events = i + 1;
    }
    return r;
}
