/* The events that there are, and where GitHub runs what each of them starts. */
#include <errno.h>

#include "runfs/event.h"
#include "runfs/str.h"
#include "schema.h"

/* ------------------------------------------------------------------------------------------ names, types */

/* `on` takes these, but nobody delivers them. */
static bool delivered(const char *name)
{
    return !str_eq(name, "workflow_call") && !str_eq(name, "pull_request_comment");
}

const char *event_name(size_t index)
{
    const struct schema_property *p = schema_on.properties;

    for (; p->name; p++)
        if (delivered(p->name) && index-- == 0)
            break;
    return p->name;
}

int event_index(const char *name)
{
    const char *known;

    for (size_t i = 0; (known = event_name(i)); i++)
        if (str_eq(known, name))
            return (int)i;
    return -1;
}

static const struct schema *property(const struct schema *mapping, const char *name)
{
    for (const struct schema_property *p = mapping->properties; p && p->name; p++)
        if (str_eq(p->name, name))
            return p->type;
    return NULL;
}

/* The one alternative of a kind. */
static const struct schema *alternative(const struct schema *s, enum schema_kind kind)
{
    if (s && s->kind == kind)
        return s;
    for (const struct schema *const *p = s && s->kind == SCHEMA_ONE_OF ? s->one_of : NULL; p && *p; p++)
        if ((*p)->kind == kind)
            return *p;
    return NULL;
}

const char *const *event_types(const char *name)
{
    static const char *const of_pulls[] = {"opened", "synchronize", "reopened", NULL};
    const struct schema *mapping, *type;

    if (str_eq(name, "pull_request") || str_eq(name, "pull_request_target"))
        return of_pulls;
    mapping = alternative(property(&schema_on, name), SCHEMA_MAPPING);
    type = mapping ? alternative(property(mapping, "types"), SCHEMA_STRING) : NULL;
    return type ? type->values : NULL;
}

/* ----------------------------------------------------------------------------------------------- origins */

struct deriving {
    const json_t *payload;
    const char *default_branch;
    struct arena *a;
    struct event_origin *to;
    bool no_memory;
};

static void set_ref(struct deriving *d, const char *prefix, const char *name)
{
    bool complete = str_starts(name, "refs/");

    d->to->ref = arena_printf(d->a, "%s%s", complete || !*name ? "" : prefix, name);
    d->no_memory |= !d->to->ref;
}

static void at_default_branch(struct deriving *d)
{
    set_ref(d, "refs/heads/", d->default_branch);
}

/* A branch that was deleted has no commit: what still runs, runs on the default branch. */
static void at_push(struct deriving *d)
{
    if (json_is_true(json_object_get(d->payload, "deleted")) || !*json_text_at(d->payload, "ref")) {
        at_default_branch(d);
        return;
    }
    set_ref(d, "refs/heads/", json_text_at(d->payload, "ref"));
    d->to->sha = json_text_at(d->payload, "after");
}

static void at_created(struct deriving *d)
{
    bool tag = str_eq(json_text_at(d->payload, "ref_type"), "tag");

    set_ref(d, tag ? "refs/tags/" : "refs/heads/", json_text_at(d->payload, "ref"));
}

static long long pull_number(const json_t *payload)
{
    const json_t *n = json_object_get(json_object_get(payload, "pull_request"), "number");

    return json_integer_value(n ? n : json_object_get(payload, "number"));
}

/* The merge branch; once it is merged, the branch that it went into. */
static void at_pull(struct deriving *d)
{
    const json_t *pull = json_object_get(d->payload, "pull_request");
    const json_t *head = json_object_get(pull, "head"), *base = json_object_get(pull, "base");
    bool merged = json_is_true(json_object_get(pull, "merged"));

    if (merged && str_eq(json_text_at(d->payload, "action"), "closed")) {
        set_ref(d, "refs/heads/", json_text_at(base, "ref"));
    } else {
        d->to->ref = arena_printf(d->a, "refs/pull/%lld/merge", pull_number(d->payload));
        d->no_memory |= !d->to->ref;
    }
    d->to->head = json_text_at(head, "sha");
    d->to->sha =
        *json_text_at(pull, "merge_commit_sha") ? json_text_at(pull, "merge_commit_sha") : d->to->head;
}

