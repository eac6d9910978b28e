/* Writing what is no plain row, deleting, and what is put right after a crash. */
#include "store_internal.h"

#include "runfs/io.h"
#include "runfs/str.h"

/* Runs one statement of the open group. */
int write_params(struct store *st, const char *sql, const struct param *p, size_t n, struct err *err)
{
    size_t before = st->group.bytes.len;
    sqlite3_stmt *stmt = st->failed ? NULL : conn_prepare(&st->writer, sql);

    if (st->lasting)
        later_note(&st->group, sql, p, n);
    if (!stmt) {
        int r = store_spoil(st, -ENOMEM);
        return st->lasting ? 0 : r;
    }
    for (size_t i = 0; i < n; i++)
        if (p[i].text)
            sqlite3_bind_text64(stmt, (int)i + 1, p[i].text, p[i].len, SQLITE_STATIC, SQLITE_UTF8);
        else
            sqlite3_bind_int64(stmt, (int)i + 1, p[i].n);
    int rc = sqlite3_step(stmt);
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : store_refused(st, rc, err);
    if (r < 0 && st->lasting && st->failed)
        r = 0; /* not now, but later */
    else if (r < 0 && st->lasting)
        later_take_back(&st->group, before);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return r;
}

int write_ints(struct store *st, const char *sql, const int64_t *params, size_t n, struct err *err)
{
    struct param p[8];

    for (size_t i = 0; i < n && i < ARRAY_LEN(p); i++)
        p[i] = P_INT(params[i]);
    return write_params(st, sql, p, n, err);
}

int store_put_run_text(struct store *st, int64_t run_id, enum run_text which, const char *text, size_t len,
                       struct err *err)
{
    store_begin(st);
    WRITE(st, err, "INSERT OR REPLACE INTO run_texts (run_id, which, text) VALUES (?1, ?2, ?3)",
          P_INT(run_id), P_INT(which), P_BYTES(text, len));
    store_changed(st, (struct change){.kind = CHANGE_RUN, .id = run_id});
    return store_commit(st, err);
}

int store_put_step_state(struct store *st, int64_t run_id, int64_t step_id, const char *state,
                         struct err *err)
{
    store_begin(st);
    WRITE(st, err, "INSERT OR REPLACE INTO step_states (step_id, run_id, state) VALUES (?1, ?2, ?3)",
          P_INT(step_id), P_INT(run_id), P_BYTES(state, strlen(state)));
    store_changed(st, (struct change){.kind = CHANGE_STEP, .id = step_id, .run_id = run_id});
    return store_commit(st, err);
}

int store_put_output(struct store *st, int64_t job_id, int64_t step_id, const char *name, const char *value,
                     struct err *err)
{
    store_begin(st);
    WRITE(st, err,
          "INSERT INTO outputs (job_id, step_id, name, value, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)"
          " ON CONFLICT (job_id, step_id, name) DO UPDATE SET value = excluded.value, changed_at = "
          "excluded.changed_at",
          P_INT(job_id), P_INT(step_id), P_TEXT(name), P_TEXT(value), P_INT(now_ns()));
    store_changed(st, (struct change){.kind = CHANGE_OUTPUT,
                                      .id = sqlite3_last_insert_rowid(st->writer.db),
                                      .job_id = job_id,
                                      .created = true});
    return store_commit(st, err);
}

int store_put_annotation(struct store *st, const struct annotation_row *a, struct err *err)
{
    store_begin(st);
    WRITE(st, err,
          "INSERT INTO annotations (run_id, job_id, step_id, attempt, level, title, file, message, line, col)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
          P_INT(a->run_id), P_INT(a->job_id), P_INT(a->step_id), P_INT(a->attempt), P_TEXT(a->level),
          P_TEXT(a->title), P_TEXT(a->file), P_TEXT(a->message), P_INT(a->line), P_INT(a->col));
    store_changed(st, (struct change){.kind = CHANGE_RUN, .id = a->run_id});
    return store_commit(st, err);
}

