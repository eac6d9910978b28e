/* GitHub's REST API: branches and refs of linked repositories, as far as git tells. GitHub documentation,
 * "REST API endpoints for branches", "for Git references". */
#include "api_internal.h"
#include "runfs/browse.h"

static json_t *ref_json(struct http_request *r, const char *full, const char *sha)
{
    return json_pack("{s:s, s:o, s:o, s:{s:s, s:s, s:o}}", "ref", full, "node_id",
                     api_node_id("Ref", api_name_id(full)), "url", api_url(r, "/git/%s", full), "object",
                     "type", "commit", "sha", sha, "url", api_url(r, "/git/commits/%s", sha));
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
    http_reply_json(r, 200, ref_json(r, buf_str(&full), buf_str(&sha)));
}

struct matching {
    struct http_request *r;
    json_t *list;       /* owned */
    const char *prefix; /* "heads/fea" */
};

static void add_matching(struct matching *m, const char *kind, const char *name, const char *sha)
{
    _buf_ struct buf full = BUF_INIT;

    buf_addf(&full, "refs/%s%s", kind, name);
    if (utf8_valid(name, strlen(name)) && str_starts(buf_str(&full) + strlen("refs/"), m->prefix))
        json_array_append_new(m->list, ref_json(m->r, buf_str(&full), sha));
}

static int add_branch_matching(void *data, const char *name, const char *sha)
{
    add_matching(data, "heads/", name, sha);
    return 0;
}

/* Those whose names begin so; all of them where nothing is said. */
void api_matching_refs(struct http_request *r)
{
    struct server *s = http_data(r);
    const char *prefix = http_param(r, "ref");
    struct matching m = {.r = r, .prefix = prefix ? prefix : ""};
    _buf_ struct buf path = BUF_INIT;
    _arena_ struct arena a = {0};
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    m.list = json_array();
    (void)engine_each_branch(s->engine, &repo, add_branch_matching, &m);
    const char *const *tags =
        engine_repository_path(s->engine, &repo, &path) == 0 ? browse_tags(buf_str(&path), &a) : NULL;
    for (; tags && *tags; tags++) {
        const char *space = strchr(*tags, ' '), *sha = arena_strndup(&a, *tags, (size_t)(space - *tags));
        if (sha)
            add_matching(&m, "tags/", space + 1, sha);
    }
    http_reply_json(r, 200, m.list);
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
        api_commit_of(r, repo, json_string_value(json_object_get(json_object_get(branch, "commit"), "sha")));

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

void api_unprotected(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        api_fail(r, 404, "Branch not protected");
}
