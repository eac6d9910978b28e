/* The kinds of rows that runs are made of, with what they are read and written by. */
#include <stddef.h>
#include <string.h>

#include "row_table.h"

#define WORKFLOW_COLUMNS(FIRST, X)                                                                           \
    FIRST(workflow_row, I64, repo_id)                                                                        \
    X(workflow_row, TEXT, name)                                                                              \
    X(workflow_row, TEXT, title)                                                                             \
    X(workflow_row, TEXT, source)                                                                            \
    X(workflow_row, LENGTH, source_len)                                                                      \
    X(workflow_row, BOOL, removed)                                                                           \
    X(workflow_row, I64, changed_at)                                                                         \
    X(workflow_row, I64, last_run)                                                                           \
    X(workflow_row, INT, forge)

static const struct row_table workflow_table = {
    ROW_READ("workflows", workflow_row, WORKFLOW_COLUMNS),
    ROW_WRITE("workflows", WORKFLOW_COLUMNS),
    .change = CHANGE_WORKFLOW,
};

#define REPO_COLUMNS(FIRST, X)                                                                               \
    FIRST(repo_row, TEXT, name)                                                                              \
    X(repo_row, TEXT, path)                                                                                  \
    X(repo_row, I64, changed_at)                                                                             \
    X(repo_row, TEXT, full_name)

static const struct row_table repo_table = {
    ROW_READ("repos", repo_row, REPO_COLUMNS),
    ROW_WRITE("repos", REPO_COLUMNS),
    .change = CHANGE_REPO,
    .slot = 1,
};

#define ERROR_COLUMNS(FIRST, X)                                                                              \
    FIRST(error_row, TEXT, name)                                                                             \
    X(error_row, TEXT, text)                                                                                 \
    X(error_row, I64, changed_at)

const struct row_table error_table = {
    ROW_READ("errors", error_row, ERROR_COLUMNS),
    ROW_WRITE("errors", ERROR_COLUMNS),
    .change = CHANGE_DROP,
    .slot = 2,
};

#define DELIVERY_COLUMNS(FIRST, X)                                                                           \
    FIRST(delivery_row, TEXT, name)                                                                          \
    X(delivery_row, TEXT, text)                                                                              \
    X(delivery_row, I64, changed_at)

const struct row_table delivery_table = {
    ROW_READ("deliveries", delivery_row, DELIVERY_COLUMNS),
    ROW_WRITE("deliveries", DELIVERY_COLUMNS),
    .change = CHANGE_DELIVERY,
    .slot = 2,
};

#define RUN_REST(FIRST, X)                                                                                   \
    FIRST(run_row, INT, attempt)                                                                             \
    X(run_row, TEXT, status)                                                                                 \
    X(run_row, TEXT, conclusion)                                                                             \
    X(run_row, INT, exit_code)                                                                               \
    X(run_row, TEXT, workflow_name)                                                                          \
    X(run_row, TEXT, name)                                                                                   \
    X(run_row, TEXT, title)                                                                                  \
    X(run_row, TEXT, event)                                                                                  \
    X(run_row, TEXT, ref)                                                                                    \
    X(run_row, TEXT, sha)                                                                                    \
    X(run_row, TEXT, actor)                                                                                  \
    X(run_row, TEXT, repository)                                                                             \
    X(run_row, I64, repo_id)                                                                                 \
    X(run_row, TEXT, concurrency)                                                                            \
    X(run_row, TEXT, why)                                                                                    \
    X(run_row, I64, created_at)                                                                              \
    X(run_row, I64, started_at)                                                                              \
    X(run_row, I64, completed_at)                                                                            \
    X(run_row, I64, changed_at)                                                                              \
    X(run_row, I64, log_size)                                                                                \
    X(run_row, TEXT, triggering_actor)                                                                       \
    X(run_row, INT, logs_gone)                                                                               \
    X(run_row, INT, forge)                                                                                   \
    X(run_row, TEXT, head_branch)                                                                            \
    X(run_row, TEXT, head_sha)
#define RUN_COLUMNS(FIRST, X) FIRST(run_row, I64, workflow_id) RUN_REST(X, X)

const struct row_table run_table = {
    ROW_READ("runs", run_row, RUN_COLUMNS),
    ROW_WRITE("runs", RUN_COLUMNS),
    ROW_SAME("runs", "workflow_id = ?2", 3, RUN_REST),
    .change = CHANGE_RUN,
    .slot = 3,
};

#define JOB_REST(FIRST, X)                                                                                   \
    FIRST(job_row, TEXT, job_id)                                                                             \
    X(job_row, TEXT, name)                                                                                   \
    X(job_row, TEXT, caller)                                                                                 \
    X(job_row, TEXT, uses)                                                                                   \
    X(job_row, TEXT, status)                                                                                 \
    X(job_row, TEXT, conclusion)                                                                             \
    X(job_row, INT, exit_code)                                                                               \
    X(job_row, TEXT, matrix)                                                                                 \
    X(job_row, TEXT, needs)                                                                                  \
    X(job_row, TEXT, runs_on)                                                                                \
    X(job_row, TEXT, backend)                                                                                \
    X(job_row, TEXT, why)                                                                                    \
    X(job_row, TEXT, environment)                                                                            \
    X(job_row, TEXT, environment_url)                                                                        \
    X(job_row, TEXT, permissions)                                                                            \
    X(job_row, TEXT, concurrency)                                                                            \
    X(job_row, I64, log_job_id)                                                                              \
    X(job_row, I64, created_at)                                                                              \
    X(job_row, I64, started_at)                                                                              \
    X(job_row, I64, completed_at)                                                                            \
    X(job_row, I64, changed_at)                                                                              \
    X(job_row, I64, log_size)