/* A row that is found by its unique name: put (value set) or removed (value NULL). */
static int put_named(struct store *st, const struct row_table *t, const char *put_sql, const char *delete_sql,
                     int64_t id, const char *name, const char *value, struct err *err)
{
    store_begin(st);
    if (value)
        WRITE(st, err, put_sql, P_TEXT(name), P_TEXT(value), P_INT(now_ns()));
    else
        WRITE(st, err, delete_sql, P_TEXT(name));
    store_changed(st, (struct change){.kind = t->change,
                                      .id = id ? id : sqlite3_last_insert_rowid(st->writer.db),
                                      .created = !id,
                                      .deleted = !value});
    return store_commit(st, err);
}

int store_put_error(struct store *st, const char *name, const char *text, struct err *err)
{
    int64_t id = store_find_error(st, name);

    if (!id && !text)
        return 0;
    return put_named(st, &error_table,
                     "INSERT INTO errors (name, text, changed_at) VALUES (?1, ?2, ?3) ON CONFLICT (name)"
                     " DO UPDATE SET text = excluded.text, changed_at = excluded.changed_at",
                     "DELETE FROM errors WHERE name = ?1", id, name, text, err);
}

int store_put_delivery(struct store *st, const char *name, const char *text, struct err *err)
{
    return put_named(st, &delivery_table,
                     "INSERT INTO deliveries (name, text, changed_at) VALUES (?1, ?2, ?3) ON CONFLICT (name)"
                     " DO UPDATE SET text = excluded.text, changed_at = excluded.changed_at",
                     NULL, store_find_delivery(st, name), name, text, err);
}

#define SETTING_PUT(t)                                                                                       \
    "INSERT INTO " t " (name, value, changed_at) VALUES (?1, ?2, ?3) ON CONFLICT (name)"                     \
    " DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at"
#define SETTING_DELETE(t) "DELETE FROM " t " WHERE name = ?1"

static int put_setting(struct store *st, enum setting_kind kind, const char *name, const char *value,
                       struct err *err)
{
    static const char *const put[] = {SETTING_PUT("config"), SETTING_PUT("secrets"), SETTING_PUT("vars"),
                                      SETTING_PUT("tokens")};
    static const char *const del[] = {SETTING_DELETE("config"), SETTING_DELETE("secrets"),
                                      SETTING_DELETE("vars"), SETTING_DELETE("tokens")};

    return put_named(st, &setting_tables[kind], put[kind], del[kind], store_find_setting(st, kind, name),
                     name, value, err);
}

int store_put_setting(struct store *st, enum setting_kind kind, const char *name, const char *value,
                      struct err *err)
{
    return put_setting(st, kind, name, value, err);
}

int store_delete_setting(struct store *st, enum setting_kind kind, const char *name, struct err *err)
{
    if (!store_find_setting(st, kind, name))
        return -ENOENT;
    return put_setting(st, kind, name, NULL, err);
}

