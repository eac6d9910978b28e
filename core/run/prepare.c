/* An event made ready: its payload completed, and from that where it happened, who did it and what it
 * changed. */
#include <string.h>

#include "payload.h"
#include "runfs/event.h"
#include "runfs/str.h"

enum { TYPE_MAX = 100, CLIENT_KEYS_MAX = 10, CLIENT_CHARS_MAX = 65535, COMMITS_MAX = 1000 };

static const char zeros[] = "0000000000000000000000000000000000000000";

void prepared_event_release(struct prepared_event *p)
{
    json_decref(p->payload);
    arena_release(&p->arena);
    *p = (struct prepared_event){0};
}

/* --------------------------------------------------------------------------------------------- parsing */

static int complain(const char *what, const json_error_t *at, struct err *err)
{
    return err_set(err, -EINVAL, "%s (Line: %d, Col: %d): %s", what, at->line, at->column, at->text);
}

int event_parse(const char *what, const char *text, size_t len, json_t **ret, struct err *err)
{
    json_error_t at;
    size_t blank = 0;

    while (blank < len && strchr(" \t\r\n", text[blank]) && text[blank])
        blank++;
    if (blank == len) {
        *ret = NULL;
        return 0;
    }
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    if (!json)
        return json_error_code(&at) == json_error_out_of_memory ? err_errno(err, -ENOMEM, "%s", what)
                                                                : complain(what, &at, err);
    if (!json_is_object(json)) {
        json_decref(json);
        return err_set(err, -EINVAL, "%s (Line: 1, Col: 1): a payload is a JSON object", what);
    }
    *ret = json;
    return 0;
}

/* A piece may end within a word, an escape or a character; a line does not. */
int event_parse_start(const char *what, const char *text, size_t len, struct err *err)
{
    json_error_t at;
    _json_ json_t *json =
        json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &at);
    bool cut = len == 0 || (text[len - 1] != '\n' && (size_t)at.position + 12 >= len);

    if (json && !json_is_object(json))
        return err_set(err, -EINVAL, "%s (Line: 1, Col: 1): a payload is a JSON object", what);
    if (json || cut || json_error_code(&at) == json_error_premature_end_of_input)
        return 0;
    return complain(what, &at, err);
}

/* -------------------------------------------------------------------------------------- bodies of the REST
 * API */

/* {"event_type": ..., "client_payload": {...}} is what people send; `action` is what arrives. */
static int take_dispatch_body(json_t *payload, struct err *err)
{
    json_t *type = json_object_get(payload, "event_type"),
           *client = json_object_get(payload, "client_payload");
    const char *action = type ? json_string_value(type) : json_text_at(payload, "action");

    if (str_empty(action))
        return err_set(err, -EINVAL,
                       "repository_dispatch needs an event_type: {\"event_type\": \"deploy\", "
                       "\"client_payload\": {...}}");
    if (strlen(action) > TYPE_MAX)
        return err_set(err, -EINVAL, "event_type is too long (maximum is %d characters)", TYPE_MAX);
    if (client && !json_is_object(client) && !json_is_null(client))
        return err_set(err, -EINVAL, "client_payload is not an object");
    if (json_object_size(client) > CLIENT_KEYS_MAX)
        return err_set(err, -EINVAL, "No more than %d properties are allowed; %zu were supplied.",
                       CLIENT_KEYS_MAX, json_object_size(client));
    if (client && json_dumpb(client, NULL, 0, JSON_COMPACT) > CLIENT_CHARS_MAX)
        return err_set(err, -EINVAL, "client_payload is too large (maximum is %d characters)",
                       CLIENT_CHARS_MAX);
    if (type && (json_object_set(payload, "action", type) < 0 || json_object_del(payload, "event_type") < 0))
        return err_errno(err, -ENOMEM, "repository_dispatch");
    return 0;
}

/* ------------------------------------------------------------------------------------------- names and
 * places */

/* A commit that git was asked for, by that ref or id. */
struct known {
    struct known *next;
    const char *rev;
    struct commit commit;
};

struct preparing {
    const struct event_request *req;
    struct prepared_event *to;
    struct arena *a;
    struct worktree git;
    struct payload_facts facts;
    struct known *known; /* the arena's */
};

static struct known *know(struct preparing *p, const char *rev, const struct commit *commit)
{
    struct known *k = arena_alloc(p->a, sizeof(*k));

    if (k) {
        *k = (struct known){.next = p->known, .rev = rev, .commit = *commit};
        p->known = k;
    }
    return k;
}

/* The commit of a ref or id, also as a branch of origin; empty strings where there is none. An event names
 * the same one in several places: git is asked once. NULL: no memory. */