static void at_release(struct deriving *d)
{
    set_ref(d, "refs/tags/", json_text_at(json_object_get(d->payload, "release"), "tag_name"));
}

/* Made for a commit, a deployment has no ref. */
static void at_deployment(struct deriving *d)
{
    const json_t *deployment = json_object_get(d->payload, "deployment");
    const char *ref = json_text_at(deployment, "ref"), *sha = json_text_at(deployment, "sha");

    d->to->sha = sha;
    d->to->branch_or_tag = true;
    set_ref(d, "refs/heads/", str_eq(ref, sha) ? "" : ref);
}

static void at_merge_group(struct deriving *d)
{
    const json_t *group = json_object_get(d->payload, "merge_group");

    set_ref(d, "refs/heads/", json_text_at(group, "head_ref"));
    d->to->sha = json_text_at(group, "head_sha");
}

static void at_package(struct deriving *d)
{
    const json_t *version =
        json_object_get(json_object_get(d->payload, "registry_package"), "package_version");
    const char *tag = json_text_at(json_object_get(version, "release"), "tag_name");
    const char *commitish = json_text_at(version, "target_commitish");

    d->to->sha = json_text_at(version, "target_oid");
    if (*tag)
        set_ref(d, "refs/tags/", tag);
    else
        set_ref(d, "refs/heads/", *commitish ? commitish : d->default_branch);
    d->to->branch_or_tag = !*tag;
}

static void at_dispatched_ref(struct deriving *d)
{
    const char *ref = json_text_at(d->payload, "ref");

    set_ref(d, "refs/heads/", *ref ? ref : d->default_branch);
    d->to->branch_or_tag = !str_starts(ref, "refs/");
}

/* All events that are not on the default branch. */
static const struct {
    const char *name;
    void (*derive)(struct deriving *d);
} places[] = {
    {"create", at_created},
    {"deployment", at_deployment},
    {"deployment_status", at_deployment},
    {"merge_group", at_merge_group},
    {"pull_request", at_pull},
    {"pull_request_review", at_pull},
    {"pull_request_review_comment", at_pull},
    {"push", at_push},
    {"registry_package", at_package},
    {"release", at_release},
    {"workflow_dispatch", at_dispatched_ref},
};

bool event_is_of_fork(const char *name, const json_t *payload)
{
    const json_t *pull = json_object_get(payload, "pull_request");
    const json_t *repo = json_object_get(json_object_get(pull, "head"), "repo");
    const char *base = json_text_at(json_object_get(json_object_get(pull, "base"), "repo"), "full_name"),
               *head = json_text_at(repo, "full_name");

    if (!str_starts(name, "pull_request") || str_eq(name, "pull_request_target") || !repo)
        return false;
    base = *base ? base : json_text_at(json_object_get(payload, "repository"), "full_name");
    return !*head || !str_eq_ascii_nocase(head, base);
}

static void add_branches(struct deriving *d)
{
    const json_t *pull = json_object_get(d->payload, "pull_request");

    d->to->head_ref = json_text_at(json_object_get(pull, "head"), "ref");
    d->to->base_ref = json_text_at(json_object_get(pull, "base"), "ref");
}

static int own(struct arena *a, const char **text)
{
    *text = arena_strdup(a, *text);
    return *text ? 0 : -ENOMEM;
}

int event_origin(const char *name, const json_t *payload, const char *default_branch, struct arena *a,
                 struct event_origin *ret)
{
    struct event_origin origin = {.ref = "", .sha = "", .head = "", .head_ref = "", .base_ref = ""};
    const char *said = json_text_at(json_object_get(payload, "repository"), "default_branch");
    struct deriving d = {
        .payload = payload, .default_branch = *said ? said : default_branch, .a = a, .to = &origin};
    void (*derive)(struct deriving *) = at_default_branch;

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (str_eq(places[i].name, name))
            derive = places[i].derive;
    derive(&d);
    if (str_eq(name, "pull_request") || str_eq(name, "pull_request_target"))
        add_branches(&d);
    if (!*origin.head)
        origin.head = origin.sha;
    if (d.no_memory || own(a, &origin.sha) < 0 || own(a, &origin.head) < 0 || own(a, &origin.head_ref) < 0 ||
        own(a, &origin.base_ref) < 0)
        return -ENOMEM;
    *ret = origin;
    return 0;
}
