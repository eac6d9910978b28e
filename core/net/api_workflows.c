/* GitHub's REST API: workflows. GitHub documentation, "REST API endpoints for workflows". */
#include "api_internal.h"
#include "runfs/forge.h"

static json_t *workflow_json(struct http_request *r, const struct workflow_row *w)
{
    struct server *s = http_data(r);
    _buf_ struct buf path = BUF_INIT, label = BUF_INIT;

    buf_addf(&path, "%s/%s", forge_folder((enum forge)w->forge), w->name);
    api_workflow_label(s, w, &label);
    return json_pack("{s:I, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)w->id, "node_id",
                     api_node_id("Workflow", w->id), "name", w->title, "path", buf_str(&path), "state",
                     w->removed                                   ? "deleted"
                     : config_disabled(s->store, buf_str(&label)) ? "disabled_manually"
                                                                  : "active",
                     "created_at", api_time(w->changed_at), "updated_at", api_time(w->changed_at), "url",
                     api_url(r, "/actions/workflows/%lld", (long long)w->id), "html_url",
                     api_web_url(r, "/actions/workflows/%lld", (long long)w->id), "badge_url",
                     api_web_url(r, "/actions/workflows/%s/badge.svg", w->name));
}

void api_list_workflows(struct http_request *r)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    int64_t ids[64], after = 0, at = 0, from = (page.page - 1) * page.per_page;
    _json_ json_t *list = json_array();
    struct repository repo;
    ssize_t n;

    if (!api_repository(r, &repo))
        return;
    while ((n = store_list_workflows(s->store, repo.repo_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++, at++) {
            const struct workflow_row *w =
                at >= from && at < from + page.per_page ? store_get_workflow(s->store, ids[i]) : NULL;
            if (w)
                json_array_append_new(list, workflow_json(r, w));
            workflow_row_unref(w);
        }
        after = ids[n - 1];
    }
    api_link(r, page, at);
    http_reply_json(r, 200, json_pack("{s:I, s:O}", "total_count", (json_int_t)at, "workflows", list));
}

void api_get_workflow(struct http_request *r)
{
    struct repository repo;

    if (str_eq(http_param(r, "id"), "0")) { /* what `runfs run` ran was never registered */
        http_reply_json(r, 200,
                        workflow_json(r, &(struct workflow_row){.name = "-",
                                                                .title = "runfs run",
                                                                .removed = true,
                                                                .changed_at = 1000000000LL}));
        return;
    }
    const struct workflow_row *w = api_workflow(r, &repo);
    if (w)
        http_reply_json(r, 200, workflow_json(r, w));
    workflow_row_unref(w);
}

/* Minutes are never charged for here. */
void api_workflow_timing(struct http_request *r)
{
    struct repository repo;
    const struct workflow_row *w = api_workflow(r, &repo);

    if (w)
        http_reply_json(r, 200, json_pack("{s:{}}", "billable"));
    workflow_row_unref(w);
}

/* Its `inputs` are texts; its `ref` a branch or a tag, with or without refs/. */
void api_dispatch(struct http_request *r)
{
    struct server *s = http_data(r);
    _json_ json_t *body = api_body(r);
    _buf_ struct buf branch = BUF_INIT, actor = BUF_INIT;
    struct repository repo;
    struct err err = {0};
    int64_t run = 0;
    const struct workflow_row *w = body ? api_workflow(r, &repo) : NULL;

    if (!w)
        return;
    const char *ref = api_text(body, "ref");
    json_t *inputs = json_object_get(body, "inputs");
    _free_ char *text = inputs ? json_dumps(inputs, JSON_COMPACT) : strdup("{}");
    if (str_starts(ref, "refs/heads/"))
        ref += 11;
    engine_default_branch(s->engine, &repo, &branch);
    access_login(r, &actor);
    if (!*ref)
        api_fail(r, 422, "Invalid request.\n\n\"ref\" wasn't supplied.");
    else if (inputs && !json_is_object(inputs))
        api_fail(r, 422, "inputs is not an object");
    else if (!text)
        api_fail(r, 500, "no memory");
    else if (engine_dispatch(s->engine, w->id, str_eq(ref, buf_str(&branch)) ? NULL : ref, buf_str(&actor),
                             text, strlen(text), &run, &err) < 0)
        api_fail_err(r, &err, 0);
    else if (json_is_true(json_object_get(body, "return_run_details")) ||
             api_version_is_since(r, API_VERSION_2026))
        http_reply_json(r, 200,
                        json_pack("{s:I, s:o, s:o}", "workflow_run_id", (json_int_t)run, "run_url",
                                  api_url(r, "/actions/runs/%lld", (long long)run), "html_url",
                                  api_web_url(r, "/actions/runs/%lld", (long long)run)));
    else
        api_no_content(r);
    workflow_row_unref(w);
}

/* repository_dispatch, as an event from outside would bring it. */
void api_dispatch_event(struct http_request *r)
{
    struct server *s = http_data(r);
    _json_ json_t *body = api_body(r);
    _buf_ struct buf full = BUF_INIT, actor = BUF_INIT;
    struct repository repo;
    struct err err = {0};

    if (!body || !api_repository(r, &repo))
        return;
    access_login(r, &actor);
    json_object_set_new(body, "sender", api_user_json(r, buf_str(&actor)));
    if (repo.repo_id) {
        buf_addf(&full, "%s/%s", http_param(r, "owner"), http_param(r, "repo"));
        json_object_set_new(body, "repository", json_pack("{s:s}", "full_name", buf_str(&full)));
    }
    _free_ char *text = json_dumps(body, JSON_COMPACT);
    if (!text)
        api_fail(r, 500, "no memory");
    else if (!*api_text(body, "event_type"))
        api_fail(r, 422, "Invalid request.\n\n\"event_type\" wasn't supplied.");
    else if (engine_deliver(s->engine, "repository_dispatch", text, strlen(text), NULL, &err) < 0)
        api_fail_err(r, &err, 0);
    else
        api_no_content(r);
}

static void set_disabled(struct http_request *r, bool disabled)
{
    struct server *s = http_data(r);
    _buf_ struct buf key = BUF_INIT;
    struct repository repo;
    struct err err = {0};
    const struct workflow_row *w = api_workflow(r, &repo);

    if (!w)
        return;
    buf_adds(&key, "disabled/");
    api_workflow_label(s, w, &key);
    int code = engine_set(s->engine, SETTING_CONFIG, buf_str(&key), disabled ? "" : NULL, &err);
    if (code < 0 && !(code == -ENOENT && !disabled))
        api_fail_err(r, &err, 0);
    else
        api_no_content(r);
    workflow_row_unref(w);
}

void api_enable(struct http_request *r)
{
    set_disabled(r, false);
}

void api_disable(struct http_request *r)
{
    set_disabled(r, true);
}
