/*
 * GitHub's REST API: what came of a commit, as badges, merge queues and dashboards ask for it. A run is a
 * check suite and a status, a job is a check run, under the same numbers. GitHub documentation, "REST API
 * endpoints for check runs", "for check suites", "for commit statuses".
 */
#include "api_internal.h"
#include "runfs/io.h"

/* ------------------------------------------------------------------------------------------ which commit */

/* The runs of the commit that :ref means, newest first. */
struct commit_runs {
    struct repository repo;
    char sha[65];
    int64_t *ids; /* owned */
    size_t n;
};

static bool is_sha(const char *text)
{
    size_t len = strspn(text, "0123456789abcdef");

    return (len == 40 || len == 64) && !text[len];
}

static int add_runs(struct server *s, struct commit_runs *c)
{
    struct run_query q = {.repo_id = c->repo.repo_id,
                          .branch = "",
                          .event = "",
                          .actor = "",
                          .status = "",
                          .sha = c->sha,
                          .created_to = INT64_MAX};
    int64_t ids[100];
    ssize_t n;

    while ((n = store_query_runs(s->store, &q, ids, ARRAY_LEN(ids))) > 0) {
        int64_t *more = reallocarray(c->ids, c->n + (size_t)n, sizeof(*more));
        if (!more)
            return -ENOMEM;
        c->ids = more;
        memcpy(c->ids + c->n, ids, (size_t)n * sizeof(*ids));
        c->n += (size_t)n;
        q.skip += n;
    }
    return (int)n;
}

/* False: a reply was made. The ids are to be freed. */
static bool find_commit(struct http_request *r, struct commit_runs *ret)
{
    struct server *s = http_data(r);
    const char *ref = http_param(r, "ref");
    _buf_ struct buf sha = BUF_INIT;

    *ret = (struct commit_runs){0};
    if (!api_repository(r, &ret->repo))
        return false;
    if (is_sha(ref))
        buf_adds(&sha, ref);
    else
        (void)engine_resolve_ref(s->engine, &ret->repo, ref, &sha);
    snprintf(ret->sha, sizeof(ret->sha), "%s", buf_str(&sha));
    if (!*ret->sha)
        api_fail(r, 422, "No commit found for SHA");
    else if (add_runs(s, ret) < 0)
        api_fail(r, 500, "no memory");
    else
        return true;
    free(ret->ids);
    return false;
}

/* The page that is asked for, each run as fn makes it; with its links. */
static json_t *list_page(struct http_request *r, const struct commit_runs *c,
                         json_t *(*fn)(struct http_request *r, const struct run_row *run))
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    json_t *list = json_array();

    for (size_t i = (size_t)((page.page - 1) * page.per_page);
         i < c->n && i < (size_t)(page.page * page.per_page); i++) {
        const struct run_row *run = store_get_run(s->store, c->ids[i]);
        if (run)
            json_array_append_new(list, fn(r, run));
        run_row_unref(run);
    }
    api_link(r, page, (int64_t)c->n);
    return list;
}

/* ---------------------------------------------------------------------------------------------- statuses */

static const char *state_of(const struct run_row *run)
{
    static const char *const fine[] = {"success", "skipped", "neutral"};

    if (!str_eq(run->status, "completed"))
        return "pending";
    for (size_t i = 0; i < ARRAY_LEN(fine); i++)
        if (str_eq(run->conclusion, fine[i]))
            return "success";
    return str_eq(run->conclusion, "failure") ? "failure" : "error";
}

static void add_context(struct buf *ret, const struct run_row *run)
{
    buf_addf(ret, "%s (%s)", run->name, run->event);
}

static json_t *status_json(struct http_request *r, const struct run_row *run)
{
    _buf_ struct buf context = BUF_INIT;

    add_context(&context, run);
    json_t *creator = api_user_json(r, run->actor);
    return json_pack("{s:I, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)run->id,
                     "node_id", api_node_id("StatusContext", run->id), "state", state_of(run), "context",
                     buf_str(&context), "description", *run->conclusion ? run->conclusion : run->status,
                     "target_url", api_web_url(r, "/actions/runs/%lld", (long long)run->id), "url",
                     api_url(r, "/statuses/%s", run_head_sha(run)), "created_at", api_time(run->created_at),
                     "updated_at", api_time(run->changed_at), "creator", creator, "avatar_url",
                     json_incref(json_object_get(creator, "avatar_url")));
}

