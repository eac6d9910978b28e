/* Payloads that nobody sent: what an event would carry, from the last commit and the remote of a checkout. */
#include "payload.h"

#include <string.h>

#include "runfs/expr.h"
#include "runfs/str.h"

static const char zeros[] = "0000000000000000000000000000000000000000";

/* ------------------------------------------------------------------------------------ what many have in
 * common */

static json_t *text(const char *s)
{
    return json_string(s ? s : "");
}

/* Takes value; a NULL one is no memory, which the missing key shows. */
static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static void setf(json_t *object, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void setf(json_t *object, const char *key, const char *fmt, ...)
{
    _buf_ struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_addv(&b, fmt, ap);
    va_end(ap);
    set(object, key, text(buf_str(&b)));
}

static json_t *payload_user(const char *login)
{
    json_t *user = json_object();

    set(user, "login", text(login));
    set(user, "type", text("User"));
    setf(user, "html_url", "https://github.com/%s", login);
    set(user, "site_admin", json_false());
    return user;
}

static json_t *payload_repository(const struct payload_facts *f)
{
    const char *full = f->repository, *slash = strchr(full, '/'), *name = slash ? slash + 1 : full;
    _buf_ struct buf owner = BUF_INIT;
    json_t *r = json_object(), *by;

    buf_add(&owner, full, strcspn(full, "/"));
    by = payload_user(buf_str(&owner));
    set(by, "name", text(buf_str(&owner)));
    set(r, "name", text(name));
    set(r, "full_name", text(full));
    set(r, "owner", by);
    set(r, "private", json_true());
    set(r, "visibility", text("private"));
    set(r, "fork", json_false());
    set(r, "archived", json_false());
    set(r, "description", json_null());
    set(r, "default_branch", text(f->git->default_branch));
    set(r, "master_branch", text(f->git->default_branch));
    setf(r, "html_url", "%s/%s", f->git->server, full);
    setf(r, "url", "https://api.github.com/repos/%s", full);
    if (*f->git->full_name || !*f->git->path)
        setf(r, "clone_url", "%s/%s.git", f->git->server, full);
    else /* it came from nowhere: it is where it is */
        setf(r, "clone_url", "file://%s", f->git->path);
    setf(r, "ssh_url", "git@%s:%s.git", strchr(f->git->server, ':') + 3, full);
    setf(r, "git_url", "git://%s/%s.git", strchr(f->git->server, ':') + 3, full);
    set(r, "topics", json_array());
    return r;
}

static json_t *person(const char *name, const char *email)
{
    return json_pack("{s:s, s:s, s:s}", "name", name, "email", email, "username", name);
}

static json_t *payload_commit(const struct payload_facts *f, const struct commit *c)
{
    json_t *json = json_object();
    const char *name = *c->author ? c->author : f->actor, *by = *c->committer ? c->committer : name;

    set(json, "id", text(c->id));
    set(json, "tree_id", text(c->tree));
    set(json, "distinct", json_true());
    set(json, "message", text(c->message));
    set(json, "timestamp", text(c->committer_date));
    setf(json, "url", "%s/%s/commit/%s", f->git->server, f->repository, c->id);
    set(json, "author", person(name, c->author_email));
    set(json, "committer", person(by, c->committer_email));
    return json;
}

static const char *short_ref(const char *ref)
{
    const char *name = str_starts(ref, "refs/") ? strchr(ref + 5, '/') : NULL;

    return name ? name + 1 : ref;
}

static json_t *first_line(const char *message)
{
    return json_stringn(message, strcspn(message, "\n"));
}

static json_t *rest(const char *message)
{
    const char *body = message + strcspn(message, "\n");

    body += strspn(body, "\n");
    return *body ? text(body) : json_null();
}

/* --------------------------------------------------------------------------------------------- event by
 * event */

static void make_push(json_t *p, const struct payload_facts *f)
{
    const char *before = *f->commit.parent ? f->commit.parent : zeros;

    set(p, "ref", text(f->ref));
    set(p, "before", text(before));
    set(p, "after", text(f->commit.id));
    set(p, "base_ref", json_null());
    set(p, "created", json_boolean(str_eq(before, zeros)));
    set(p, "deleted", json_false());
    set(p, "forced", json_false());
    setf(p, "compare", "%s/%s/compare/%.12s...%.12s", f->git->server, f->repository, before, f->commit.id);
    set(p, "pusher", json_pack("{s:s, s:s}", "name", f->actor, "email", f->commit.committer_email));
    set(p, "head_commit", payload_commit(f, &f->commit));
    set(p, "commits", json_pack("[o]", payload_commit(f, &f->commit)));
}

static json_t *side(const struct payload_facts *f, const char *ref, const char *sha)
{
    json_t *json = json_object();
    _buf_ struct buf owner = BUF_INIT;

    buf_add(&owner, f->repository, strcspn(f->repository, "/"));
    setf(json, "label", "%s:%s", buf_str(&owner), ref);
    set(json, "ref", text(ref));
    set(json, "sha", text(sha));
    set(json, "user", payload_user(buf_str(&owner)));
    set(json, "repo", payload_repository(f));
    return json;
}

/* What the branch that is checked out would ask to be merged into the default branch. */
static json_t *make_pull(const struct payload_facts *f)
{
    const char *base = f->git->default_branch, *head = short_ref(f->ref), *base_sha = "";
    json_t *p = json_object();

    if (!str_eq(base, head))
        base_sha = worktree_resolve(f->git->path, arena_printf(f->arena, "refs/heads/%s", base), f->arena);
    if (!*base_sha)
        base_sha = *f->commit.parent ? f->commit.parent : f->commit.id;
    set(p, "number", json_integer(1));
    set(p, "state", text("open"));
    set(p, "title", first_line(f->commit.message));
    set(p, "body", rest(f->commit.message));
    set(p, "user", payload_user(f->actor));
    set(p, "author_association", text("OWNER"));
    set(p, "draft", json_false());
    set(p, "locked", json_false());
    set(p, "merged", json_false());
    set(p, "mergeable", json_true());
    set(p, "merged_at", json_null());
    set(p, "closed_at", json_null());
    set(p, "created_at", text(f->commit.committer_date));
    set(p, "updated_at", text(f->commit.committer_date));
    set(p, "labels", json_array());
    set(p, "assignees", json_array());
    set(p, "assignee", json_null());
    set(p, "requested_reviewers", json_array());
    set(p, "requested_teams", json_array());
    set(p, "milestone", json_null());
    setf(p, "html_url", "%s/%s/pull/1", f->git->server, f->repository);
    setf(p, "url", "https://api.github.com/repos/%s/pulls/1", f->repository);
    set(p, "head", side(f, head, f->commit.id));
    set(p, "base", side(f, base, base_sha));
    return p;
}

static void make_pull_request(json_t *p, const struct payload_facts *f)
{
    set(p, "number", json_integer(1));
    set(p, "pull_request", make_pull(f));
}

static void make_review(json_t *p, const struct payload_facts *f)
{
    set(p, "pull_request", make_pull(f));
    set(p, "review",
        json_pack("{s:i, s:s, s:n, s:o}", "id", 1, "state", "approved", "body", "user",
                  payload_user(f->actor)));
}

static json_t *comment(const struct payload_facts *f)
{
    return json_pack("{s:i, s:s, s:o}", "id", 1, "body", "", "user", payload_user(f->actor));
}

static void make_review_comment(json_t *p, const struct payload_facts *f)
{
    set(p, "pull_request", make_pull(f));
    set(p, "comment", comment(f));
}

static json_t *issue(const struct payload_facts *f)
{
    return json_pack("{s:i, s:s, s:n, s:s, s:o, s:[], s:[], s:n}", "number", 1, "title", "", "body", "state",
                     "open", "user", payload_user(f->actor), "labels", "assignees", "milestone");
}

static void make_issues(json_t *p, const struct payload_facts *f)
{
    set(p, "issue", issue(f));
}

static void make_issue_comment(json_t *p, const struct payload_facts *f)
{
    set(p, "issue", issue(f));
    set(p, "comment", comment(f));
}

static void make_release(json_t *p, const struct payload_facts *f)
{
    const char *tag = worktree_nearest_tag(f->git->path, f->arena);
    json_t *release = json_object();

    tag = *tag ? tag : "v0.0.0";
    set(release, "id", json_integer(1));
    set(release, "tag_name", text(tag));
    set(release, "name", text(tag));
    set(release, "body", text(""));
    set(release, "target_commitish", text(f->git->default_branch));
    set(release, "draft", json_false());
    set(release, "prerelease", json_false());
    set(release, "author", payload_user(f->actor));
    set(release, "assets", json_array());
    setf(release, "html_url", "%s/%s/releases/tag/%s", f->git->server, f->repository, tag);
    set(p, "release", release);
}

static void make_ref(json_t *p, const struct payload_facts *f)
{
    set(p, "ref", text(short_ref(f->ref)));
    set(p, "ref_type", text(str_starts(f->ref, "refs/tags/") ? "tag" : "branch"));
    set(p, "master_branch", text(f->git->default_branch));
    set(p, "pusher_type", text("user"));
}

static void make_deployment(json_t *p, const struct payload_facts *f)
{
    set(p, "deployment",
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:{}, s:o}", "id", 1, "sha", f->commit.id, "ref",
                  short_ref(f->ref), "task", "deploy", "environment", "production", "payload", "creator",
                  payload_user(f->actor)));
}

