/* Event filters: whether `on` lets an event start a workflow, and the sentence that says why. */
#include "runfs/plan.h"

#include "runfs/str.h"

static const char *text_at(const json_t *json, const char *key)
{
    const char *s = json_string_value(json_object_get(json, key));

    return s ? s : "";
}

/* What stands behind "refs/heads/" and "refs/tags/"; NULL for another ref. */
static const char *ref_part(const char *ref, const char *prefix)
{
    return ref && str_starts(ref, prefix) ? ref + strlen(prefix) : NULL;
}

static void add_list(struct buf *why, const char *const *list)
{
    for (const char *const *p = list; *p; p++) {
        bool plain = **p && !(*p)[strcspn(*p, "*?+[]!, \\")];
        buf_addf(why, plain ? "%s%s" : "%s'%s'", p == list ? "" : ", ", *p);
    }
}

/* `what` ("branch main") against a filter and its -ignore twin, of which GitHub allows one. */
static bool check_name(const char *const *only, const char *const *ignore, const char *key, const char *kind,
                       const char *name, struct buf *why)
{
    const char *const *list = only ? only : ignore;
    bool in = list && glob_list_match(list, name), pass = !list || (only ? in : !in);

    if (!list)
        return true;
    buf_addf(why, "%s %s %s %s%s: ", kind, name, in ? "matches" : "matches none of", key,
             only ? "" : "-ignore");
    add_list(why, list);
    return pass;
}

/* ------------------------------------------------------------------------------------------------ paths */

static bool check_paths(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const char *const *list = on->paths ? on->paths : on->paths_ignore;
    const char *key = on->paths ? "paths" : "paths-ignore", *found = NULL;

    if (!list)
        return true;
    if (!e->changed_paths) {
        buf_addf(why, ", and the changed paths are not known, so %s lets it pass", key);
        return true;
    }
    for (const char *const *p = e->changed_paths; *p && !found; p++)
        if (glob_list_match(list, *p) == (on->paths != NULL))
            found = *p;
    if (found) {
        buf_addf(why, ", and path %s %s %s: ", found, on->paths ? "matches" : "is not among", key);
    } else if (on->paths) {
        buf_addf(why, ", but no changed path matches paths: ");
    } else if (*e->changed_paths) {
        buf_addf(why, ", but every changed path matches paths-ignore: ");
    } else {
        buf_addf(why, ", and no path changed that could match paths-ignore: ");
    }
    add_list(why, list);
    return found || (!on->paths && !*e->changed_paths);
}

/* ------------------------------------------------------------------------------------------------- push */

/* The words in the last commit's message by which GitHub lets a push or pull request pass without a run. */
static const char *skip_words(const char *message)
{
    static const char *const words[] = {"[skip ci]", "[ci skip]", "[no ci]", "[skip actions]",
                                        "[actions skip]"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strstr(message, words[i]))
            return words[i];
    return NULL;
}

static bool check_push_ref(const struct workflow_event *on, const char *ref, struct buf *why)
{
    const char *branch = ref_part(ref, "refs/heads/"), *tag = ref_part(ref, "refs/tags/");
    bool branches = on->branches || on->branches_ignore, tags = on->tags || on->tags_ignore;

    if ((branch && !branches && tags) || (tag && !tags && branches)) {
        buf_addf(why, "%s %s, and `on.push` filters only %s", branch ? "branch" : "tag",
                 branch ? branch : tag, branch ? "tags" : "branches");
        return false;
    }
    if (branch && branches)
        return check_name(on->branches, on->branches_ignore, "branches", "branch", branch, why);
    if (tag && tags)
        return check_name(on->tags, on->tags_ignore, "tags", "tag", tag, why);
    if (branch || tag)
        buf_addf(why, "%s %s", branch ? "branch" : "tag", branch ? branch : tag);
    else
        buf_adds(why, ref && *ref ? ref : "no ref is given");
    return true;
}

static bool match_push(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const char *words = skip_words(text_at(json_object_get(e->payload, "head_commit"), "message"));

    if (words) {
        buf_addf(why, "the commit's message says %s", words);
        return false;
    }
    if (!check_push_ref(on, e->ref, why))
        return false;
    /* GitHub does not look at paths when a tag is pushed. */
    return ref_part(e->ref, "refs/tags/") || check_paths(on, e, why);
}

/* ---------------------------------------------------------------------------------------- other events */

static bool check_types(const struct workflow_event *on, const struct event *e, const char *const *defaults,
                        struct buf *why)
{
    const char *const *types = on->types ? on->types : defaults, *action = text_at(e->payload, "action");
    bool pass = !types || !*action;

    for (const char *const *p = types; !pass && *p; p++)
        pass = str_eq_ascii_nocase(*p, action);
    if (!*action)
        return true;
    if (!types) {
        buf_addf(why, "type %s", action);
        return true;
    }
    buf_addf(why, "type %s is %s %s: ", action, pass ? "among" : "not among",
             on->types ? "types" : "the default types");
    add_list(why, types);
    return pass;
}

static void add_and(struct buf *why, size_t start)
{
    if (why->len > start)
        buf_adds(why, ", and ");
}

