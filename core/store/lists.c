/* Finding and listing by indexed queries, and the rows that are too simple for a table of columns. */
#include "store_internal.h"

#include "runfs/io.h"

/* Binds up to n integers to ?1.. and a text behind them; steps; hands each row's first integer over. */
static sqlite3_stmt *query(struct conn *c, const char *sql, const int64_t *ints, size_t n, const char *text)
{
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL;

    if (!stmt)
        return NULL;
    for (size_t i = 0; i < n; i++)
        sqlite3_bind_int64(stmt, (int)i + 1, ints[i]);
    if (text)
        sqlite3_bind_text(stmt, (int)n + 1, text, -1, SQLITE_STATIC);
    return stmt;
}

int64_t read_int(struct store *st, const char *sql, const int64_t *ints, size_t n, const char *text,
                 int64_t none)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = query(c, sql, ints, n, text);
    int64_t value = none;

    if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    store_reader_done(st, c, stmt);
    return value;
}

ssize_t list_end(int rc, size_t got)
{
    return got || rc == SQLITE_ROW || rc == SQLITE_DONE ? (ssize_t)got : rc == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

ssize_t list_ids(struct store *st, const char *sql, const int64_t *ints, size_t n, const char *text,
                 int64_t *ids, size_t max)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = query(c, sql, ints, n, text);
    int rc = stmt ? SQLITE_ROW : SQLITE_NOMEM;
    size_t got = 0;

    while (rc == SQLITE_ROW && got < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        ids[got++] = sqlite3_column_int64(stmt, 0);
    store_reader_done(st, c, stmt);
    return list_end(rc, got);
}

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

/* --------------------------------------------------------------------------------------------- finding */

int64_t store_find_workflow(struct store *st, int64_t repo_id, const char *name, bool removed)
{
    return removed ? read_int(st, "SELECT id FROM workflows WHERE repo_id = ?1 AND name = ?2", INTS(repo_id),
                              name, 0)
                   : read_int(st, "SELECT id FROM workflows WHERE repo_id = ?1 AND name = ?2 AND removed = 0",
                              INTS(repo_id), name, 0);
}

int64_t store_find_workflow_title(struct store *st, const char *title)
{
    return read_int(
        st, "SELECT id FROM workflows WHERE title = ?1 AND removed = 0 ORDER BY last_run DESC LIMIT 1", NULL,
        0, title, 0);
}

int64_t store_find_repo(struct store *st, const char *name)
{
    return read_int(st, "SELECT id FROM repos WHERE name = ?1", NULL, 0, name, 0);
}

int64_t store_find_repo_called(struct store *st, const char *full_name)
{
    return *full_name ? read_int(st, "SELECT id FROM repos WHERE full_name = ?1", NULL, 0, full_name, 0) : 0;
}

int64_t store_find_error(struct store *st, const char *name)
{
    return read_int(st, "SELECT id FROM errors WHERE name = ?1", NULL, 0, name, 0);
}

int64_t store_find_delivery(struct store *st, const char *name)
{
    return read_int(st, "SELECT id FROM deliveries WHERE name = ?1", NULL, 0, name, 0);
}

int64_t store_find_job(struct store *st, int64_t run_id, int attempt, const char *key)
{
    return read_int(st, "SELECT id FROM jobs WHERE run_id = ?1 AND attempt = ?2 AND key = ?3",
                    INTS(run_id, attempt), key, 0);
}

int64_t store_find_output(struct store *st, int64_t job_id, int64_t step_id, const char *name)
{
    return read_int(st, "SELECT id FROM outputs WHERE job_id = ?1 AND step_id = ?2 AND name = ?3",
                    INTS(job_id, step_id), name, 0);
}

int64_t store_find_setting(struct store *st, enum setting_kind kind, const char *name)
{
    static const char *const sql[] = {
        "SELECT id FROM config WHERE name = ?1", "SELECT id FROM secrets WHERE name = ?1",
        "SELECT id FROM vars WHERE name = ?1", "SELECT id FROM tokens WHERE name = ?1"};

    return read_int(st, sql[kind], NULL, 0, name, 0);
}

/* --------------------------------------------------------------------------------------------- listing */

ssize_t store_list_workflows(struct store *st, int64_t repo_id, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM workflows WHERE repo_id = ?1 AND id > ?2 AND removed = 0 ORDER BY id",
                    INTS(repo_id, after), NULL, ids, max);
}

ssize_t store_list_workflows_with_runs(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st,
                    "SELECT id FROM workflows WHERE id > ?1 AND EXISTS"
                    " (SELECT 1 FROM runs WHERE workflow_id = workflows.id) ORDER BY id",
                    INTS(after), NULL, ids, max);
}

