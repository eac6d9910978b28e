/* Warnings: what GitHub's parser lets pass and its site refuses, or what never happens (GitHub documentation,
 * "on.<push|pull_request>.<branches|tags|paths>", "on.schedule" and "concurrency"). */
#include "runfs/cron.h"
#include "runfs/str.h"
#include "workflow_internal.h"

static const char *const filters[] = {"branches", "tags", "paths"};

static const struct token *key_of(const struct token *map, const char *name, bool ignore)
{
    for (size_t i = 0; i < map->map.n; i++) {
        const struct token *key = map->map.pairs[i].key;
        size_t len = strlen(name);
        if (str_starts(key->str, name) && str_eq(key->str + len, ignore ? "-ignore" : ""))
            return key;
    }
    return NULL;
}

static int add(struct lint *to, const char *file, const struct token *at, const char *text)
{
    _buf_ struct buf msg = BUF_INIT;

    buf_addf(&msg, "%s (Line: %d, Col: %d): %s", file, at->line, at->col, text);
    char *owned = buf_steal(&msg);
    return owned ? lint_add(to, at->line, at->col, owned) : -ENOMEM;
}

static int warn_filters(const struct workflow *w, const struct token *config, struct lint *to)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        const struct token *these = key_of(config, filters[i], false),
                           *ignored = key_of(config, filters[i], true);
        _buf_ struct buf text = BUF_INIT;
        if (!these || !ignored)
            continue;
        buf_addf(&text, "you may only define one of `%s` and `%s-ignore` for a single event", filters[i],
                 filters[i]);
        if (add(to, w->file, ignored->line > these->line ? ignored : these, buf_str(&text)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Patterns that begin with "!" take away from what those before them let in. */
static bool only_takes_away(const struct token *list)
{
    bool many = list && list->kind == TOKEN_SEQUENCE;
    size_t n = many ? list->seq.n : list != NULL, away = 0;

    for (size_t i = 0; i < n; i++) {
        const struct token *pattern = many ? list->seq.items[i] : list;
        away += pattern->kind == TOKEN_STRING && *pattern->str == '!';
    }
    return n > 0 && away == n;
}

static int warn_empty(const struct workflow *w, const struct token *config, struct lint *to)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        const struct token *list = token_get(config, filters[i]);
        _buf_ struct buf text = BUF_INIT;
        if (!only_takes_away(list))
            continue;
        buf_addf(&text, "all of `%s` begin with '!', so that they let nothing in: use `%s-ignore`",
                 filters[i], filters[i]);
        if (add(to, w->file, key_of(config, filters[i], false), buf_str(&text)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int warn_zones(const struct workflow *w, const struct token *list, struct lint *to)
{
    for (size_t i = 0; i < list->seq.n; i++) {
        const struct token *name = token_get(list->seq.items[i], "timezone");
        struct cron_zone *zone = NULL;
        _buf_ struct buf text = BUF_INIT;
        int r = name ? cron_zone_new(name->str, &zone) : 0;
        cron_zone_free(zone);
        if (r != -ENOENT)
            continue;
        buf_addf(&text, "there is no time zone '%s' here: it never fires", name->str);
        if (add(to, w->file, name, buf_str(&text)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* The name of a group that no expression makes, or NULL. */
static const struct token *group_name(const struct token *t)
{
    const struct token *name = t && t->kind == TOKEN_MAPPING ? token_get(t, "group") : t;

    return name && name->kind == TOKEN_STRING ? name : NULL;
}

/* Jobs that ask for what their own workflow holds. */
static int warn_groups(const struct workflow *w, struct lint *to)
{
    const struct token *held = group_name(w->concurrency);

    for (size_t i = 0; held && i < w->n_jobs; i++) {
        const struct token *asked = group_name(w->jobs[i].concurrency);
        _buf_ struct buf text = BUF_INIT;
        if (!asked)
            continue;
        _value_ struct value a = value_string(held->str, held->len), b = value_string(asked->str, asked->len);
        if (!value_equal(&a, &b))
            continue;
        buf_addf(&text, "the workflow itself holds the concurrency group '%s': job '%s' never gets it",
                 asked->str, w->jobs[i].id);
        if (add(to, w->file, asked, buf_str(&text)) < 0)
            return -ENOMEM;
    }
    return 0;
}

int workflow_warnings(const struct workflow *w, struct lint *ret)
{
    for (size_t i = 0; i < w->n_events; i++) {
        const struct token *config = w->events[i].config;
        int r = 0;
        if (config && config->kind == TOKEN_MAPPING)
            r = warn_filters(w, config, ret) < 0 ? -ENOMEM : warn_empty(w, config, ret);
        else if (config && config->kind == TOKEN_SEQUENCE)
            r = warn_zones(w, config, ret);
        if (r < 0)
            return r;
    }
    return warn_groups(w, ret);
}
