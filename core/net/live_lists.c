/* What the live page asks for now and then: older runs, and workflows with what they want to be told. */
#include "live_internal.h"
#include "runfs/workflow.h"

enum { RUNS_AT_ONCE = 100 };

/* Whether it is a number or not there. */
static bool read_number(struct http_request *r, const char *name, int64_t *ret)
{
    const char *text = http_query(r, name);
    uint64_t n = 0;

    if (text && (parse_u64(text, &n) < 0 || n > INT64_MAX))
        return false;
    *ret = (int64_t)n;
    return true;
}

void live_list_runs(struct http_request *r)
{
    struct server *s = http_data(r);
    int64_t before = 0, workflow = 0;

    if (!read_number(r, "before", &before) || !read_number(r, "workflow", &workflow))
        api_fail(r, 422, "before and workflow are to be whole numbers");
    else
        http_reply_json(
            r, 200,
            json_pack("{s:o}", "runs",
                      live_runs(s->store, http_query(r, "status"), workflow, before, RUNS_AT_ONCE)));
}

/* ----------------------------------------------------------------------------------------------- workflows
 */

static json_t *input_json(const struct workflow_input *in)
{
    static const char *const types[] = {[INPUT_STRING] = "string",
                                        [INPUT_BOOLEAN] = "boolean",
                                        [INPUT_NUMBER] = "number",
                                        [INPUT_CHOICE] = "choice",
                                        [INPUT_ENVIRONMENT] = "environment"};
    json_t *options = json_array();

    for (size_t i = 0; in->options && in->options[i]; i++)
        json_array_append_new(options, json_string(in->options[i]));
    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:o}", "name", in->name, "description", in->description,
                     "type", types[in->type], "required", in->required, "default",
                     in->fallback && in->fallback->str ? in->fallback->str : "", "options", options);
}

/* What a person is asked before it starts; null for one that nobody starts by hand. */
static json_t *inputs_json(const struct workflow_row *w)
{
    const struct workflow_opts opts = {.forge = (enum forge)w->forge};
    _lint_ struct lint lint = {0};
    struct workflow *parsed = NULL;
    json_t *list = NULL;

    if (workflow_parse(w->name, w->source, w->source_len, &opts, &parsed, &lint) < 0)
        return json_null();
    const struct workflow_event *e = workflow_event(parsed, "workflow_dispatch");
    if (e)
        list = json_array();
    for (size_t i = 0; e && i < e->n_inputs; i++)
        json_array_append_new(list, input_json(&e->inputs[i]));
    workflow_free(parsed);
    return list ? list : json_null();
}

static void add_workflows(struct server *s, int64_t repo_id, json_t *list)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_workflows(s->store, repo_id, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            const struct workflow_row *w = store_get_workflow(s->store, ids[i]);
            _buf_ struct buf label = BUF_INIT, branch = BUF_INIT;
            after = ids[i];
            if (!w)
                continue;
            api_workflow_label(s, w, &label);
            engine_default_branch(s->engine, &(struct repository){repo_id}, &branch);
            json_array_append_new(list,
                                  json_pack("{s:I, s:s, s:s, s:b, s:b, s:s, s:I, s:o}", "id",
                                            (json_int_t)w->id, "name", buf_str(&label), "title", w->title,
                                            "disabled", config_disabled(s->store, buf_str(&label)), "linked",
                                            repo_id != 0, "branch", buf_str(&branch), "last_run",
                                            (json_int_t)w->last_run, "inputs", inputs_json(w)));
            workflow_row_unref(w);
        }
}

void live_list_workflows(struct http_request *r)
{
    struct server *s = http_data(r);
    json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    add_workflows(s, 0, list);
    while ((n = store_list_repos(s->store, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            add_workflows(s, ids[i], list);
            after = ids[i];
        }
    http_reply_json(r, 200, json_pack("{s:o}", "workflows", list));
}

/* ------------------------------------------------------------------------------------------- more of a run
 */

enum { SUMMARY_MAX = 64 * 1024 /* bytes of one that are shown */ };

struct summaries {
    const struct job_row *job;
    json_t *list;
};

static int add_summary(void *data, int number, const struct step_row *step)
{
    const struct summaries *s = data;
    size_t all = strlen(step->summary),
           len = utf8_valid_prefix(step->summary, all < SUMMARY_MAX ? all : SUMMARY_MAX);

    (void)number;
    return len ? json_array_append_new(s->list,
                                       json_pack("{s:I, s:s, s:s%, s:b}", "job", (json_int_t)s->job->id,
                                                 "step", step->name, "text", step->summary, len, "cut",
                                                 step->summary[len] != '\0'))
               : 0;
}

struct summed {
    struct store *store;
    json_t *list;
};

static int add_summaries(void *data, const struct job_row *job)
{
    const struct summed *s = data;

    return api_each_step(s->store, job, add_summary, &(struct summaries){job, s->list});
}

static int add_job(void *data, const struct job_row *job)
{
    return json_array_append_new(data, json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I}", "id",
                                                 (json_int_t)job->id, "key", job->key, "name", job->name,
                                                 "status", job->status, "conclusion", job->conclusion,
                                                 "started", (json_int_t)(job->started_at / 1000000),
                                                 "completed", (json_int_t)(job->completed_at / 1000000)));
}

static json_t *attempts_of(struct store *st, int64_t run_id)
{
    json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_attempts(st, run_id, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            const struct attempt_row *a = store_get_attempt(st, ids[i]);
            json_t *jobs = json_array();
            if (a)
                (void)api_each_job(st, run_id, a->attempt, add_job, jobs);
            if (a)
                json_array_append_new(list, json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:O}", "attempt",
                                                      a->attempt, "status", "completed", "conclusion",
                                                      a->conclusion, "why", a->why, "started",
                                                      (json_int_t)(a->started_at / 1000000), "completed",
                                                      (json_int_t)(a->completed_at / 1000000), "jobs", jobs));
            json_decref(jobs);
            attempt_row_unref(a);
            after = ids[i];
        }
    return list;
}

void live_more_of_run(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct run_row *run = api_run(r);
    struct summed sums = {s->store, json_array()};

    if (run) {
        (void)api_each_job(s->store, run->id, run->attempt, add_summaries, &sums);
        http_reply_json(
            r, 200,
            json_pack("{s:O, s:o}", "summaries", sums.list, "attempts", attempts_of(s->store, run->id)));
    }
    json_decref(sums.list);
    run_row_unref(run);
}