ssize_t store_list_repos(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM repos WHERE id > ?1 ORDER BY id", INTS(after), NULL, ids, max);
}

ssize_t store_list_errors(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM errors WHERE id > ?1 ORDER BY id", INTS(after), NULL, ids, max);
}

ssize_t store_list_runs(struct store *st, enum run_filter filter, int64_t after, int64_t *ids, size_t max)
{
    static const char *const sql[] = {
        [RUNS_ALL] = "SELECT id FROM runs WHERE id > ?1 ORDER BY id",
        [RUNS_ACTIVE] = "SELECT id FROM runs WHERE status <> 'completed' AND id > ?1 ORDER BY id",
        [RUNS_FAILED] =
            "SELECT id FROM runs WHERE conclusion NOT IN ('', 'success', 'skipped') AND id > ?1 ORDER BY id",
    };

    return list_ids(st, sql[filter], INTS(after), NULL, ids, max);
}

ssize_t store_list_runs_of(struct store *st, int64_t workflow_id, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM runs WHERE workflow_id = ?1 AND id > ?2 ORDER BY id",
                    INTS(workflow_id, after), NULL, ids, max);
}

ssize_t store_list_jobs(struct store *st, int64_t run_id, int attempt, int64_t after, int64_t *ids,
                        size_t max)
{
    return list_ids(st, "SELECT id FROM jobs WHERE run_id = ?1 AND attempt = ?2 AND id > ?3 ORDER BY id",
                    INTS(run_id, attempt, after), NULL, ids, max);
}

ssize_t store_list_steps(struct store *st, int64_t job_id, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM steps WHERE job_id = ?1 AND id > ?2 ORDER BY id", INTS(job_id, after),
                    NULL, ids, max);
}

ssize_t store_find_steps(struct store *st, int64_t job_id, int number, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM steps WHERE job_id = ?1 AND max(number, 0) = ?2 ORDER BY id",
                    INTS(job_id, number), NULL, ids, max);
}

ssize_t store_list_outputs(struct store *st, int64_t job_id, int64_t step_id, int64_t after, int64_t *ids,
                           size_t max)
{
    return list_ids(st, "SELECT id FROM outputs WHERE job_id = ?1 AND step_id = ?2 AND id > ?3 ORDER BY id",
                    INTS(job_id, step_id, after), NULL, ids, max);
}

ssize_t store_list_settings(struct store *st, enum setting_kind kind, const char *prefix, int64_t after,
                            int64_t *ids, size_t max)
{
    static const char *const sql[] = {
        "SELECT id FROM config WHERE id > ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY id",
        "SELECT id FROM secrets WHERE id > ?1 AND substr(name, 1, length(?2)) = ?2"
        " AND instr(substr(name, length(?2) + 1), '/') = 0 ORDER BY id",
        "SELECT id FROM vars WHERE id > ?1 AND substr(name, 1, length(?2)) = ?2"
        " AND instr(substr(name, length(?2) + 1), '/') = 0 ORDER BY id",
        "SELECT id FROM tokens WHERE id > ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY id",
    };

    return list_ids(st, sql[kind], INTS(after), prefix ? prefix : "", ids, max);
}

ssize_t store_list_all_secrets(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM secrets WHERE id > ?1 ORDER BY id", INTS(after), NULL, ids, max);
}

int64_t store_latest_run(struct store *st)
{
    return read_int(st, "SELECT max(id) FROM runs", NULL, 0, NULL, 0);
}

ssize_t store_runs_before(struct store *st, int64_t completed_before, int64_t *ids, size_t max)
{
    return list_ids(
        st, "SELECT id FROM runs WHERE status = 'completed' AND completed_at < ?1 ORDER BY completed_at",
        INTS(completed_before), NULL, ids, max);
}

int64_t store_count_runs(struct store *st, const char *status, const char *conclusion)
{
    bool by_status = status && *status, by_conclusion = conclusion && *conclusion;

    if (by_conclusion)
        return read_int(st, "SELECT count(*) FROM runs WHERE conclusion = ?1", NULL, 0, conclusion, 0);
    if (by_status)
        return read_int(st, "SELECT count(*) FROM runs WHERE status = ?1", NULL, 0, status, 0);
    return read_int(st, "SELECT count(*) FROM runs", NULL, 0, NULL, 0);
}

/* ------------------------------------------------------------------------------------ texts, annotations */