int store_delete_repo(struct store *st, int64_t id, struct err *err)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    store_begin(st);
    while ((n = store_list_workflows(st, id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            store_changed(st, (struct change){.kind = CHANGE_WORKFLOW, .id = ids[i], .deleted = true});
        after = ids[n - 1];
    }
    WRITE(st, err, "UPDATE workflows SET removed = 1 WHERE repo_id = ?1", P_INT(id));
    WRITE(st, err, "DELETE FROM repos WHERE id = ?1", P_INT(id));
    store_changed(st, (struct change){.kind = CHANGE_REPO, .id = id, .deleted = true});
    return store_commit(st, err);
}

/* What a run's deletion takes along, leaves first. */
static const char *const delete_run_sql[] = {
    "DELETE FROM failure_uses WHERE run_id = ?1",
    "DELETE FROM command_runs WHERE run_id = ?1 AND command_id IN"
    " (SELECT command_id FROM command_uses WHERE run_id = ?1)",
    "DELETE FROM command_uses WHERE run_id = ?1",
    "DELETE FROM artifacts WHERE run_id = ?1",
    "DELETE FROM expired_artifacts WHERE run_id = ?1",
    "DELETE FROM snapshots WHERE run_id = ?1",
    "DELETE FROM transitions WHERE machine_id IN (SELECT id FROM machines WHERE run_id = ?1 AND NOT (lives "
    "OR "
    "kept))",
    "DELETE FROM machines WHERE run_id = ?1 AND NOT (lives OR kept)",
    "DELETE FROM annotations WHERE run_id = ?1",
    "DELETE FROM outputs WHERE job_id IN (SELECT id FROM jobs WHERE run_id = ?1)",
    "DELETE FROM steps WHERE job_id IN (SELECT id FROM jobs WHERE run_id = ?1)",
    "DELETE FROM jobs WHERE run_id = ?1",
    "DELETE FROM run_texts WHERE run_id = ?1",
    "DELETE FROM attempts WHERE run_id = ?1",
    "DELETE FROM anomalies WHERE run_id = ?1",
    "DELETE FROM step_states WHERE run_id = ?1",
    "DELETE FROM runs WHERE id = ?1",
};

/* Tells of every row below the run, so that no cache keeps one. */
static void tell_deleted(struct store *st, int64_t run_id)
{
    static const struct {
        const char *sql;
        enum change_kind kind;
    } below[] = {
        {"SELECT id, 0 FROM jobs WHERE run_id = ?1", CHANGE_JOB},
        {"SELECT id, job_id FROM steps WHERE job_id IN (SELECT id FROM jobs WHERE run_id = ?1)", CHANGE_STEP},
        {"SELECT id, job_id FROM outputs WHERE job_id IN (SELECT id FROM jobs WHERE run_id = ?1)",
         CHANGE_OUTPUT},
        {"SELECT id, 0 FROM artifacts WHERE run_id = ?1", CHANGE_ARTIFACT},
        {"SELECT id, job_id FROM snapshots WHERE run_id = ?1", CHANGE_SNAPSHOT},
        {"SELECT id, job_id FROM machines WHERE run_id = ?1 AND NOT (lives OR kept)", CHANGE_MACHINE},
    };

    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        sqlite3_stmt *stmt = conn_prepare(&st->writer, below[i].sql);
        if (!stmt)
            continue;
        sqlite3_bind_int64(stmt, 1, run_id);
        while (sqlite3_step(stmt) == SQLITE_ROW)
            store_changed(st, (struct change){.kind = below[i].kind,
                                              .id = sqlite3_column_int64(stmt, 0),
                                              .run_id = run_id,
                                              .job_id = sqlite3_column_int64(stmt, 1),
                                              .deleted = true});
        sqlite3_reset(stmt);
    }
    store_changed(st, (struct change){.kind = CHANGE_RUN, .id = run_id, .deleted = true});
}

static int delete_rows_of_run(struct store *st, int64_t id, struct err *err)
{
    store_begin(st);
    tell_deleted(st, id);
    for (size_t i = 0; i < ARRAY_LEN(delete_run_sql); i++)
        write_ints(st, delete_run_sql[i], &id, 1, err);
    return store_commit(st, err);
}

int store_delete_run(struct store *st, int64_t id, struct err *err)
{
    int r = delete_rows_of_run(st, id, err);

    if (r == -ENOSPC && reserve_give(st))
        r = delete_rows_of_run(st, id, err);
    if (r == 0) {
        log_delete(st, id);
        artifact_remove_run(st, id);
        reserve_keep(st);
    }
    return r;
}

/* -------------------------------------------------------------------------------------------- recovery */

