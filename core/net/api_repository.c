/* GitHub's REST API: a repository, its branches, environments and runners, and who people are. GitHub
 * documentation, "REST API endpoints for repositories", "for branches", "for deployment environments", "for
 * self-hosted runners". */
#include "api_internal.h"
#include "runfs/io.h"

/* ---------------------------------------------------------------------------------------------- names */

json_t *api_node_id(const char *type, int64_t id)
{
    _buf_ struct buf plain = BUF_INIT, text = BUF_INIT;

    buf_addf(&plain, "%s%lld", type, (long long)id);
    buf_add_base64(&text, buf_str(&plain), plain.len);
    return json_string(buf_str(&text));
}

/* Logins are all that is known of people: a number that stays the same for each. */
static int64_t id_of_login(const char *login)
{
    return (int64_t)(str_hash(login) % 1000000000) + 1;
}

/* What GitHub's schema says every user has; most of it leads nowhere here. */
json_t *api_user_json(struct http_request *r, const char *login)
{
    static const struct {
        const char *key, *below;
    } urls[] = {
        {"url", ""},
        {"followers_url", "/followers"},
        {"following_url", "/following{/other_user}"},
        {"gists_url", "/gists{/gist_id}"},
        {"starred_url", "/starred{/owner}{/repo}"},
        {"subscriptions_url", "/subscriptions"},
        {"organizations_url", "/orgs"},
        {"repos_url", "/repos"},
        {"events_url", "/events{/privacy}"},
        {"received_events_url", "/received_events"},
    };
    _buf_ struct buf base = BUF_INIT, web = BUF_INIT;
    json_t *json = json_pack(
        "{s:s, s:I, s:o, s:s, s:s, s:b}", "login", login, "id", (json_int_t)id_of_login(login), "node_id",
        api_node_id("User", id_of_login(login)), "gravatar_id", "", "type", "User", "site_admin", 0);

    api_base(r, &base);
    api_web_base(r, &web);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        json_object_set_new(json, urls[i].key,
                            json_sprintf("%s/users/%s%s", buf_str(&base), login, urls[i].below));
    json_object_set_new(json, "html_url", json_sprintf("%s/%s", buf_str(&web), login));
    json_object_set_new(json, "avatar_url", json_sprintf("%s/%s.png", buf_str(&web), login));
    return json;
}

json_t *api_repository_json(struct http_request *r)
{
    const char *owner = http_param(r, "owner") ? http_param(r, "owner") : "runfs",
               *name = http_param(r, "repo") ? http_param(r, "repo") : "workflows";
    struct server *s = http_data(r);
    _buf_ struct buf full = BUF_INIT;
    struct repository repo = {0};

    buf_addf(&full, "%s/%s", owner, name);
    (void)engine_find_repository(s->engine, buf_str(&full), &repo);
    return json_pack("{s:I, s:o, s:s, s:s, s:o, s:b, s:b, s:n, s:o, s:o}", "id", (json_int_t)repo.repo_id,
                     "node_id", api_node_id("Repository", repo.repo_id), "name", name, "full_name",
                     buf_str(&full), "owner", api_user_json(r, owner), "private", 1, "fork", 0, "description",
                     "url", api_url(r, "%s", ""), "html_url", api_web_url(r, "%s", ""));
}

void api_get_repository(struct http_request *r)
{
    struct server *s = http_data(r);
    _buf_ struct buf branch = BUF_INIT;
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    engine_default_branch(s->engine, &repo, &branch);
    const struct repo_row *row = repo.repo_id ? store_get_repo(s->store, repo.repo_id) : NULL;
    json_t *json = api_repository_json(r);
    json_object_update_new(json, json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:b}", "default_branch",
                                           buf_str(&branch), "visibility", "private", "archived", 0,
                                           "disabled", 0, "has_issues", 0, "has_wiki", 0, "is_template", 0));
    json_object_set_new(json, "permissions",
                        json_pack("{s:b, s:b, s:b}", "admin", str_eq(access_scope(r), "admin"), "push",
                                  !str_eq(access_scope(r), "read"), "pull", 1));
    if (row)
        json_object_set_new(json, "updated_at", api_time(row->changed_at));
    repo_row_unref(row);
    http_reply_json(r, 200, json);
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

    if (b->wanted && !str_eq(b->wanted, name))
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

void api_get_branch(struct http_request *r)
{
    struct server *s = http_data(r);
    struct branches b = {.r = r, .to = 1, .wanted = http_param(r, "branch")};
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    b.list = json_array();
    (void)engine_each_branch(s->engine, &repo, add_branch, &b);
    if (b.at)
        http_reply_json(r, 200, json_incref(json_array_get(b.list, 0)));
    else
        api_fail(r, 404, "Branch not found");
    json_decref(b.list);
}

/* ---------------------------------------------------------------------------------------- environments */

static int add_environment(void *data, const char *name)
{
    struct branches *b = data;
    int64_t id = id_of_login(name);

    if (b->at >= b->from && b->at < b->to)
        json_array_append_new(b->list,
                              json_pack("{s:I, s:o, s:s, s:o, s:[]}", "id", (json_int_t)id, "node_id",
                                        api_node_id("Environment", id), "name", name, "url",
                                        api_url(b->r, "/environments/%s", name), "protection_rules"));
    b->at++;
    return 0;
}

void api_list_environments(struct http_request *r)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    struct branches b = {.r = r, .from = (page.page - 1) * page.per_page, .to = page.page * page.per_page};
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    b.list = json_array();
    (void)store_each_environment(s->store, repo.repo_id, add_environment, &b);
    api_link(r, page, b.at);
    http_reply_json(r, 200, json_pack("{s:I, s:o}", "total_count", (json_int_t)b.at, "environments", b.list));
}

/* ------------------------------------------------------------------------------------- what runs there */

/* The daemon is the runner; its labels are those of config/labels. */
void api_list_runners(struct http_request *r)
{
    struct server *s = http_data(r);
    struct repository repo;
    struct engine_status status;
    int64_t ids[64], after = 0;
    json_t *labels;
    ssize_t n;

    if (!api_repository(r, &repo))
        return;
    engine_status(s->engine, &status);
    labels = json_array();
    while ((n = store_list_settings(s->store, SETTING_CONFIG, "labels/", after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct setting_row *row = store_get_setting(s->store, SETTING_CONFIG, ids[i]);
            if (row)
                json_array_append_new(labels, json_pack("{s:I, s:s, s:s}", "id", (json_int_t)row->id, "name",
                                                        row->name + strlen("labels/"), "type", "custom"));
            setting_row_unref(row);
        }
        after = ids[n - 1];
    }
    http_reply_json(r, 200,
                    json_pack("{s:i, s:[{s:i, s:s, s:s, s:s, s:b, s:o}]}", "total_count", 1, "runners", "id",
                              1, "name", "runfs", "os", "linux", "status", "online", "busy",
                              status.active_runs > 0, "labels", labels));
}

void api_permissions(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        http_reply_json(r, 200, json_pack("{s:b, s:s}", "enabled", 1, "allowed_actions", "all"));
}
