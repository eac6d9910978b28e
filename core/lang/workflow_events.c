/* `on`: its three forms, filters, inputs and schedules. */
#include "runfs/str.h"
#include "workflow_internal.h"

const char *const *string_list(struct arena *a, const struct token *t, size_t *ret_n)
{
    size_t n = !t ? 0 : t->kind == TOKEN_SEQUENCE ? t->seq.n : t->kind == TOKEN_NULL ? 0 : 1;
    const char **list = t ? arena_array(a, const char *, n + 1) : NULL;

    for (size_t i = 0; list && i < n; i++)
        list[i] = t->kind == TOKEN_SEQUENCE ? t->seq.items[i]->str : t->str;
    if (ret_n)
        *ret_n = list ? n : 0;
    return list;
}

/* One field of a cron pattern: `*`, numbers, names, ranges, steps, lists. */
static bool cron_field(const char *s, size_t len, int low, int high, const char *names)
{
    const char *end = s + len;

    if (len == 0)
        return false;
    while (s < end) {
        const char *stop = memchr(s, ',', (size_t)(end - s));
        const char *part_end = stop ? stop : end, *slash = memchr(s, '/', (size_t)(part_end - s));
        const char *range_end = slash ? slash : part_end;
        long values[2] = {0};
        int n = 0;
        if (slash) {
            char *after;
            long step = strtol(slash + 1, &after, 10);
            if (after != part_end || after == slash + 1 || step < 1 || step > high + 1)
                return false;
        }
        if (range_end - s != 1 || *s != '*') {
            const char *p = s;
            while (p < range_end && n < 2) {
                char *after;
                long v = strtol(p, &after, 10);
                if (after == p || *p == '-' || *p == '+') {
                    const char *found = NULL;
                    if (range_end - p >= 3)
                        for (const char *name = names; *name && !found; name += 3)
                            found = strncasecmp(name, p, 3) == 0 ? name : NULL;
                    if (!found)
                        return false;
                    v = (found - names) / 3 + low;
                    after = (char *)(uintptr_t)p + 3;
                }
                if (v < low || v > high)
                    return false;
                values[n++] = v;
                p = after;
                if (p < range_end && (*p != '-' || n == 2 || p + 1 == range_end))
                    return false;
                p += p < range_end;
            }
            if (n == 0 || (n == 2 && values[0] > values[1]))
                return false;
        }
        s = part_end + (stop ? 1 : 0);
        if (stop && s == end)
            return false;
    }
    return true;
}

static bool cron_valid(const char *pattern)
{
    static const struct {
        int low, high;
        const char *names;
    } fields[] = {{0, 59, ""},
                  {0, 23, ""},
                  {1, 31, ""},
                  {1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
                  {0, 6, "SUNMONTUEWEDTHUFRISAT"}};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        pattern += strspn(pattern, " \t");
        size_t len = strcspn(pattern, " \t");
        if (!cron_field(pattern, len, fields[i].low, fields[i].high, fields[i].names))
            return false;
        pattern += len;
    }
    return pattern[strspn(pattern, " \t")] == '\0';
}

static int convert_schedule(struct convert *c, const struct token *list, struct workflow_event *e)
{
    size_t n = list && list->kind == TOKEN_SEQUENCE ? list->seq.n : 0;
    const char **crons = arena_array(c->w->arena, const char *, n + 1);
    const char **zones = arena_array(c->w->arena, const char *, n + 1);

    if (!crons || !zones)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct token *cron = token_get(list->seq.items[i], "cron"),
                           *zone = token_get(list->seq.items[i], "timezone");
        if (!cron)
            continue;
        if (!cron_valid(cron->str))
            convert_complain(c, cron, "Invalid cron string");
        crons[i] = cron->str;
        zones[i] = zone ? zone->str : "";
    }
    e->crons = crons;
    e->timezones = zones;
    return 0;
}

static void convert_input(struct convert *c, const struct token_pair *pair, bool call,
                          struct workflow_input *input)
{
    static const struct {
        const char *name;
        enum input_type type;
    } types[] = {{"string", INPUT_STRING},
                 {"boolean", INPUT_BOOLEAN},
                 {"number", INPUT_NUMBER},
                 {"choice", INPUT_CHOICE},
                 {"environment", INPUT_ENVIRONMENT}};
    const struct token *t = pair->value, *description = token_get(t, "description"),
                       *type = token_get(t, "type"), *required = token_get(t, "required");

    *input =
        (struct workflow_input){.name = pair->key->str, .description = description ? description->str : ""};
    for (size_t i = 0; type && i < ARRAY_LEN(types); i++)
        if (str_eq(types[i].name, type->str))
            input->type = types[i].type;
    input->required = required && required->kind == TOKEN_BOOLEAN && required->boolean;
    input->fallback = token_get(t, "default");
    input->options = string_list(c->w->arena, token_get(t, "options"), NULL);
    if (!call && input->type == INPUT_CHOICE && (!input->options || !input->options[0]))
        convert_complain(c, type, "Missing 'options' for choice input '%s'", input->name);
}

static int convert_inputs(struct convert *c, const struct token *inputs, bool call, struct workflow_event *e)
{
    size_t n = inputs && inputs->kind == TOKEN_MAPPING ? inputs->map.n : 0;
    struct workflow_input *list = arena_array(c->w->arena, struct workflow_input, n + 1);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        convert_input(c, &inputs->map.pairs[i], call, &list[i]);
    e->inputs = list;
    e->n_inputs = n;
    return 0;
}

static int convert_event(struct convert *c, const struct token *name, const struct token *config,
                         struct workflow_event *e)
{
    struct arena *a = c->w->arena;

    *e = (struct workflow_event){.name = name->str, .config = config};
    e->types = string_list(a, token_get(config, "types"), NULL);
    e->branches = string_list(a, token_get(config, "branches"), NULL);
    e->branches_ignore = string_list(a, token_get(config, "branches-ignore"), NULL);
    e->tags = string_list(a, token_get(config, "tags"), NULL);
    e->tags_ignore = string_list(a, token_get(config, "tags-ignore"), NULL);
    e->paths = string_list(a, token_get(config, "paths"), NULL);
    e->paths_ignore = string_list(a, token_get(config, "paths-ignore"), NULL);
    e->workflows = string_list(a, token_get(config, "workflows"), NULL);
    if (str_eq(e->name, "schedule"))
        return convert_schedule(c, config, e);
    bool call = str_eq(e->name, "workflow_call");
    return call || str_eq(e->name, "workflow_dispatch")
               ? convert_inputs(c, token_get(config, "inputs"), call, e)
               : 0;
}

int convert_events(struct convert *c, const struct token *on)
{
    size_t n = on->kind == TOKEN_SEQUENCE ? on->seq.n : on->kind == TOKEN_MAPPING ? on->map.n : 1;
    int r = 0;

    c->w->events = arena_array(c->w->arena, struct workflow_event, n + 1);
    if (!c->w->events)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct token *name = on->kind == TOKEN_SEQUENCE  ? on->seq.items[i]
                                   : on->kind == TOKEN_MAPPING ? on->map.pairs[i].key
                                                               : on;
        r = convert_event(c, name, on->kind == TOKEN_MAPPING ? on->map.pairs[i].value : NULL,
                          &c->w->events[i]);
        c->w->n_events += r == 0;
    }
    return r;
}