#define JOB_COLUMNS(FIRST, X)                                                                                \
    FIRST(job_row, I64, run_id) X(job_row, INT, attempt) X(job_row, TEXT, key) JOB_REST(X, X)

static const struct row_table job_table = {
    ROW_READ("jobs", job_row, JOB_COLUMNS),
    ROW_COUNTED("jobs", JOB_COLUMNS),
    ROW_SAME("jobs", "run_id = ?2 AND attempt = ?3 AND key = ?4", 5, JOB_REST),
    .change = CHANGE_JOB,
    .slot = 4,
    .run_offset = offsetof(struct job_row, run_id),
};

#define STEP_REST(FIRST, X)                                                                                  \
    FIRST(step_row, TEXT, slug)                                                                              \
    X(step_row, TEXT, name)                                                                                  \
    X(step_row, TEXT, status)                                                                                \
    X(step_row, TEXT, outcome)                                                                               \
    X(step_row, TEXT, conclusion)                                                                            \
    X(step_row, INT, exit_code)                                                                              \
    X(step_row, TEXT, script)                                                                                \
    X(step_row, TEXT, env)                                                                                   \
    X(step_row, TEXT, cwd)                                                                                   \
    X(step_row, TEXT, why)                                                                                   \
    X(step_row, TEXT, summary)                                                                               \
    X(step_row, I64, started_at)                                                                             \
    X(step_row, I64, completed_at)                                                                           \
    X(step_row, I64, changed_at)                                                                             \
    X(step_row, I64, log_size)                                                                               \
    X(step_row, I64, stdout_size)                                                                            \
    X(step_row, I64, stderr_size)
#define STEP_COLUMNS(FIRST, X)                                                                               \
    FIRST(step_row, I64, job_id) X(step_row, I64, run_id) X(step_row, INT, number) STEP_REST(X, X)

static const struct row_table step_table = {
    ROW_READ("steps", step_row, STEP_COLUMNS),
    ROW_COUNTED("steps", STEP_COLUMNS),
    ROW_SAME("steps", "job_id = ?2 AND run_id = ?3 AND number = ?4", 5, STEP_REST),
    .change = CHANGE_STEP,
    .slot = 5,
    .run_offset = offsetof(struct step_row, run_id),
    .job_offset = offsetof(struct step_row, job_id),
};

#define OUTPUT_COLUMNS(FIRST, X)                                                                             \
    FIRST(output_row, I64, job_id)                                                                           \
    X(output_row, I64, step_id)                                                                              \
    X(output_row, TEXT, name)                                                                                \
    X(output_row, TEXT, value)                                                                               \
    X(output_row, I64, changed_at)

static const struct row_table output_table = {
    ROW_READ("outputs", output_row, OUTPUT_COLUMNS),
    ROW_WRITE("outputs", OUTPUT_COLUMNS),
    .change = CHANGE_OUTPUT,
    .slot = 6,
    .job_offset = offsetof(struct output_row, job_id),
};

#define SETTING_COLUMNS(FIRST, X)                                                                            \
    FIRST(setting_row, TEXT, name)                                                                           \
    X(setting_row, TEXT, value)                                                                              \
    X(setting_row, I64, changed_at)

#define SETTING_TABLE(table, kind)                                                                           \
    {                                                                                                        \
        ROW_READ(table, setting_row, SETTING_COLUMNS), ROW_WRITE(table, SETTING_COLUMNS), .change = (kind),  \
                                                                                          .slot = 7          \
    }

const struct row_table setting_tables[4] = {
    [SETTING_CONFIG] = SETTING_TABLE("config", CHANGE_CONFIG),
    [SETTING_SECRET] = SETTING_TABLE("secrets", CHANGE_SECRET),
    [SETTING_VAR] = SETTING_TABLE("vars", CHANGE_VAR),
    [SETTING_TOKEN] = SETTING_TABLE("tokens", CHANGE_TOKEN),
};

/* ------------------------------------------------------------------------------------- the typed functions
 */

int rows_begin(struct store *st, struct err *err)
{
    static const struct row_table *const counted[] = {&job_table, &step_table};

    for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
        int64_t last = read_int(st, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1", NULL,
                                0, counted[i]->sequence, -1);
        if (last < 0)
            return err_set(err, -EIO, "the last of the %s cannot be read", counted[i]->sequence);
        st->last_ids[counted[i]->slot] = last;
    }
    return 0;
}

ROW_READER(workflow)
ROW_READER(repo)
ROW_READER(error)
ROW_READER(delivery)
ROW_READER(run)
ROW_READER(job)
ROW_READER(step)
ROW_READER(output)

ROW_WRITER(workflow)
ROW_WRITER(repo)
ROW_WRITER(job)
ROW_WRITER(step)

int store_put_run(struct store *st, struct run_row *row, struct err *err)
{
    store_begin(st);
    bool ends = strcmp(row->status, "completed") == 0 &&
                (!row->id || write_values(st, "SELECT status <> 'completed' FROM runs WHERE id = ?1",
                                          st->lasting && st->failed, "i", row->id) == 1);
    int64_t id = row->id;
    bool again = row->attempt > 1 && strcmp(row->status, "queued") == 0;
    if (row_put(st, &run_table, row, err) == 0 && ends)
        (void)store_watch_run(st, row->id, err);
    if (again)
        store_changed(st, (struct change){.kind = CHANGE_RUN, .id = row->id, .again = true});
    int r = store_commit(st, err);
    if (r < 0)
        row->id = id;
    return r;
}

const struct setting_row *store_get_setting(struct store *st, enum setting_kind kind, int64_t id)
{
    return row_get(st, &setting_tables[kind], id);
}

void setting_row_unref(const struct setting_row *r)
{
    row_unref(r);
}