static bool match_pull_request(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    static const char *const defaults[] = {"opened", "synchronize", "reopened", NULL};
    const char *base = text_at(json_object_get(json_object_get(e->payload, "pull_request"), "base"), "ref");
    const char *branch = *base ? base : ref_part(e->ref, "refs/heads/");
    size_t start = why->len;

    if (!check_types(on, e, defaults, why))
        return false;
    add_and(why, start);
    if (!branch || !*branch)
        buf_adds(why, "no base branch is given");
    else if (!on->branches && !on->branches_ignore)
        buf_addf(why, "base branch %s", branch);
    else if (!check_name(on->branches, on->branches_ignore, "branches", "base branch", branch, why))
        return false;
    return check_paths(on, e, why);
}

static bool match_merge_group(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const char *ref = text_at(json_object_get(e->payload, "merge_group"), "base_ref");
    const char *branch = ref_part(ref, "refs/heads/");
    size_t start = why->len;

    if (!check_types(on, e, NULL, why))
        return false;
    if (!branch || (!on->branches && !on->branches_ignore))
        return true;
    add_and(why, start);
    return check_name(on->branches, on->branches_ignore, "branches", "base branch", branch, why);
}

static bool match_workflow_run(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const json_t *run = json_object_get(e->payload, "workflow_run");
    const char *name = text_at(run, "name"), *branch = text_at(run, "head_branch");
    bool named = !on->workflows || !*name;
    size_t start = why->len;

    for (const char *const *p = on->workflows; !named && *p; p++)
        named = str_eq(*p, name);
    if (on->workflows && *name) {
        buf_addf(why, "workflow %s is %s workflows: ", name, named ? "among" : "not among");
        add_list(why, on->workflows);
    }
    if (!named)
        return false;
    if (*text_at(e->payload, "action"))
        add_and(why, start);
    if (!check_types(on, e, NULL, why))
        return false;
    if (!*branch || (!on->branches && !on->branches_ignore))
        return true;
    add_and(why, start);
    return check_name(on->branches, on->branches_ignore, "branches", "branch", branch, why);
}

static bool match_schedule(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const char *cron = text_at(e->payload, "schedule");
    bool pass = !*cron;

    for (const char *const *p = on->crons; p && !pass && *p; p++)
        pass = str_eq(*p, cron);
    if (*cron)
        buf_addf(why, "'%s' is %s its crons", cron, pass ? "among" : "not among");
    return pass;
}

static bool match_types(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    return check_types(on, e, NULL, why);
}

/* Events that no filter applies to: somebody asked for the run. */
static bool match_always(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    (void)on;
    (void)e;
    (void)why;
    return true;
}

static const struct {
    const char *name;
    bool (*match)(const struct workflow_event *, const struct event *, struct buf *);
} matchers[] = {
    {"push", match_push},
    {"pull_request", match_pull_request},
    {"pull_request_target", match_pull_request},
    {"merge_group", match_merge_group},
    {"workflow_run", match_workflow_run},
    {"schedule", match_schedule},
    {"workflow_dispatch", match_always},
    {"workflow_call", match_always},
};

/* A filter and its twin: the parser takes both, and GitHub then runs nothing. In its words. */
static bool conflicts(const struct workflow_event *on, struct buf *why)
{
    const struct {
        const char *key;
        bool both;
    } twins[] = {{"branches", on->branches && on->branches_ignore},
                 {"tags", on->tags && on->tags_ignore},
                 {"paths", on->paths && on->paths_ignore}};

    for (size_t i = 0; i < ARRAY_LEN(twins); i++)
        if (twins[i].both) {
            buf_addf(why, "you may only define one of `%s` and `%s-ignore` for a single event", twins[i].key,
                     twins[i].key);
            return true;
        }
    return false;
}

bool event_matches(const struct workflow *w, const struct event *e, struct buf *why)
{
    const struct workflow_event *on = workflow_event(w, e->name);
    bool (*match)(const struct workflow_event *, const struct event *, struct buf *) = match_types;

    if (!on) {
        buf_addf(why, "%s: not among the events of `on`: ", e->name);
        for (size_t i = 0; i < w->n_events; i++)
            buf_addf(why, "%s%s", i ? ", " : "", w->events[i].name);
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(matchers); i++)
        if (str_eq(matchers[i].name, e->name))
            match = matchers[i].match;
    buf_addf(why, "%s: ", e->name);
    size_t start = why->len;
    bool pass = !conflicts(on, why) && match(on, e, why);
    if (why->len == start)
        buf_adds(why, "the workflow runs on it");
    return pass;
}

/* -------------------------------------------------------------------------------------- changed paths */

static size_t collect(const json_t *payload, const char **to, struct arena *a)
{
    static const char *const keys[] = {"added", "modified", "removed"};
    json_t *commit, *path;
    size_t n = 0, i, k;

    json_array_foreach(json_object_get(payload, "commits"), i, commit) for (size_t key = 0;
                                                                            key < ARRAY_LEN(keys); key++)
        json_array_foreach(json_object_get(commit, keys[key]), k, path)
    {
        if (json_is_string(path) && to && !(to[n] = arena_strdup(a, json_string_value(path))))
            return 0;
        n += json_is_string(path);
    }
    return n;
}

const char *const *event_changed_paths(const json_t *payload, struct arena *a)
{
    size_t n = collect(payload, NULL, a);
    const char **paths = n ? arena_array(a, const char *, n + 1) : NULL;

    return paths && collect(payload, paths, a) == n ? paths : NULL;
}
