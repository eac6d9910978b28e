/* GitHub's REST API: branches, refs and commits of linked repositories, as far as git tells. GitHub
 * documentation, "REST API endpoints for branches", "for commits", "for Git references". */
#include "api_internal.h"

/* ---------------------------------------------------------------------------------------------- commits */

/* GitHub has UTC where git has the zone of who made it; both are RFC 3339. */
static json_t *signature(const char *name, const char *email, const char *date)
{
    return json_pack("{s:s, s:s, s:s}", "name", name, "email", email, "date", date);
}

static json_t *parents_json(struct http_request *r, const char *parent)
{
    return *parent ? json_pack("[{s:s, s:o, s:o}]", "sha", parent, "url", api_url(r, "/commits/%s", parent),
                               "html_url", api_web_url(r, "/commit/%s", parent))
                   : json_array();
}

struct telling {
    struct http_request *r;
    json_t *json; /* owned; NULL: there is no such commit */
};

static void tell_commit(void *data, const struct repository_commit *c)
{
    struct telling *t = data;
    struct http_request *r = t->r;
    json_t *git = json_pack("{s:o, s:o, s:s, s:{s:s, s:o}, s:o, s:i, s:{s:b, s:s, s:n, s:n, s:n}}", "author",
                            signature(c->author, c->author_email, c->author_date), "committer",
                            signature(c->committer, c->committer_email, c->committer_date), "message",
                            c->message, "tree", "sha", c->tree, "url", api_url(r, "/git/trees/%s", c->tree),
                            "url", api_url(r, "/git/commits/%s", c->id), "comment_count", 0, "verification",
                            "verified", 0, "reason", "unsigned", "signature", "payload", "verified_at");

    t->json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:n, s:n, s:o}", "sha", c->id, "node_id",
                        api_node_id("Commit", api_name_id(c->id)), "commit", git, "url",
                        api_url(r, "/commits/%s", c->id), "html_url", api_web_url(r, "/commit/%s", c->id),
                        "comments_url", api_url(r, "/commits/%s/comments", c->id), "author", "committer",
                        "parents", parents_json(r, c->parent));
}

/* NULL: there is none. */
static json_t *commit_json(struct http_request *r, const struct repository *repo, const char *ref)
{
    struct server *s = http_data(r);
    struct telling t = {.r = r};

    (void)engine_commit(s->engine, repo, ref, tell_commit, &t);
    return t.json;
}

/* As JSON, or its name alone to who asks for that. */
void api_get_commit(struct http_request *r)
{
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    json_t *json = commit_json(r, &repo, http_param(r, "ref"));
    const char *sha = json_string_value(json_object_get(json, "sha"));
    if (!json)
        api_fail(r, 422, "No commit found for SHA");
    else if (sha && api_wants(r, "sha"))
        http_reply(r, 200, "application/vnd.github.sha; charset=utf-8", sha, strlen(sha));
    else
        http_reply_json(r, 200, json_incref(json));
    json_decref(json);
}

/* "heads/main", "tags/v1". What a tag that is an object of its own points to is told as its commit. */
void api_get_ref(struct http_request *r)
{
    struct server *s = http_data(r);
    const char *ref = http_param(r, "ref");
    _buf_ struct buf full = BUF_INIT, sha = BUF_INIT;
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    buf_addf(&full, "refs/%s", ref);
    if (!(str_starts(ref, "heads/") || str_starts(ref, "tags/")) ||
        engine_resolve_ref(s->engine, &repo, ref, &sha) < 0) {
        api_not_found(r);
        return;
    }
    http_reply_json(r, 200,
                    json_pack("{s:s, s:o, s:o, s:{s:s, s:s, s:o}}", "ref", buf_str(&full), "node_id",
                              api_node_id("Ref", api_name_id(buf_str(&full))), "url",
                              api_url(r, "/git/%s", buf_str(&full)), "object", "type", "commit", "sha",
                              buf_str(&sha), "url", api_url(r, "/git/commits/%s", buf_str(&sha))));
}

/* -------------------------------------------------------------------------------------------- branches */

static json_t *branch_json(struct http_request *r, const char *name, const char *sha)
{
    return json_pack("{s:s, s:{s:s, s:o}, s:b}", "name", name, "commit", "sha", sha, "url",
                     api_url(r, "/commits/%s", sha), "protected", 0);
}

struct branches {
    struct http_request *r;
    json_t *list; /* owned */
    int64_t from, to, at;
    const char *wanted; /* NULL: all */
};

static int add_branch(void *data, const char *name, const char *sha)
{
    struct branches *b = data;

    if (!utf8_valid(name, strlen(name)) ||
        (b->wanted && !str_eq(b->wanted, name))) /* JSON has no such name */
        return 0;
    if (b->at >= b->from && b->at < b->to)
        json_array_append_new(b->list, branch_json(b->r, name, sha));
    b->at++;
    return 0;
}

void api_list_branches(struct http_request *r)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    struct branches b = {.r = r, .from = (page.page - 1) * page.per_page, .to = page.page * page.per_page};
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    b.list = json_array();
    (void)engine_each_branch(s->engine, &repo, add_branch, &b);
    api_link(r, page, b.at);
    http_reply_json(r, 200, b.list);
}

/* With its commit, and what protects it: nothing. */
static json_t *whole_branch(struct http_request *r, const struct repository *repo, json_t *branch)
{
    const char *name = http_param(r, "branch");
    json_t *commit =
        commit_json(r, repo, json_string_value(json_object_get(json_object_get(branch, "commit"), "sha")));

    if (commit)
        json_object_set_new(branch, "commit", commit);
    json_object_set_new(branch, "_links",
                        json_pack("{s:o, s:o}", "self", api_url(r, "/branches/%s", name), "html",
                                  api_web_url(r, "/tree/%s", name)));
    json_object_set_new(branch, "protection", json_pack("{s:b}", "enabled", 0));
    json_object_set_new(branch, "protection_url", api_url(r, "/branches/%s/protection", name));
    return json_incref(branch);
}

void api_get_branch(struct http_request *r)
{
    struct server *s = http_data(r);
    struct branches b = {.r = r, .to = 1, .wanted = http_param(r, "branch")};
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    b.list = json_array();
    (void)engine_each_branch(s->engine, &repo, add_branch, &b);
    if (json_array_size(b.list))
        http_reply_json(r, 200, whole_branch(r, &repo, json_array_get(b.list, 0)));
    else
        api_fail(r, 404, "Branch not found");
    json_decref(b.list);
}
