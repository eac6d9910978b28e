/* runs/N/workflow.expanded.yml: the workflow of a run with everything written out. */
#include "runfs/plan.h"
#include "runfs/run.h"
#include "runfs/str.h"

/* Combinations that only the run made known, because they came out of another job. */
static int add_of_jobs(struct store *st, int64_t run_id, json_t *matrices)
{
    const struct run_row *run = store_get_run(st, run_id);
    int64_t ids[64], after = 0;
    ssize_t n = 0;

    while (run && (n = store_list_jobs(st, run_id, run->attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct job_row *job = store_get_job(st, ids[i]);
            json_t *one = job && *job->matrix ? json_loads(job->matrix, 0, NULL) : NULL;
            if (one && !json_object_get(matrices, job->job_id))
                json_object_set_new(matrices, job->job_id, json_array());
            if (one)
                json_array_append_new(json_object_get(matrices, job->job_id), one);
            job_row_unref(job);
        }
        after = ids[n - 1];
    }
    int r = run ? (int)n : -ENOENT;
    run_row_unref(run);
    return r;
}

/* The plan's, which are all there are, win over those of jobs, of which --matrix may have left out some. */
static int add_of_plan(struct store *st, int64_t run_id, json_t *matrices)
{
    _buf_ struct buf text = BUF_INIT;
    int r = store_run_text(st, run_id, RUN_PLAN, &text);
    _json_ json_t *plan = r == 0 ? json_loadb(buf_str(&text), text.len, 0, NULL) : NULL;
    json_t *job;
    size_t i;

    json_array_foreach(json_object_get(plan, "jobs"), i, job)
    {
        const char *id = json_string_value(json_object_get(job, "id"));
        json_t *matrix = json_object_get(job, "matrix");
        if (id && json_array_size(matrix) && json_object_set(matrices, id, matrix) < 0)
            return -ENOMEM;
    }
    return r;
}

int run_expanded(struct store *st, int64_t run_id, struct buf *ret)
{
    _json_ json_t *matrices = json_object();
    _buf_ struct buf text = BUF_INIT;
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;
    const struct run_row *run = store_get_run(st, run_id);
    const struct workflow_opts opts = {.forge = run ? (enum forge)run->forge : FORGE_GITHUB};
    int r = store_run_text(st, run_id, RUN_SOURCE, &text);

    run_row_unref(run);
    if (r == 0)
        r = matrices ? add_of_jobs(st, run_id, matrices) : -ENOMEM;
    if (r == 0)
        r = add_of_plan(st, run_id, matrices);
    if (r == 0)
        r = workflow_parse("workflow.yml", buf_str(&text), text.len, &opts, &w, &lint);
    if (r == 0)
        r = workflow_expand(w, buf_str(&text), text.len, matrices, ret);
    workflow_free(w);
    return r;
}