/* Every run's, newest first. */
void api_list_statuses(struct http_request *r)
{
    struct commit_runs c;

    if (!find_commit(r, &c))
        return;
    json_t *list = list_page(r, &c, status_json);
    http_reply_json(r, 200, list);
    free(c.ids);
}

/* Whether one of the same context is there, which is newer. */
static bool has_context(const json_t *list, const json_t *status)
{
    json_t *other;
    size_t i;

    json_array_foreach(list, i, other) if (json_equal(json_object_get(other, "context"),
                                                      json_object_get(status, "context"))) return true;
    return false;
}

static const char *combined(const json_t *list)
{
    bool pending = json_array_size(list) == 0, failed = false;
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        const char *state = json_string_value(json_object_get(one, "state"));
        pending |= str_eq(state, "pending");
        failed |= str_eq(state, "failure") || str_eq(state, "error");
    }
    return failed ? "failure" : pending ? "pending" : "success";
}

/* The newest run of each context counts. */
void api_combined_status(struct http_request *r)
{
    struct server *s = http_data(r);
    struct commit_runs c;

    if (!find_commit(r, &c))
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < c.n; i++) {
        const struct run_row *run = store_get_run(s->store, c.ids[i]);
        json_t *status = run ? status_json(r, run) : NULL;
        if (status && !has_context(list, status))
            json_array_append(list, status);
        json_decref(status);
        run_row_unref(run);
    }
    http_reply_json(r, 200,
                    json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o}", "state", combined(list), "sha", c.sha,
                              "total_count", (json_int_t)json_array_size(list), "statuses", list,
                              "repository", api_repository_json(r), "url",
                              api_url(r, "/commits/%s/status", c.sha), "commit_url",
                              api_url(r, "/commits/%s", c.sha)));
    free(c.ids);
}

/* -------------------------------------------------------------------------------------------- check runs */

static int count_annotation(void *data, const struct annotation_row *a)
{
    int64_t *counted = data;

    counted[1] += a->job_id == counted[0];
    return 0;
}

static json_t *app_json(struct http_request *r)
{
    return json_pack("{s:i, s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:{s:s, s:s}, s:[]}", "id", 1,
                     "slug", "runfs", "node_id", api_node_id("App", 1), "name", "runfs", "owner",
                     api_user_json(r, "runfs"), "description", "a CI runner that is mounted", "external_url",
                     api_link_to(r, true, "/"), "html_url", api_link_to(r, true, "/"), "created_at",
                     api_time(1000000000LL), "updated_at", api_time(1000000000LL), "permissions", "checks",
                     "write", "metadata", "read", "events");
}

/* What GitHub calls waiting is pending here. */
static const char *status_of(const char *status)
{
    return str_eq(status, "pending") ? "queued" : status;
}

static json_t *check_json(struct http_request *r, const struct job_row *job, const struct run_row *run)
{
    struct server *s = http_data(r);
    long long id = (long long)job->id;
    int64_t counted[2] = {job->id, 0};
    _buf_ struct buf external = BUF_INIT;

    (void)store_each_annotation(s->store, job->run_id, job->attempt, count_annotation, counted);
    buf_addf(&external, "%lld/%d/%s", (long long)job->run_id, job->attempt, job->key);
    json_t *output =
        json_pack("{s:n, s:n, s:n, s:I, s:o}", "title", "summary", "text", "annotations_count",
                  (json_int_t)counted[1], "annotations_url", api_url(r, "/check-runs/%lld/annotations", id));
    return json_pack("{s:I, s:o, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I}, s:o, s:o}",
                     "id", (json_int_t)job->id, "node_id", api_node_id("CheckRun", job->id), "name",
                     job->name, "head_sha", run_head_sha(run), "status", status_of(job->status), "conclusion",
                     api_conclusion(job->conclusion), "external_id", buf_str(&external), "started_at",
                     api_time(job->started_at ? job->started_at : job->created_at), "completed_at",
                     api_time(job->completed_at), "url", api_url(r, "/check-runs/%lld", id), "html_url",
                     api_web_url(r, "/actions/runs/%lld/job/%lld", (long long)run->id, id), "details_url",
                     api_web_url(r, "/actions/runs/%lld/job/%lld", (long long)run->id, id), "output", output,
                     "check_suite", "id", (json_int_t)run->id, "app", app_json(r), "pull_requests",
                     api_pulls_json(r, run));
}

