/* GitHub's REST API: the linked repositories, and that of the dropped workflows. GitHub documentation, "REST
 * API endpoints for repositories". */
#include "api_internal.h"
#include "runfs/io.h"

/* Addresses that GitHub's schema says every repository has; most of them lead nowhere here. */
static void set_urls(struct http_request *r, json_t *json, const char *full_name)
{
    static const struct {
        const char *key, *below;
    } urls[] = {
        {"url", ""},
        {"archive_url", "/{archive_format}{/ref}"},
        {"assignees_url", "/assignees{/user}"},
        {"blobs_url", "/git/blobs{/sha}"},
        {"branches_url", "/branches{/branch}"},
        {"collaborators_url", "/collaborators{/collaborator}"},
        {"comments_url", "/comments{/number}"},
        {"commits_url", "/commits{/sha}"},
        {"compare_url", "/compare/{base}...{head}"},
        {"contents_url", "/contents/{+path}"},
        {"contributors_url", "/contributors"},
        {"deployments_url", "/deployments"},
        {"downloads_url", "/downloads"},
        {"events_url", "/events"},
        {"forks_url", "/forks"},
        {"git_commits_url", "/git/commits{/sha}"},
        {"git_refs_url", "/git/refs{/sha}"},
        {"git_tags_url", "/git/tags{/sha}"},
        {"hooks_url", "/hooks"},
        {"issue_comment_url", "/issues/comments{/number}"},
        {"issue_events_url", "/issues/events{/number}"},
        {"issues_url", "/issues{/number}"},
        {"keys_url", "/keys{/key_id}"},
        {"labels_url", "/labels{/name}"},
        {"languages_url", "/languages"},
        {"merges_url", "/merges"},
        {"milestones_url", "/milestones{/number}"},
        {"notifications_url", "/notifications{?since,all,participating}"},
        {"pulls_url", "/pulls{/number}"},
        {"releases_url", "/releases{/id}"},
        {"stargazers_url", "/stargazers"},
        {"statuses_url", "/statuses/{sha}"},
        {"subscribers_url", "/subscribers"},
        {"subscription_url", "/subscription"},
        {"tags_url", "/tags"},
        {"teams_url", "/teams"},
        {"trees_url", "/git/trees{/sha}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        json_object_set_new(json, urls[i].key,
                            api_link_to(r, false, "/repos/%s%s", full_name, urls[i].below));
    json_object_set_new(json, "html_url", api_link_to(r, true, "/%s", full_name));
}

static json_t *repository_json(struct http_request *r, const char *full_name, int64_t id)
{
    const char *slash = strchr(full_name, '/'), *name = slash ? slash + 1 : full_name;
    _buf_ struct buf owner = BUF_INIT;

    buf_add(&owner, full_name, (size_t)(name - full_name) - (slash != NULL));
    json_t *json = json_pack("{s:I, s:o, s:s, s:s, s:o, s:b, s:b, s:n}", "id", (json_int_t)id, "node_id",
                             api_node_id("Repository", id), "name", name, "full_name", full_name, "owner",
                             api_user_json(r, buf_str(&owner)), "private", 1, "fork", 0, "description");
    set_urls(r, json, full_name);
    return json;
}

static void drop_json(void *json)
{
    json_decref(json);
}

/* A list of runs names it twice in each: it is made once a request. */
json_t *api_repository_json(struct http_request *r)
{
    const char *owner = http_param(r, "owner") ? http_param(r, "owner") : "runfs",
               *name = http_param(r, "repo") ? http_param(r, "repo") : "workflows";
    struct server *s = http_data(r);
    _buf_ struct buf full = BUF_INIT;
    struct repository repo = {0};

    if (http_kept(r))
        return json_incref(http_kept(r));
    buf_addf(&full, "%s/%s", owner, name);
    (void)engine_find_repository(s->engine, buf_str(&full), &repo);
    json_t *json = repository_json(r, buf_str(&full), repo.repo_id);
    http_keep(r, json, drop_json);
    return json_incref(json);
}

/* With what GitHub tells of one that is asked for alone, and git knows. */
static void complete(struct http_request *r, json_t *json, int64_t repo_id)
{
    static const char
        *const none[] = {"homepage", "language", "license", "mirror_url"},
               *const no[] = {"archived",     "disabled",        "has_issues",    "has_wiki",   "has_pages",
                              "has_projects", "has_discussions", "has_downloads", "is_template"},
               *const zero[] = {
                   "forks",    "forks_count",    "open_issues", "open_issues_count", "stargazers_count",
                   "watchers", "watchers_count", "size",        "network_count",     "subscribers_count"};
    struct server *s = http_data(r);
    const char *full_name = json_string_value(json_object_get(json, "full_name"));
    const struct repo_row *row = repo_id ? store_get_repo(s->store, repo_id) : NULL;
    json_t *changed = api_time(row ? row->changed_at : 1000000000LL);
    _buf_ struct buf branch = BUF_INIT;

    engine_default_branch(s->engine, &(struct repository){repo_id}, &branch);
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        json_object_set_new(json, none[i], json_null());
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        json_object_set_new(json, no[i], json_false());
    for (size_t i = 0; i < ARRAY_LEN(zero); i++)
        json_object_set_new(json, zero[i], json_integer(0));
    json_object_set(json, "created_at", changed);
    json_object_set(json, "updated_at", changed);
    json_object_set(json, "pushed_at", changed);
    json_object_set_new(json, "default_branch", json_string(buf_str(&branch)));
    json_object_set_new(json, "visibility", json_string("private"));
    json_object_set_new(json, "topics", json_array());
    json_object_set_new(json, "clone_url", api_link_to(r, true, "/%s.git", full_name));
    json_object_set_new(json, "svn_url", api_link_to(r, true, "/%s", full_name));
    json_object_set_new(json, "git_url", json_sprintf("git://runfs.invalid/%s.git", full_name));
    json_object_set_new(json, "ssh_url", json_sprintf("git@runfs.invalid:%s.git", full_name));
    json_object_set_new(json, "permissions",
                        json_pack("{s:b, s:b, s:b}", "admin", str_eq(access_scope(r), "admin"), "push",
                                  !str_eq(access_scope(r), "read"), "pull", 1));
    json_decref(changed);
    repo_row_unref(row);
}

void api_get_repository(struct http_request *r)
{
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    json_t *json = api_repository_json(r);
    complete(r, json, repo.repo_id);
    http_reply_json(r, 200, json);
}

json_t *api_whole_repository(struct http_request *r, const char *full_name, int64_t id)
{
    json_t *json = repository_json(r, full_name, id);

    complete(r, json, id);
    return json;
}

void api_get_repository_by_id(struct http_request *r)
{
    struct server *s = http_data(r);
    _buf_ struct buf name = BUF_INIT;
    uint64_t id = 0;

    if (parse_u64(http_param(r, "repository"), &id) < 0 || id > INT64_MAX)
        api_not_found(r);
    else if (id == 0)
        http_reply_json(r, 200, api_whole_repository(r, REPOSITORY_DROPPED, 0));
    else if (engine_repository_name(s->engine, (int64_t)id, &name) == 0)
        http_reply_json(r, 200, api_whole_repository(r, buf_str(&name), (int64_t)id));
    else
        api_not_found(r);
}

static void add_repository(struct http_request *r, json_t *list, const char *full_name, int64_t id)
{
    json_array_append_new(list, api_whole_repository(r, full_name, id));
}

static bool is_owners(const char *full_name, const char *owner)
{
    size_t len = owner ? strlen(owner) : 0;

    return !owner || (strncasecmp(full_name, owner, len) == 0 && full_name[len] == '/');
}

void api_list_repositories_of(struct http_request *r, const char *owner)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    int64_t ids[64], after = 0, at = 0, from = (page.page - 1) * page.per_page, to = from + page.per_page;
    json_t *list = json_array();
    ssize_t n;

    if (is_owners(REPOSITORY_DROPPED, owner) && at++ >= from)
        add_repository(r, list, REPOSITORY_DROPPED, 0);
    while ((n = store_list_repos(s->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            _buf_ struct buf name = BUF_INIT;
            if (engine_repository_name(s->engine, ids[i], &name) < 0 || !is_owners(buf_str(&name), owner))
                continue;
            if (at >= from && at < to)
                add_repository(r, list, buf_str(&name), ids[i]);
            at++;
        }
        after = ids[n - 1];
    }
    api_link(r, page, at);
    http_reply_json(r, 200, list);
}
