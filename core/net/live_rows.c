/* What the live page shows, as JSON: rows of the store, short names, times in milliseconds. */
#include "live_internal.h"
#include "runfs/artifact.h"
#include "runfs/machine_rows.h"

static json_int_t ms(int64_t wall_ns)
{
    return (json_int_t)(wall_ns / 1000000);
}

/* ------------------------------------------------------------------------------------------- runs and jobs
 */

json_t *live_run(const struct run_row *run)
{
    return json_pack(
        "{s:I, s:I, s:i, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "id",
        (json_int_t)run->id, "workflow_id", (json_int_t)run->workflow_id, "attempt", run->attempt, "status",
        run->status, "conclusion", run->conclusion, "exit_code", run->exit_code, "workflow",
        run->workflow_name, "name", run->name, "title", run->title, "event", run->event, "ref", run->ref,
        "sha", run->sha, "actor", run->actor, "repository", run->repository, "why", run->why, "created",
        ms(run->created_at), "started", ms(run->started_at), "completed", ms(run->completed_at));
}

json_t *live_runs(struct store *st, const char *status, int64_t workflow_id, int64_t before, size_t max)
{
    struct run_query q = {.repo_id = -1,
                          .workflow_id = workflow_id,
                          .branch = "",
                          .event = "",
                          .actor = "",
                          .sha = "",
                          .status = status ? status : "",
                          .before = before,
                          .created_to = INT64_MAX};
    json_t *list = json_array();
    int64_t ids[256];
    ssize_t n = store_query_runs(st, &q, ids, max < ARRAY_LEN(ids) ? max : ARRAY_LEN(ids));

    for (ssize_t i = 0; i < n; i++) {
        const struct run_row *run = store_get_run(st, ids[i]);
        if (run)
            json_array_append_new(list, live_run(run));
        run_row_unref(run);
    }
    return list;
}

static int add_step(void *data, int number, const struct step_row *step)
{
    return json_array_append_new(data, json_pack("{s:I, s:i, s:s, s:s, s:s, s:i, s:s, s:I, s:I}", "id",
                                                 (json_int_t)step->id, "number", number, "name", step->name,
                                                 "status", step->status, "conclusion", step->conclusion,
                                                 "exit_code", step->exit_code, "why", step->why, "started",
                                                 ms(step->started_at), "completed", ms(step->completed_at)));
}

json_t *live_job(struct store *st, const struct job_row *job)
{
    json_t *steps = json_array(), *needs = json_loads(*job->needs ? job->needs : "[]", 0, NULL);

    (void)api_each_step(st, job, add_step, steps);
    return json_pack(
        "{s:I, s:i, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:o}",
        "id", (json_int_t)job->id, "attempt", job->attempt, "run", (json_int_t)job->run_id, "key", job->key,
        "job_id", job->job_id, "caller", job->caller, "name", job->name, "status", job->status, "conclusion",
        job->conclusion, "exit_code", job->exit_code, "why", job->why, "backend", job->backend, "environment",
        job->environment, "url", job->environment_url, "needs", needs ? needs : json_array(), "created",
        ms(job->created_at), "started", ms(job->started_at), "completed", ms(job->completed_at), "steps",
        steps);
}

/* ------------------------------------------------------------------------------- annotations and artifacts
 */

static int add_annotation(void *data, const struct annotation_row *a)
{
    return json_array_append_new(data, json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:i, s:i}", "job",
                                                 (json_int_t)a->job_id, "step", (json_int_t)a->step_id,
                                                 "level", a->level, "title", a->title, "file", a->file,
                                                 "message", a->message, "line", a->line, "col", a->col));
}

json_t *live_annotations(struct store *st, const struct run_row *run)
{
    json_t *list = json_array();

    (void)store_each_annotation(st, run->id, run->attempt, add_annotation, list);
    return list;
}

json_t *live_artifacts(struct store *st, int64_t run_id)
{
    json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = artifact_list(st, run_id, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            const struct artifact_row *a = store_get_artifact(st, ids[i]);
            if (a)
                json_array_append_new(list, json_pack("{s:I, s:s, s:I, s:I, s:s}", "id", (json_int_t)a->id,
                                                      "name", a->name, "size", (json_int_t)a->size, "files",
                                                      (json_int_t)a->files, "digest", a->digest));
            artifact_row_unref(a);
            after = ids[i];
        }
    return list;
}

/* ------------------------------------------------------------------------------------------------ machines
 */

json_t *live_machines(struct store *st)
{
    json_t *list = json_array();
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_machines(st, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            const struct machine_row *m = store_get_machine(st, ids[i]);
            if (m)
                json_array_append_new(
                    list, json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "id",
                                    (json_int_t)m->id, "name", m->title, "label", m->label, "backend",
                                    m->backend, "image", m->image, "state", m->state, "why", m->why, "run",
                                    (json_int_t)m->run_id, "job", (json_int_t)m->job_id, "boot_us",
                                    (json_int_t)(m->boot_ns / 1000), "created", ms(m->created_at)));
            machine_row_unref(m);
            after = ids[i];
        }
    return list;
}
