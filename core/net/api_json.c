/* GitHub's REST API: runs, jobs and steps as JSON. */
#include "api_internal.h"
#include "runfs/forge.h"

json_t *api_conclusion(const char *conclusion)
{
    return !*conclusion                        ? json_null()
           : str_eq(conclusion, "interrupted") ? json_string("failure")
                                               : json_string(conclusion);
}

/* ------------------------------------------------------------------------------------------------- visiting
 */

/* Those before the job's first step (0, -1, ...) came in the order of their ids. */
static int by_number(const void *a, const void *b)
{
    const struct step_row *x = *(const struct step_row *const *)a, *y = *(const struct step_row *const *)b;
    int m = x->number > 0 ? x->number : 0, n = y->number > 0 ? y->number : 0;

    return m != n ? (m > n) - (m < n) : (x->id > y->id) - (x->id < y->id);
}

int api_each_step(struct store *st, const struct job_row *job, api_step_fn *fn, void *data)
{
    const struct step_row **steps = NULL;
    int64_t ids[64], after = 0;
    size_t count = 0;
    ssize_t n;
    int code = 0;

    while (code == 0 &&
           (n = store_list_steps(st, job->log_job_id ? job->log_job_id : job->id, after, ids, 64)) > 0) {
        const struct step_row **more = reallocarray(steps, count + (size_t)n, sizeof(*steps));
        if (!more) {
            code = -ENOMEM;
            break;
        }
        steps = more;
        for (ssize_t i = 0; i < n; i++)
            if ((steps[count] = store_get_step(st, ids[i])))
                count++;
        after = ids[n - 1];
    }
    if (count)
        qsort(steps, count, sizeof(*steps), by_number);
    for (size_t i = 0; i < count && code == 0; i++)
        code = fn(data, (int)i + 1, steps[i]);
    for (size_t i = 0; i < count; i++)
        step_row_unref(steps[i]);
    free(steps);
    return code;
}

