/* GitHub's REST API: the runner, and what is allowed. GitHub documentation, "REST API endpoints for
 * self-hosted runners", "for GitHub Actions permissions". */
#include "api_internal.h"

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

/* Of the linked repositories any may: they are all of who mounts. */
void api_workflow_access(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        http_reply_json(r, 200, json_pack("{s:s}", "access_level", "user"));
}

void api_retention(struct http_request *r)
{
    struct server *s = http_data(r);
    _buf_ struct buf text = BUF_INIT;
    struct repository repo;
    uint64_t days = 90;

    if (!api_repository(r, &repo))
        return;
    if (store_setting(s->store, SETTING_CONFIG, "retention_days", &text) == 0)
        (void)parse_u64(buf_str(&text), &days);
    http_reply_json(
        r, 200, json_pack("{s:I, s:I}", "days", (json_int_t)days, "maximum_allowed_days", (json_int_t)days));
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