static const struct commit *look_up(struct preparing *p, const char *rev)
{
    static const struct commit none = {"", "", "", "", "", "", "", "", "", "", ""};
    const char *path = p->git.path;
    struct commit found = none;

    if (!*path || !*rev || str_eq(rev, zeros))
        return &none;
    for (const struct known *k = p->known; k; k = k->next)
        if (str_eq(rev, k->rev) || str_eq(rev, k->commit.id))
            return &k->commit;
    int r = worktree_commit(path, rev, p->a, &found);
    if (r == 0 && !*found.id && str_starts(rev, "refs/heads/")) {
        const char *of_origin = arena_printf(p->a, "refs/remotes/origin/%s", rev + strlen("refs/heads/"));
        r = of_origin ? worktree_commit(path, of_origin, p->a, &found) : -ENOMEM;
    }
    struct known *k = r == 0 ? know(p, rev, &found) : NULL;
    return k ? &k->commit : NULL;
}

/* Its id; "" for none. */
static const char *resolve(struct preparing *p, const char *rev)
{
    const struct commit *c = look_up(p, rev);

    return c ? c->id : "";
}

static const char *repository_of(const struct preparing *p)
{
    const char *said = json_text_at(json_object_get(p->req->payload, "repository"), "full_name");
    const char *slash = strrchr(p->git.path, '/');

    if (!str_empty(p->req->repository))
        return p->req->repository;
    if (*said)
        return said;
    if (*p->git.full_name)
        return p->git.full_name;
    if (*p->git.path)
        return arena_printf(p->a, "local/%s", slash && slash[1] ? slash + 1 : p->git.path);
    return p->req->fallback ? p->req->fallback : "local/workflow";
}

static const char *actor_of(const struct preparing *p)
{
    const char *sender = json_text_at(json_object_get(p->req->payload, "sender"), "login");

    return !str_empty(p->req->actor) ? p->req->actor : *sender ? sender : p->req->user ? p->req->user : "";
}

static const char *complete_ref(struct preparing *p, const char *ref)
{
    if (str_starts(ref, "refs/"))
        return ref;
    const char *tag = arena_printf(p->a, "refs/tags/%s", ref),
               *branch = arena_printf(p->a, "refs/heads/%s", ref);
    if (!tag || !branch || !*p->git.path || *resolve(p, branch) || !*resolve(p, tag))
        return branch;
    return tag;
}

/* What was pushed, or is checked out, or is anyhow there. */
static int set_commit(struct preparing *p)
{
    struct payload_facts *f = &p->facts;
    const char *said = json_text_at(p->req->payload, "ref"), *after = json_text_at(p->req->payload, "after");
    bool here = str_empty(p->req->ref) && !*said;

    f->ref = !str_empty(p->req->ref) ? complete_ref(p, p->req->ref)
             : *said                 ? complete_ref(p, said)
             : *p->git.ref           ? p->git.ref
                                     : arena_printf(p->a, "refs/heads/%s", p->git.default_branch);
    if (!f->ref)
        return -ENOMEM;
    const struct commit *commit = here || !*p->git.path ? &p->git.head : look_up(p, *after ? after : f->ref);
    if (!commit)
        return -ENOMEM;
    f->commit = *commit;
    if (!*f->commit.id) {
        f->commit.id = zeros;
        f->commit.message = p->req->title ? p->req->title : "";
    }
    return 0;
}

/* GITHUB_SHA: what the payload says, if the checkout has it; the ref's last commit; that of a pull request's
 * head, whose merge commit is GitHub's alone; what is checked out. */
static int set_sha(struct preparing *p, const struct event_origin *o)
{
    const char *const candidates[] = {o->sha, o->head, o->ref};
    const char *found = "";

    for (size_t i = 0; i < ARRAY_LEN(candidates) && !*found; i++)
        found = resolve(p, candidates[i]);
    p->to->sha = *found ? found : *o->sha ? o->sha : *p->git.head.id ? p->git.head.id : zeros;
    return 0;
}

static int set_origin(struct preparing *p)
{
    struct event_origin o;

    if (event_origin(p->req->name, p->to->payload, p->git.default_branch, p->a, &o) < 0)
        return -ENOMEM;
    if (o.branch_or_tag && str_starts(o.ref, "refs/heads/"))
        o.ref = complete_ref(p, o.ref + strlen("refs/heads/"));
    if (!str_empty(p->req->ref))
        o.ref = p->facts.ref;
    p->to->ref = o.ref;
    return o.ref ? set_sha(p, &o) : -ENOMEM;
}

/* --------------------------------------------------------------------------------------------- changed paths
 */

/* A new branch is compared with what stood before the first of its commits. */
static const char *before_push(struct preparing *p, const char *after)
{
    const char *before = json_text_at(p->to->payload, "before");
    const char *first = json_text_at(json_array_get(json_object_get(p->to->payload, "commits"), 0), "id");
    const char *base = arena_printf(p->a, "refs/heads/%s", p->git.default_branch);

    if (*before && !str_eq(before, zeros))
        return resolve(p, before);
    const char *of_base = !*first && base ? resolve(p, base) : "";
    if (*of_base)
        first = str_eq(of_base, after) ? after : worktree_fork_point(p->git.path, of_base, after, p->a);
    if (*first && !str_eq(first, after) && json_array_size(json_object_get(p->to->payload, "commits")) == 0)
        return first;
    const struct commit *commit = look_up(p, *first ? first : after);
    return commit ? commit->parent : NULL;
}