int api_each_job(struct store *st, int64_t run_id, int attempt, api_job_fn *fn, void *data)
{
    int64_t ids[64], after = 0;
    ssize_t n;
    int code = 0;

    while (code == 0 && (n = store_list_jobs(st, run_id, attempt, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n && code == 0; i++) {
            const struct job_row *job = store_get_job(st, ids[i]);
            code = job ? fn(data, job) : 0;
            job_row_unref(job);
            after = ids[i];
        }
    return code;
}

/* ---------------------------------------------------------------------------------------------------- runs
 */

json_t *api_branch(const char *ref)
{
    return json_string(str_starts(ref, "refs/heads/")  ? ref + 11
                       : str_starts(ref, "refs/tags/") ? ref + 10
                       : str_starts(ref, "refs/")      ? ref + 5
                                                       : ref);
}

json_t *api_head_branch(const struct run_row *run)
{
    return run->head_branch && *run->head_branch ? json_string(run->head_branch) : api_branch(run->ref);
}

/* What differs in a former attempt, over what the run is now. */
static void be_attempt(struct http_request *r, const struct run_row *run, int attempt, json_t *json)
{
    struct server *s = http_data(r);
    const struct attempt_row *a = store_get_attempt(s->store, store_find_attempt(s->store, run->id, attempt));

    json_object_set_new(json, "status", json_string("completed"));
    json_object_set_new(json, "conclusion", a ? api_conclusion(a->conclusion) : json_null());
    if (a) { /* not before runfs kept them */
        json_object_set_new(json, "run_started_at", api_time(a->started_at));
        json_object_set_new(json, "updated_at", api_time(a->completed_at));
        json_object_set_new(json, "triggering_actor",
                            api_user_json(r, *a->triggering_actor ? a->triggering_actor : run->actor));
    }
    attempt_row_unref(a);
}

/* As far as the run knows its commit. */
json_t *api_head_commit(const struct run_row *run)
{
    json_t *by = json_pack("{s:s, s:o}", "name", run->actor, "email", api_email(run->actor));

    return json_pack("{s:s, s:s, s:s, s:o, s:O, s:o}", "id", run_head_sha(run), "tree_id", "", "message",
                     run->title, "timestamp", api_time(run->created_at), "author", by, "committer", by);
}

/* ".github/workflows/ci.yml", or where else it lies, of "REPO:ci.yml". */
static json_t *path_of(const struct run_row *run)
{
    const char *colon = strrchr(run->workflow_name, ':');
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", forge_folder((enum forge)run->forge), colon ? colon + 1 : run->workflow_name);
    return json_string(buf_str(&path));
}

json_t *api_run_json(struct http_request *r, const struct run_row *run, int attempt)
{
    long long id = (long long)run->id;
    bool newest = attempt == run->attempt;
    json_t *json =
        json_pack("{s:I, s:I, s:s, s:s, s:s, s:o, s:I, s:i, s:s, s:o, s:s, s:o}", "id", (json_int_t)run->id,
                  "workflow_id", (json_int_t)run->workflow_id, "name", run->name, "display_title", run->title,
                  "status", run->status, "conclusion", api_conclusion(run->conclusion), "run_number",
                  (json_int_t)run->id, "run_attempt", attempt, "event", run->event, "head_branch",
                  api_head_branch(run), "head_sha", run_head_sha(run), "path", path_of(run));

    if (!json)
        return NULL;
    json_object_set_new(json, "node_id", api_node_id("WorkflowRun", run->id));
    json_object_set_new(json, "check_suite_id", json_integer(run->id));
    json_object_set_new(json, "check_suite_node_id", api_node_id("CheckSuite", run->id));
    json_object_set_new(json, "actor", api_user_json(r, run->actor));
    json_object_set_new(json, "triggering_actor", api_user_json(r, run_trigger(run)));
    json_object_set_new(json, "head_commit", api_head_commit(run));
    json_object_set_new(json, "repository", api_repository_json(r));
    json_object_set_new(json, "head_repository", api_repository_json(r));
    json_object_set_new(json, "pull_requests", api_pulls_json(r, run));
    json_object_set_new(json, "created_at", api_time(run->created_at));
    /* gh keeps logs by this time, so another attempt needs another one */
    json_object_set_new(json, "run_started_at",
                        api_time(run->started_at ? run->started_at : run->created_at));
    json_object_set_new(json, "updated_at", api_time(run->changed_at));
    if (!newest)
        be_attempt(r, run, attempt, json);
    json_object_set_new(json, "url", api_url(r, "/actions/runs/%lld", id));
    json_object_set_new(json, "html_url", api_web_url(r, "/actions/runs/%lld", id));
    json_object_set_new(json, "jobs_url",
                        newest ? api_url(r, "/actions/runs/%lld/jobs", id)
                               : api_url(r, "/actions/runs/%lld/attempts/%d/jobs", id, attempt));
    json_object_set_new(json, "logs_url",
                        newest ? api_url(r, "/actions/runs/%lld/logs", id)
                               : api_url(r, "/actions/runs/%lld/attempts/%d/logs", id, attempt));
    json_object_set_new(json, "artifacts_url", api_url(r, "/actions/runs/%lld/artifacts", id));
    json_object_set_new(json, "workflow_url",
                        api_url(r, "/actions/workflows/%lld", (long long)run->workflow_id));
    json_object_set_new(json, "check_suite_url", api_url(r, "/check-suites/%lld", id));
    json_object_set_new(json, "cancel_url", api_url(r, "/actions/runs/%lld/cancel", id));
    json_object_set_new(json, "rerun_url", api_url(r, "/actions/runs/%lld/rerun", id));
    json_object_set_new(json, "previous_attempt_url",
                        attempt > 1 ? api_url(r, "/actions/runs/%lld/attempts/%d", id, attempt - 1)
                                    : json_null());
    return json;
}

/* ---------------------------------------------------------------------------------------------------- jobs
 */

/* What never began: when it ended, or when it was there, as GitHub has it. gh takes one from the other. */
static json_t *began(int64_t started_at, int64_t otherwise)
{
    return api_time(started_at ? started_at : otherwise);
}

/* `runs-on` is a label, several, or a mapping with some and a group. */
static json_t *labels_of(const struct job_row *job)
{
    json_t *all = *job->runs_on ? json_loads(job->runs_on, JSON_DECODE_ANY, NULL) : NULL;
    json_t *named = json_is_object(all) ? json_incref(json_object_get(all, "labels")) : json_incref(all);

    json_decref(all);
    if (json_is_string(named))
        return json_pack("[o]", named);
    if (json_is_array(named))
        return named;
    json_decref(named);
    return json_array();
}

static int add_step(void *data, int number, const struct step_row *step)
{
    return json_array_append_new(data, json_pack("{s:i, s:s, s:s, s:o, s:o, s:o}", "number", number, "name",
                                                 step->name, "status", step->status, "conclusion",
                                                 api_conclusion(step->conclusion), "started_at",
                                                 began(step->started_at, step->completed_at), "completed_at",
                                                 api_time(step->completed_at))) < 0
               ? -ENOMEM
               : 0;
}

/* The one runner that there is: the daemon. None before the job has a machine. */
static void set_runner(json_t *json, const struct job_row *job)
{
    bool has = *job->backend;

    json_object_set_new(json, "runner_id", has ? json_integer(1) : json_null());
    json_object_set_new(json, "runner_name", has ? json_sprintf("runfs %s", job->backend) : json_null());
    json_object_set_new(json, "runner_group_id", has ? json_integer(1) : json_null());
    json_object_set_new(json, "runner_group_name", has ? json_string("Default") : json_null());
}

json_t *api_job_json(struct http_request *r, const struct job_row *job)
{
    struct server *s = http_data(r);
    const struct run_row *of = store_get_run(s->store, job->run_id);
    json_t *steps = json_array();
    long long id = (long long)job->id, run = (long long)job->run_id;
    bool ended = job->completed_at != 0;

    (void)api_each_step(s->store, job, add_step, steps);
    json_t *json = json_pack(
        "{s:I, s:I, s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)job->id,
        "run_id", (json_int_t)job->run_id, "run_attempt", job->attempt, "name", job->name, "status",
        job->status, "conclusion", api_conclusion(job->conclusion), "created_at", api_time(job->created_at),
        "started_at", began(job->started_at, ended ? job->completed_at : job->created_at), "completed_at",
        api_time(job->completed_at), "steps", steps, "labels", labels_of(job), "url",
        api_url(r, "/actions/jobs/%lld", id), "run_url", api_url(r, "/actions/runs/%lld", run), "html_url",
        api_web_url(r, "/actions/runs/%lld/job/%lld", run, id));
    json_object_set_new(json, "node_id", api_node_id("CheckRun", job->id));
    json_object_set_new(json, "check_run_url", api_url(r, "/check-runs/%lld", id));
    set_runner(json, job);
    if (json && of) {
        json_object_set_new(json, "head_sha", json_string(run_head_sha(of)));
        json_object_set_new(json, "head_branch", api_head_branch(of));
        json_object_set_new(json, "workflow_name", json_string(of->name));
    }
    run_row_unref(of);
    return json;
}