struct checks {
    struct http_request *r;
    const struct run_row *run;
    json_t *list; /* owned */
    const char *name, *status;
    int64_t from, to, at;
};

static int add_check(void *data, const struct job_row *job)
{
    struct checks *c = data;

    if ((*c->name && !str_eq(c->name, job->name)) ||
        (*c->status && !str_eq(c->status, status_of(job->status))))
        return 0;
    if (c->at >= c->from && c->at < c->to)
        json_array_append_new(c->list, check_json(c->r, job, c->run));
    c->at++;
    return 0;
}

/* Of each run the newest attempt, with filter=all every one. */
static void list_checks(struct http_request *r, const int64_t *runs, size_t n)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    bool all = str_eq(query_text(r, "filter"), "all");
    struct checks c = {.r = r,
                       .list = json_array(),
                       .name = query_text(r, "check_name"),
                       .status = query_text(r, "status"),
                       .from = (page.page - 1) * page.per_page,
                       .to = page.page * page.per_page};

    for (size_t i = 0; i < n; i++) {
        c.run = store_get_run(s->store, runs[i]);
        for (int of = c.run ? c.run->attempt : 0; of > 0 && (all || of == c.run->attempt); of--)
            (void)api_each_job(s->store, runs[i], of, add_check, &c);
        run_row_unref(c.run);
    }
    api_link(r, page, c.at);
    http_reply_json(r, 200, json_pack("{s:I, s:o}", "total_count", (json_int_t)c.at, "check_runs", c.list));
}

void api_list_checks(struct http_request *r)
{
    struct commit_runs c;

    if (!find_commit(r, &c))
        return;
    list_checks(r, c.ids, c.n);
    free(c.ids);
}

void api_list_checks_of_suite(struct http_request *r)
{
    const struct run_row *run = api_run(r);

    if (run)
        list_checks(r, &run->id, 1);
    run_row_unref(run);
}

void api_get_check(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct job_row *job = api_job(r);
    const struct run_row *run = job ? store_get_run(s->store, job->run_id) : NULL;

    if (run)
        http_reply_json(r, 200, check_json(r, job, run));
    else if (job)
        api_not_found(r);
    run_row_unref(run);
    job_row_unref(job);
}

/* ------------------------------------------------------------------------------------------ check suites */

static int count_job(void *data, const struct job_row *job)
{
    (void)job;
    *(int64_t *)data += 1;
    return 0;
}

static json_t *suite_json(struct http_request *r, const struct run_row *run)
{
    struct server *s = http_data(r);
    long long id = (long long)run->id;
    int64_t jobs = 0;

    (void)api_each_job(s->store, run->id, run->attempt, count_job, &jobs);
    json_t *none = json_string("0000000000000000000000000000000000000000");
    return json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:o}",
                     "id", (json_int_t)run->id, "node_id", api_node_id("CheckSuite", run->id), "head_branch",
                     api_head_branch(run), "head_sha", run_head_sha(run), "status", status_of(run->status),
                     "conclusion", api_conclusion(run->conclusion), "url",
                     api_url(r, "/check-suites/%lld", id), "created_at", api_time(run->created_at),
                     "updated_at", api_time(run->changed_at), "latest_check_runs_count", (json_int_t)jobs,
                     "check_runs_url", api_url(r, "/check-suites/%lld/check-runs", id), "app", app_json(r),
                     "repository", api_repository_json(r), "pull_requests", api_pulls_json(r, run), "before",
                     none, "after", run_head_sha(run), "head_commit", api_head_commit(run));
}

void api_list_suites(struct http_request *r)
{
    struct commit_runs c;

    if (!find_commit(r, &c))
        return;
    json_t *list = list_page(r, &c, suite_json);
    http_reply_json(r, 200, json_pack("{s:I, s:o}", "total_count", (json_int_t)c.n, "check_suites", list));
    free(c.ids);
}

void api_get_suite(struct http_request *r)
{
    const struct run_row *run = api_run(r);

    if (run)
        http_reply_json(r, 200, suite_json(r, run));
    run_row_unref(run);
}