static void make_deployment_status(json_t *p, const struct payload_facts *f)
{
    make_deployment(p, f);
    set(p, "deployment_status",
        json_pack("{s:i, s:s, s:s}", "id", 1, "state", "success", "environment", "production"));
}

static void make_merge_group(json_t *p, const struct payload_facts *f)
{
    json_t *group = json_object();

    setf(group, "head_ref", "refs/heads/gh-readonly-queue/%s/pr-1-%s", f->git->default_branch, f->commit.id);
    set(group, "head_sha", text(f->commit.id));
    setf(group, "base_ref", "refs/heads/%s", f->git->default_branch);
    set(group, "base_sha", text(*f->commit.parent ? f->commit.parent : f->commit.id));
    set(group, "head_commit", payload_commit(f, &f->commit));
    set(p, "merge_group", group);
}

static void set_workflow(json_t *p, const struct payload_facts *f)
{
    if (f->req->workflow)
        setf(p, "workflow", "%s/%s", forge_folder(f->req->forge), f->req->workflow);
}

/* The inputs of the event are texts, whatever their type; `inputs` has the types. */
static void make_dispatch(json_t *p, const struct payload_facts *f)
{
    json_t *inputs = json_object(), *value;
    const char *key;

    json_object_foreach((json_t *)f->req->inputs, key, value)
    {
        _value_ struct value v = value_from_json(value);
        _buf_ struct buf b = BUF_INIT;
        value_to_string(&v, &b);
        set(inputs, key, text(buf_str(&b)));
    }
    set(p, "inputs", inputs);
    set(p, "ref", text(f->ref));
    set_workflow(p, f);
}

