/*
 * GitHub's REST API: environments, and deployments: what jobs did that have one. Environments are those of
 * all repositories; nobody protects them here. GitHub documentation, "REST API endpoints for deployment
 * environments", "for deployments".
 */
#include "api_internal.h"
#include "runfs/io.h"

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

/* By any spelling of its name; NULL: there is none. */
static json_t *find_environment(struct http_request *r, const struct repository *repo)
{
    struct server *s = http_data(r);
    struct environments e = {.r = r, .to = 1, .wanted = http_param(r, "environment"), .list = json_array()};

    (void)store_each_environment(s->store, repo->repo_id, add_environment, &e);
    json_t *found = json_incref(json_array_get(e.list, 0));
    json_decref(e.list);
    return found;
}

void api_get_environment(struct http_request *r)
{
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    json_t *found = find_environment(r, &repo);
    if (found)
        http_reply_json(r, 200, found);
    else
        api_not_found(r);
}

/* What keeps jobs from an environment is not for a runner that asks nobody: better said than passed over. */
static bool asks_for_protection(const json_t *body)
{
    return json_integer_value(json_object_get(body, "wait_timer")) > 0 ||
           json_array_size(json_object_get(body, "reviewers")) > 0 ||
           json_is_object(json_object_get(body, "deployment_branch_policy"));
}

/* Under which name the store knows that it was made, or taken away. */
static void add_mark(const char *name, struct buf *ret)
{
    buf_adds(ret, ENVIRONMENT_MARK);
    environment_prefix(name, ret);
    if (ret->len)
        ret->ptr[--ret->len] = '\0'; /* its slash */
}

void api_put_environment(struct http_request *r)
{
    struct server *s = http_data(r);
    const char *name = http_param(r, "environment");
    _json_ json_t *body = api_body(r), *found = NULL;
    _buf_ struct buf mark = BUF_INIT, key = BUF_INIT;
    struct repository repo;
    struct err err = {0};

    if (!body || !api_repository(r, &repo))
        return;
    found = find_environment(r, &repo);
    buf_addf(&key, "%s/NAME", name);
    add_mark(name, &mark);
    if (!engine_takes(SETTING_VAR, buf_str(&key)))
        api_fail(r, 422, "that cannot be the name of an environment");
    else if (asks_for_protection(body))
        api_fail(r, 422, "there are no protection rules here: jobs wait for nobody");
    else if (!found && store_put_setting(s->store, SETTING_CONFIG, buf_str(&mark), name, &err) < 0)
        api_fail_err(r, &err, 0);
    else
        http_reply_json(r, 200, found ? json_incref(found) : environment_json(r, name));
}

/* All secrets or variables of it. 0 or -errno. */
static int delete_settings(struct server *s, enum setting_kind kind, const char *prefix, struct err *err)
{
    int64_t id;
    int code = 0;

    while (code == 0 && store_list_settings(s->store, kind, prefix, 0, &id, 1) > 0) {
        const struct setting_row *row = store_get_setting(s->store, kind, id);
        code = row ? store_delete_setting(s->store, kind, row->name, err) : 0;
        setting_row_unref(row);
    }
    return code;
}

/* Its secrets and variables go with it. The jobs that had it stay as they are. */
void api_delete_environment(struct http_request *r)
{
    struct server *s = http_data(r);
    _buf_ struct buf mark = BUF_INIT, prefix = BUF_INIT;
    struct repository repo;
    struct err err = {0};

    if (!api_repository(r, &repo))
        return;
    json_t *found = find_environment(r, &repo);
    json_decref(found);
    if (!found) {
        api_not_found(r);
        return;
    }
    environment_prefix(http_param(r, "environment"), &prefix);
    add_mark(http_param(r, "environment"), &mark);
    int code = delete_settings(s, SETTING_SECRET, buf_str(&prefix), &err);
    if (code == 0)
        code = delete_settings(s, SETTING_VAR, buf_str(&prefix), &err);
    if (code == 0)
        code = store_put_setting(s->store, SETTING_CONFIG, buf_str(&mark), "", &err);
    if (code < 0)
        api_fail_err(r, &err, 0);
    else
        api_no_content(r);
}

/* A list of none, under its name there. */
static void reply_none(struct http_request *r, const char *key)
{
    struct repository repo;

    if (!api_repository(r, &repo))
        return;
    json_t *found = find_environment(r, &repo);
    json_decref(found);
    if (found)
        http_reply_json(r, 200, json_pack("{s:i, s:[]}", "total_count", 0, key));
    else
        api_not_found(r);
}

void api_branch_policies(struct http_request *r)
{
    reply_none(r, "branch_policies");
}

void api_protection_rules(struct http_request *r)
{
    reply_none(r, "custom_deployment_protection_rules");
}

/* ------------------------------------------------------------------------------------------- deployments */

/* What it came to by then: queued, begun, ended. */
enum phase { QUEUED, BEGUN, ENDED, PHASES };

static const char *state_of(const struct job_row *job, enum phase phase)
{
    if (phase != ENDED)
        return phase == QUEUED ? "queued" : "in_progress";
    return str_eq(job->conclusion, "success")   ? "success"
           : str_eq(job->conclusion, "failure") ? "failure"
                                                : "error";
}

static int64_t time_of(const struct job_row *job, enum phase phase)
{
    return phase == QUEUED ? job->created_at : phase == BEGUN ? job->started_at : job->completed_at;
}

