/* Event filters: whether `on` lets an event start a workflow, and the sentence that says why. */
#include "runfs/plan.h"

#include <ctype.h>

#include "runfs/str.h"

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

/* The words in the last commit's message by which GitHub lets a push or pull request pass without a run; the
 * last line may also be a trailer that says so. NULL: none. */
static const char *skip_words(const char *message)
{
    static const char *const words[] = {"[skip ci]", "[ci skip]", "[no ci]", "[skip actions]",
                                        "[actions skip]"};
    size_t end = strlen(message), start;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strstr(message, words[i]))
            return words[i];
    while (end && isspace((unsigned char)message[end - 1]))
        end--;
    for (start = end; start && message[start - 1] != '\n'; start--)
        ;
    const char *value = message + start + strlen("skip-checks:");
    if (start == 0 || end - start < strlen("skip-checks:") || !str_starts(message + start, "skip-checks:"))
        return NULL;
    value += *value == ' ';
    return (size_t)(message + end - value) == 4 && strncmp(value, "true", 4) == 0 ? "skip-checks: true"
                                                                                  : NULL;
}

/* Whether those words let the event pass by. */
static bool skipped(const char *message, struct buf *why)
{
    const char *words = message ? skip_words(message) : NULL;

    if (words)
        buf_addf(why, "the commit's message says %s", words);
    return words;
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
    const char *pushed = json_text_at(e->payload, "ref"); /* of a deleted branch, a run has another one */
    const char *ref = str_starts(pushed, "refs/") ? pushed : e->ref;

    if (skipped(json_text_at(json_object_get(e->payload, "head_commit"), "message"), why))
        return false;
    if (!check_push_ref(on, ref, why))
        return false;
    /* GitHub does not look at paths when a tag is pushed. */
    return ref_part(ref, "refs/tags/") || check_paths(on, e, why);
}

/* ---------------------------------------------------------------------------------------- other events */

static bool check_types(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const char *const *defaults = event_types(e->name), *const *types = on->types ? on->types : defaults;
    bool some = str_eq(e->name, "pull_request") || str_eq(e->name, "pull_request_target");
    const char *action = json_text_at(e->payload, "action");
    bool pass = !types;

    for (const char *const *p = types; !pass && *p; p++)
        pass = str_eq_ascii_nocase(*p, action);
    if (!*action)
        return true;
    if (!on->types && pass && !some) {
        buf_addf(why, "type %s", action);
        return true;
    }
    buf_addf(why, "type %s is %s %s: ", action, pass ? "among" : "not among",
             on->types ? "types"
             : some    ? "the default types"
                       : "the types that start workflows");
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
    const char *base =
        json_text_at(json_object_get(json_object_get(e->payload, "pull_request"), "base"), "ref");
    const char *branch = *base ? base : ref_part(e->ref, "refs/heads/");
    size_t start = why->len;

    if (str_eq(e->name, "pull_request") && skipped(e->head_message, why))
        return false;
    if (!check_types(on, e, why))
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
    const char *ref = json_text_at(json_object_get(e->payload, "merge_group"), "base_ref");
    const char *branch = ref_part(ref, "refs/heads/");
    size_t start = why->len;

    if (!check_types(on, e, why))
        return false;
    if (!branch || (!on->branches && !on->branches_ignore))
        return true;
    add_and(why, start);
    return check_name(on->branches, on->branches_ignore, "branches", "base branch", branch, why);
}

/* By its `name`, or by its file where it has none. */
static bool names_workflow(const char *pattern, const json_t *run)
{
    const char *path = json_text_at(run, "path"), *slash = strrchr(path, '/');

    return str_eq(pattern, json_text_at(run, "name")) || str_eq(pattern, path) ||
           (slash && str_eq(json_text_at(run, "name"), path) && str_eq(pattern, slash + 1));
}

static bool match_workflow_run(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const json_t *run = json_object_get(e->payload, "workflow_run");
    const char *name = json_text_at(run, "name"), *branch = json_text_at(run, "head_branch");
    bool named = !on->workflows || !*name;
    size_t start = why->len;

    for (const char *const *p = on->workflows; !named && *p; p++)
        named = names_workflow(*p, run);
    if (on->workflows && *name) {
        buf_addf(why, "workflow %s is %s workflows: ", name, named ? "among" : "not among");
        add_list(why, on->workflows);
    }
    if (!named)
        return false;
    if (*json_text_at(e->payload, "action"))
        add_and(why, start);
    if (!check_types(on, e, why))
        return false;
    if (!*branch || (!on->branches && !on->branches_ignore))
        return true;
    add_and(why, start);
    return check_name(on->branches, on->branches_ignore, "branches", "branch", branch, why);
}

static bool match_schedule(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const char *cron = json_text_at(e->payload, "schedule");
    bool pass = !*cron;

    for (const char *const *p = on->crons; p && !pass && *p; p++)
        pass = str_eq(*p, cron);
    if (*cron)
        buf_addf(why, "'%s' is %s its crons", cron, pass ? "among" : "not among");
    return pass;
}

static bool match_types(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    return check_types(on, e, why);
}

/* Of a release that is a draft GitHub tells nobody but its authors. */
static bool match_release(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    static const char *const quiet[] = {"created", "edited", "deleted"};
    const char *action = json_text_at(e->payload, "action");
    bool draft = json_is_true(json_object_get(json_object_get(e->payload, "release"), "draft"));

    for (size_t i = 0; draft && i < ARRAY_LEN(quiet); i++)
        if (str_eq(quiet[i], action)) {
            buf_addf(why, "the release is a draft, and type %s of a draft starts nothing", action);
            return false;
        }
    return check_types(on, e, why);
}

static bool match_deployment_status(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const char *state = json_text_at(json_object_get(e->payload, "deployment_status"), "state");

    (void)on;
    if (*state)
        buf_addf(why, "state %s%s", state, str_eq(state, "inactive") ? " starts nothing" : "");
    return !str_eq(state, "inactive");
}

/* What Actions checks of itself would go round in a circle. */
static bool match_check(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const json_t *check = json_object_get(e->payload, e->name),
                 *suite = json_object_get(check, "check_suite");
    const char *app = json_text_at(json_object_get(suite ? suite : check, "app"), "slug");

    if (str_eq(app, "github-actions")) {
        buf_adds(why, "the check suite was created by GitHub Actions");
        return false;
    }
    return check_types(on, e, why);
}

/* `names` and `versions` of images, which workflow_event does not carry. */
static bool check_image(const struct workflow_event *on, const char *key, const char *value, struct buf *why,
                        size_t start)
{
    const struct token *list = on->config ? token_get(on->config, key) : NULL;
    size_t n = !list ? 0 : list->kind == TOKEN_SEQUENCE ? list->seq.n : 1;
    bool in = false;

    if (n == 0 || !*value)
        return true;
    for (size_t i = 0; i < n && !in; i++)
        in = glob_match((list->kind == TOKEN_SEQUENCE ? list->seq.items[i] : list)->str, value);
    add_and(why, start);
    buf_addf(why, "%s %s %s", value, in ? "is among" : "is not among", key);
    return in;
}

static bool match_image_version(const struct workflow_event *on, const struct event *e, struct buf *why)
{
    const json_t *version = json_object_get(e->payload, "image_version");
    size_t start = why->len;

    return check_types(on, e, why) && check_image(on, "names", json_text_at(version, "name"), why, start) &&
           check_image(on, "versions", json_text_at(version, "version"), why, start);
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
    {"release", match_release},
    {"deployment_status", match_deployment_status},
    {"check_run", match_check},
    {"check_suite", match_check},
    {"image_version", match_image_version},
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