static int read_text(struct store *st, const char *sql, const int64_t *params, size_t n, struct buf *ret)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = query(c, sql, params, n, NULL);
    int r = stmt ? -ENOENT : -ENOMEM;

    if (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        const void *text = sqlite3_column_text(stmt, 0);
        buf_add(ret, text ? text : "", (size_t)sqlite3_column_bytes(stmt, 0));
        r = buf_ok(ret) ? 0 : -ENOMEM;
    }
    store_reader_done(st, c, stmt);
    return r;
}

int store_run_text(struct store *st, int64_t run_id, enum run_text which, struct buf *ret)
{
    return read_text(st, "SELECT text FROM run_texts WHERE run_id = ?1 AND which = ?2", INTS(run_id, which),
                     ret);
}

int store_step_state(struct store *st, int64_t step_id, struct buf *ret)
{
    return read_text(st, "SELECT state FROM step_states WHERE step_id = ?1", INTS(step_id), ret);
}

int store_attempt_source(struct store *st, int64_t id, struct buf *ret)
{
    return read_text(st, "SELECT source FROM attempts WHERE id = ?1", INTS(id), ret);
}

int store_attempt_result(struct store *st, int64_t id, struct buf *ret)
{
    return read_text(st, "SELECT result FROM attempts WHERE id = ?1 AND result IS NOT NULL", INTS(id), ret);
}

int store_setting(struct store *st, enum setting_kind kind, const char *name, struct buf *ret)
{
    const struct setting_row *row = store_get_setting(st, kind, store_find_setting(st, kind, name));

    if (!row)
        return -ENOENT;
    buf_adds(ret, row->value);
    setting_row_unref(row);
    return buf_ok(ret) ? 0 : -ENOMEM;
}

static const char *column_str(sqlite3_stmt *stmt, int i)
{
    const unsigned char *s = sqlite3_column_text(stmt, i);

    return s ? (const char *)s : "";
}

/* What stands before the last slash of a name. */
#define ENVIRONMENT_OF "rtrim(rtrim(name, replace(name, '/', '')), '/')"

int store_each_environment(struct store *st, int64_t repo_id, environment_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = query(
        c,
        "SELECT max(name) FROM (SELECT j.environment AS name FROM jobs AS j JOIN runs AS r ON r.id = j.run_id"
        " LEFT JOIN workflows AS w ON w.id = r.workflow_id WHERE j.environment <> ''"
        " AND coalesce(w.repo_id, 0) = ?1 AND NOT EXISTS (SELECT 1 FROM config AS c"
        "  WHERE c.name = '" ENVIRONMENT_MARK "' || lower(j.environment) AND c.value = ''"
        "  AND c.changed_at >= j.created_at)"
        " UNION ALL SELECT value FROM config WHERE name GLOB '" ENVIRONMENT_MARK "*' AND value <> ''"
        " UNION ALL SELECT " ENVIRONMENT_OF " FROM secrets WHERE instr(name, '/')"
        " UNION ALL SELECT " ENVIRONMENT_OF " FROM vars WHERE instr(name, '/'))"
        " GROUP BY lower(name) ORDER BY lower(name)",
        INTS(repo_id), NULL);
    int r = stmt ? 0 : -ENOMEM;

    while (r == 0 && stmt && sqlite3_step(stmt) == SQLITE_ROW)
        r = fn(data, column_str(stmt, 0));
    store_reader_done(st, c, stmt);
    return r;
}

int store_each_annotation(struct store *st, int64_t run_id, int attempt, annotation_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        query(c,
              "SELECT id, run_id, job_id, step_id, attempt, level, title, file, message, line, col"
              " FROM annotations WHERE run_id = ?1 AND attempt = ?2 ORDER BY id",
              INTS(run_id, attempt), NULL);
    int r = stmt ? 0 : -ENOMEM;

    while (r == 0 && stmt && sqlite3_step(stmt) == SQLITE_ROW)
        r = fn(data, &(struct annotation_row){
                         .id = sqlite3_column_int64(stmt, 0),
                         .run_id = sqlite3_column_int64(stmt, 1),
                         .job_id = sqlite3_column_int64(stmt, 2),
                         .step_id = sqlite3_column_int64(stmt, 3),
                         .attempt = sqlite3_column_int(stmt, 4),
                         .level = column_str(stmt, 5),
                         .title = column_str(stmt, 6),
                         .file = column_str(stmt, 7),
                         .message = column_str(stmt, 8),
                         .line = sqlite3_column_int(stmt, 9),
                         .col = sqlite3_column_int(stmt, 10),
                     });
    store_reader_done(st, c, stmt);
    return r;
}