static json_t *deployment_json(struct http_request *r, const struct job_row *job, const struct run_row *run)
{
    long long id = (long long)job->id;
    json_t *json = json_pack(
        "{s:I, s:o, s:o, s:s, s:o, s:s, s:{}, s:s, s:s, s:n, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "id",
        (json_int_t)job->id, "node_id", api_node_id("Deployment", job->id), "url",
        api_url(r, "/deployments/%lld", id), "sha", run_head_sha(run), "ref", api_head_branch(run), "task",
        "deploy", "payload", "original_environment", job->environment, "environment", job->environment,
        "description", "creator", api_user_json(r, run_trigger(run)), "created_at", api_time(job->created_at),
        "updated_at", api_time(job->changed_at), "statuses_url", api_url(r, "/deployments/%lld/statuses", id),
        "repository_url", api_url(r, "%s", ""), "transient_environment", 0, "production_environment",
        str_eq_ascii_nocase(job->environment, "production"));

    return json;
}

static json_t *deployment_status_json(struct http_request *r, const struct job_row *job,
                                      const struct run_row *run, enum phase phase)
{
    long long id = (long long)job->id, status = (long long)(job->id * PHASES + (int)phase);
    json_t *page = api_web_url(r, "/actions/runs/%lld/job/%lld", (long long)run->id, id);

    json_t *json = json_pack("{s:I, s:o, s:o, s:s, s:o, s:s, s:s, s:O, s:o, s:o, s:o, s:o, s:o}", "id",
                             (json_int_t)status, "node_id", api_node_id("DeploymentStatus", status), "url",
                             api_url(r, "/deployments/%lld/statuses/%lld", id, status), "state",
                             state_of(job, phase), "creator", api_user_json(r, run_trigger(run)),
                             "description", "", "environment", job->environment, "target_url", page,
                             "log_url", page, "created_at", api_time(time_of(job, phase)), "updated_at",
                             api_time(time_of(job, phase)), "deployment_url",
                             api_url(r, "/deployments/%lld", id), "repository_url", api_url(r, "%s", ""));
    if (phase == ENDED && *job->environment_url) /* only then is it known */
        json_object_set_new(json, "environment_url", json_string(job->environment_url));
    return json;
}

void api_list_deployments(struct http_request *r)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    const char *task = query_text(r, "task");
    struct repository repo;
    int64_t ids[100];
    ssize_t n = 0;

    if (!api_repository(r, &repo))
        return;
    struct deployment_query q = {.repo_id = repo.repo_id,
                                 .sha = query_text(r, "sha"),
                                 .ref = query_text(r, "ref"),
                                 .environment = query_text(r, "environment"),
                                 .skip = (page.page - 1) * page.per_page};
    bool any = !*task || str_eq(task, "deploy");
    if (any)
        n = store_query_deployments(s->store, &q, ids, (size_t)page.per_page);
    json_t *list = json_array();
    for (ssize_t i = 0; i < n; i++) {
        const struct job_row *job = store_get_job(s->store, ids[i]);
        const struct run_row *run = job ? store_get_run(s->store, job->run_id) : NULL;
        if (run)
            json_array_append_new(list, deployment_json(r, job, run));
        run_row_unref(run);
        job_row_unref(job);
    }
    api_link(r, page, any ? store_count_deployments(s->store, &q) : 0);
    http_reply_json(r, 200, list);
}

/* The job that :id names, where it deployed. NULL: a reply was made. */
static const struct job_row *find_deployment(struct http_request *r, const struct run_row **ret_run)
{
    struct server *s = http_data(r);
    const struct job_row *job = api_job(r);
    struct repository repo;
    int64_t id;

    if (!job)
        return NULL;
    bool is = api_repository(r, &repo) &&
              store_query_deployments(
                  s->store, &(struct deployment_query){.repo_id = repo.repo_id, .id = job->id}, &id, 1) > 0;
    const struct run_row *run = is ? store_get_run(s->store, job->run_id) : NULL;
    if (run) {
        *ret_run = run;
        return job;
    }
    job_row_unref(job);
    api_not_found(r);
    return NULL;
}

void api_get_deployment(struct http_request *r)
{
    const struct run_row *run;
    const struct job_row *job = find_deployment(r, &run);

    if (!job)
        return;
    http_reply_json(r, 200, deployment_json(r, job, run));
    run_row_unref(run);
    job_row_unref(job);
}

/* The newest first: clients look at that. */
void api_list_deployment_statuses(struct http_request *r)
{
    struct api_page page = api_page(r, 30);
    int64_t at = 0, from = (page.page - 1) * page.per_page;
    const struct run_row *run;
    const struct job_row *job = find_deployment(r, &run);

    if (!job)
        return;
    json_t *list = json_array();
    for (int phase = PHASES - 1; phase >= 0; phase--)
        if (time_of(job, (enum phase)phase)) {
            if (at >= from && at < from + page.per_page)
                json_array_append_new(list, deployment_status_json(r, job, run, (enum phase)phase));
            at++;
        }
    api_link(r, page, at);
    http_reply_json(r, 200, list);
    run_row_unref(run);
    job_row_unref(job);
}

void api_get_deployment_status(struct http_request *r)
{
    const struct run_row *run;
    const struct job_row *job = find_deployment(r, &run);
    uint64_t status = 0;

    if (!job)
        return;
    bool is = parse_u64(http_param(r, "status"), &status) == 0 && status / PHASES == (uint64_t)job->id &&
              time_of(job, (enum phase)(status % PHASES));
    if (is)
        http_reply_json(r, 200, deployment_status_json(r, job, run, (enum phase)(status % PHASES)));
    else
        api_not_found(r);
    run_row_unref(run);
    job_row_unref(job);
}