static void recover_step(struct store *st, const struct step_row *old, int64_t now, struct err *err)
{
    struct step_row step = *old;
    struct log_select select = {.run_id = old->run_id, .step_id = old->id, .streams = LOG_OF_STEP};

    step.status = "completed";
    step.outcome = step.conclusion = str_eq(old->status, "in_progress") ? "interrupted" : "cancelled";
    step.completed_at = step.changed_at = now;
    step.log_size = log_size(st, &select);
    select.streams = LOG_STDOUT;
    step.stdout_size = log_size(st, &select);
    select.streams = LOG_STDERR;
    step.stderr_size = log_size(st, &select);
    (void)store_put_step(st, &step, err);
}

static void recover_job(struct store *st, const struct job_row *old, int64_t now, struct err *err)
{
    struct log_select select = {.run_id = old->run_id, .job_id = old->id, .streams = LOG_OF_STEP};
    struct job_row job = *old;
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_steps(st, old->id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct step_row *step = store_get_step(st, ids[i]);
            if (!step)
                store_spoil(st, -ENOMEM);
            else if (!str_eq(step->status, "completed"))
                recover_step(st, step, now, err);
            step_row_unref(step);
        }
        after = ids[n - 1];
    }
    if (n < 0) /* what is not seen would never have an end */
        store_spoil(st, (int)n);
    job.conclusion = str_eq(old->status, "in_progress") ? "interrupted" : "cancelled";
    job.status = "completed";
    job.exit_code = 1;
    job.completed_at = job.changed_at = now;
    job.log_size = log_size(st, &select);
    (void)store_put_job(st, &job, err);
}

/* Whether a job of the run was at work (one that calls a workflow does nothing itself), or nobody knows what
 * was. */
static bool was_at_work(struct store *st, const struct run_row *run)
{
    int64_t ids[64], after = 0;
    bool found = false;
    ssize_t n = 0;

    if (str_eq(run->status, "in_progress") && store_list_jobs(st, run->id, run->attempt, 0, ids, 1) <= 0)
        return true;

    while (!found && (n = store_list_jobs(st, run->id, run->attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct job_row *job = store_get_job(st, ids[i]);
            if (!job)
                store_spoil(st, -ENOMEM);
            found |= job && str_eq(job->status, "in_progress") && !*job->uses;
            job_row_unref(job);
        }
        after = ids[n - 1];
    }
    if (n < 0)
        store_spoil(st, (int)n);
    return found;
}

/* Returns whether the run was interrupted. One in which no job was at work goes on where it was. */
static bool recover_run(struct store *st, int64_t id, struct err *err)
{
    const struct run_row *old = store_get_run(st, id);
    int64_t ids[64], after = 0, now = now_ns();
    ssize_t n;

    if (!old)
        store_spoil(st, -ENOMEM);
    if (!old || !was_at_work(st, old)) {
        run_row_unref(old);
        return false;
    }
    while ((n = store_list_jobs(st, id, old->attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct job_row *job = store_get_job(st, ids[i]);
            if (!job)
                store_spoil(st, -ENOMEM);
            else if (!str_eq(job->status, "completed"))
                recover_job(st, job, now, err);
            job_row_unref(job);
        }
        after = ids[n - 1];
    }
    if (n < 0)
        store_spoil(st, (int)n);
    struct run_row run = *old;
    run.status = "completed";
    run.conclusion = "interrupted";
    run.exit_code = 1;
    run.completed_at = run.changed_at = now;
    run.log_size =
        log_size(st, &(struct log_select){.run_id = id, .attempt = run.attempt, .streams = LOG_OF_RUN});
    (void)store_put_run(st, &run, err);
    run_row_unref(old);
    return true;
}

int store_recover(struct store *st, struct err *err)
{
    int64_t ids[64], after = 0;
    int interrupted = 0;
    ssize_t n;

    while ((n = store_list_runs(st, RUNS_ACTIVE, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            store_begin(st);
            bool begun = recover_run(st, ids[i], err);
            int r = store_commit(st, err);
            if (r < 0)
                return r;
            interrupted += begun;
        }
        after = ids[n - 1];
    }
    return n < 0 ? (int)n : interrupted;
}
