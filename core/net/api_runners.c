/* GitHub's REST API: environments, the runner, and what is allowed. GitHub documentation, "REST API endpoints
 * for deployment environments", "for self-hosted runners", "for GitHub Actions permissions". */
#include "api_internal.h"

/* ---------------------------------------------------------------------------------------- environments */

struct environments {
    struct http_request *r;
    json_t *list; /* owned */
    int64_t from, to, at;
    const char *wanted; /* NULL: all */
};

/* Nobody protects them here, and nothing says since when they are. */
static json_t *environment_json(struct http_request *r, const char *name)
{
    int64_t id = api_name_id(name);

    return json_pack("{s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:[], s:n}", "id", (json_int_t)id, "node_id",
                     api_node_id("Environment", id), "name", name, "url",
                     api_url(r, "/environments/%s", name), "html_url",
                     api_web_url(r, "/deployments/%s", name), "created_at", api_time(1000000000LL),
                     "updated_at", api_time(1000000000LL), "protection_rules", "deployment_branch_policy");
}

static int add_environment(void *data, const char *name)
{
    struct environments *e = data;

    if (e->wanted && !str_eq_ascii_nocase(name, e->wanted))
        return 0;
    if (e->at >= e->from && e->at < e->to)
        json_array_append_new(e->list, environment_json(e->r, name));
    e->at++;
    return 0;
}

void api_list_environments(struct http_request *r)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    struct environments e = {
        .r = r, .from = (page.page - 1) * page.per_page, .to = page.page * page.per_page};
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    e.list = json_array();
    (void)store_each_environment(s->store, repo.repo_id, add_environment, &e);
    api_link(r, page, e.at);
    http_reply_json(r, 200, json_pack("{s:I, s:o}", "total_count", (json_int_t)e.at, "environments", e.list));
}

void api_get_environment(struct http_request *r)
{
    struct server *s = http_data(r);
    struct environments e = {.r = r, .to = 1, .wanted = http_param(r, "environment")};
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    e.list = json_array();
    (void)store_each_environment(s->store, repo.repo_id, add_environment, &e);
    if (e.at)
        http_reply_json(r, 200, json_incref(json_array_get(e.list, 0)));
    else
        api_not_found(r);
    json_decref(e.list);
}

/* ------------------------------------------------------------------------------------- what runs there */

static json_t *labels_json(struct server *s)
{
    int64_t ids[64], after = 0;
    json_t *labels = json_array();
    ssize_t n;

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
    return labels;
}

/* The daemon is the runner, with the number 1; its labels are those of config/labels. */
static json_t *runner_json(struct server *s)
{
    struct engine_status status;

    engine_status(s->engine, &status);
    return json_pack("{s:i, s:s, s:s, s:s, s:b, s:o}", "id", 1, "name", "runfs", "os", "linux", "status",
                     "online", "busy", status.active_runs > 0, "labels", labels_json(s));
}

void api_list_runners(struct http_request *r)
{
    struct repository repo;
    const char *name = query_text(r, "name");
    bool is = !*name || str_eq(name, "runfs");

    if (api_repository(r, &repo))
        http_reply_json(r, 200,
                        json_pack("{s:i, s:o}", "total_count", is, "runners",
                                  is ? json_pack("[o]", runner_json(http_data(r))) : json_array()));
}

static bool is_the_runner(struct http_request *r)
{
    struct repository repo;

    if (!api_repository(r, &repo))
        return false;
    if (str_eq(http_param(r, "id"), "1"))
        return true;
    api_not_found(r);
    return false;
}

void api_get_runner(struct http_request *r)
{
    if (is_the_runner(r))
        http_reply_json(r, 200, runner_json(http_data(r)));
}

void api_list_runner_labels(struct http_request *r)
{
    json_t *labels = is_the_runner(r) ? labels_json(http_data(r)) : NULL;

    if (labels)
        http_reply_json(
            r, 200,
            json_pack("{s:I, s:o}", "total_count", (json_int_t)json_array_size(labels), "labels", labels));
}

void api_no_downloads(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        http_reply_json(r, 200, json_array());
}

/* ----------------------------------------------------------------------------------------- permissions */

void api_permissions(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        http_reply_json(
            r, 200,
            json_pack("{s:b, s:s, s:b}", "enabled", 1, "allowed_actions", "all", "sha_pinning_required", 0));
}

/* As far as workflows say nothing of it. */
void api_workflow_permissions(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        http_reply_json(r, 200,
                        json_pack("{s:s, s:b}", "default_workflow_permissions", "write",
                                  "can_approve_pull_request_reviews", 0));
}

void api_selected_actions(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        api_fail(r, 409, "all actions are allowed: none are selected");
}

/* Of organisations there are no secrets and no variables. */
void api_no_secrets(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        http_reply_json(r, 200, json_pack("{s:i, s:[]}", "total_count", 0, "secrets"));
}

void api_no_variables(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        http_reply_json(r, 200, json_pack("{s:i, s:[]}", "total_count", 0, "variables"));
}