static void make_repository_dispatch(json_t *p, const struct payload_facts *f)
{
    set(p, "branch", text(f->git->default_branch));
    set(p, "client_payload", json_object());
}

static const struct {
    const char *event;
    void (*make)(json_t *p, const struct payload_facts *f);
} makers[] = {
    {"push", make_push},
    {"pull_request", make_pull_request},
    {"pull_request_target", make_pull_request},
    {"pull_request_review", make_review},
    {"pull_request_review_comment", make_review_comment},
    {"issues", make_issues},
    {"issue_comment", make_issue_comment},
    {"release", make_release},
    {"create", make_ref},
    {"delete", make_ref},
    {"deployment", make_deployment},
    {"deployment_status", make_deployment_status},
    {"merge_group", make_merge_group},
    {"workflow_dispatch", make_dispatch},
    {"repository_dispatch", make_repository_dispatch},
    {"schedule", set_workflow},
};

json_t *payload_make(const char *event, const struct payload_facts *f)
{
    const char *const *types = event_types(event);
    json_t *p = json_object();

    if (!p)
        return NULL;
    if (types)
        set(p, "action", text(types[0]));
    for (size_t i = 0; i < ARRAY_LEN(makers); i++)
        if (str_eq(makers[i].event, event))
            makers[i].make(p, f);
    set(p, "repository", payload_repository(f));
    set(p, "sender", payload_user(f->actor));
    return p;
}

static int complete(json_t *given, json_t *made, bool top)
{
    const char *key;
    json_t *value;
    int r = 0;

    json_object_foreach(made, key, value)
    {
        json_t *has = json_object_get(given, key);
        if (!has && !(top && str_eq(key, "action")))
            r = json_object_set(given, key, value);
        else if (json_is_object(has) && json_is_object(value))
            r = complete(has, value, false);
        if (r < 0)
            return -ENOMEM;
    }
    return 0;
}

int payload_complete(json_t *given, json_t *made)
{
    return complete(given, made, true);
}