static const char *const *paths_by_git(struct preparing *p)
{
    const json_t *pull = json_object_get(p->to->payload, "pull_request");
    const char *path = p->git.path, *from, *to;

    if (!*path)
        return NULL;
    if (str_eq(p->req->name, "push")) {
        to = resolve(p, json_text_at(p->to->payload, "after"));
        from = *to ? before_push(p, to) : NULL;
        bool known = from && (*from || !*json_text_at(p->to->payload, "before") ||
                              str_eq(json_text_at(p->to->payload, "before"), zeros));
        return known ? worktree_changed_paths(path, from, to, false, p->a) : NULL;
    }
    from = resolve(p, json_text_at(json_object_get(pull, "base"), "sha"));
    to = resolve(p, json_text_at(json_object_get(pull, "head"), "sha"));
    return *from && *to ? worktree_changed_paths(path, from, to, true, p->a) : NULL;
}

static int set_event(struct preparing *p)
{
    const char *name = p->req->name;
    bool pull = str_eq(name, "pull_request") || str_eq(name, "pull_request_target");
    struct event *e = &p->to->event;

    *e = (struct event){.name = arena_strdup(p->a, name), .ref = p->to->ref, .payload = p->to->payload};
    if (!e->name)
        return -ENOMEM;
    if (!pull && !str_eq(name, "push"))
        return 0;
    if (json_array_size(json_object_get(p->to->payload, "commits")) <= COMMITS_MAX)
        e->changed_paths = paths_by_git(p);
    if (!e->changed_paths && !pull)
        e->changed_paths = event_changed_paths(p->to->payload, p->a);
    const json_t *side = json_object_get(json_object_get(p->to->payload, "pull_request"), "head");
    const struct commit *head = pull ? look_up(p, json_text_at(side, "sha")) : NULL;
    if (pull && !head)
        return -ENOMEM;
    e->head_message = head && *head->id ? head->message : NULL;
    return 0;
}

/* ------------------------------------------------------------------------------------------------- the whole
 */

static int set_payload(struct preparing *p, struct err *err)
{
    _json_ json_t *made = payload_make(p->req->name, &p->facts);
    int r = 0;

    if (!p->req->payload) {
        p->to->payload = TAKE(made);
        return p->to->payload ? 0 : -ENOMEM;
    }
    p->to->payload = json_deep_copy(p->req->payload);
    if (!made || !p->to->payload)
        return -ENOMEM;
    if (str_eq(p->req->name, "repository_dispatch"))
        r = take_dispatch_body(p->to->payload, err);
    if (r == 0 && p->req->inputs) /* texts, and with defaults, whatever was sent */
        r = json_object_set(p->to->payload, "inputs", json_object_get(made, "inputs")) < 0 ? -ENOMEM : 0;
    return r < 0 ? r : payload_complete(p->to->payload, made);
}

static int own(struct arena *a, const char **s)
{
    *s = arena_strdup(a, *s);
    return *s ? 0 : -ENOMEM;
}

static int prepare(struct preparing *p, struct err *err)
{
    int r = worktree_read(p->req->checkout ? p->req->checkout : "", p->a, &p->git);

    if (r == 0 && *p->git.head.id && !know(p, p->git.ref, &p->git.head))
        r = -ENOMEM;
    if (r < 0)
        return r;
    p->to->repository = repository_of(p);
    p->to->actor = actor_of(p);
    if (!p->to->repository || own(p->a, &p->to->repository) < 0 || own(p->a, &p->to->actor) < 0)
        return -ENOMEM;
    p->facts = (struct payload_facts){
        .req = p->req, .git = &p->git, .repository = p->to->repository, .actor = p->to->actor, .arena = p->a};
    r = set_commit(p);
    if (r == 0)
        r = set_payload(p, err);
    if (r == 0)
        r = set_origin(p);
    if (r == 0)
        r = set_event(p);
    return r < 0 ? r : own(p->a, &p->to->ref) < 0 || own(p->a, &p->to->sha) < 0 ? -ENOMEM : 0;
}

int event_prepare(const struct event_request *req, struct prepared_event *ret, struct err *err)
{
    struct prepared_event made = {0};
    struct preparing p = {.req = req, .to = &made, .a = &made.arena};
    struct err own_err = {0};

    int r = prepare(&p, err ? err : &own_err);
    if (r < 0) {
        prepared_event_release(&made);
        return r == -ENOMEM ? err_errno(err, r, "%s", req->name) : r;
    }
    *ret = made; /* the arena's blocks stay where they are */
    ret->event.ref = ret->ref;
    return 0;
}
