/* How the jobs and steps of a workflow went in its newest runs: what suggestions about them are made of. */
#include "runfs/knowledge_rows.h"
#include "store_internal.h"

/* Backends whose machines are made for one job. */
#define FRESH "'sandbox', 'bubblewrap', 'qemu', 'firecracker', 'fcctl'"

static sqlite3_stmt *prepare(struct conn *c, const char *sql, int64_t id, const char *a, const char *b)
{
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL;

    if (stmt) {
        sqlite3_bind_int64(stmt, 1, id);
        if (a)
            sqlite3_bind_text(stmt, 2, a, -1, SQLITE_STATIC);
        if (b)
            sqlite3_bind_text(stmt, 3, b, -1, SQLITE_STATIC);
    }
    return stmt;
}

size_t store_recent_workflows(struct store *st, int64_t *ret, size_t max)
{
    ssize_t n =
        list_ids(st,
                 "SELECT w.id FROM (SELECT workflow_id, max(id) AS newest FROM (SELECT workflow_id, id"
                 " FROM runs ORDER BY id DESC LIMIT 1000) GROUP BY workflow_id) r JOIN workflows w ON"
                 " w.id = r.workflow_id AND w.removed = 0 ORDER BY r.newest DESC",
                 NULL, 0, NULL, ret, max);

    return n < 0 ? 0 : (size_t)n;
}

size_t store_job_pairs(struct store *st, int64_t workflow_id, const char *a, const char *b,
                       struct job_pair *ret, size_t max)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = prepare(
        c,
        "SELECT a.conclusion = 'success', b.conclusion = 'success', a.completed_at - a.started_at,"
        " b.completed_at - b.started_at, a.backend IN (" FRESH ") AND b.backend IN (" FRESH ")"
        " FROM (SELECT id, attempt FROM runs WHERE workflow_id = ?1 AND status ="
        " 'completed' ORDER BY id DESC LIMIT 50) r JOIN jobs a ON a.run_id = r.id AND a.attempt = r.attempt"
        " AND a.key = ?2 AND a.started_at > 0 JOIN jobs b ON b.run_id = r.id AND b.attempt = r.attempt AND"
        " b.key = ?3 AND b.started_at > 0 ORDER BY r.id DESC",
        workflow_id, a, b);
    size_t n = 0;

    while (stmt && n < max && sqlite3_step(stmt) == SQLITE_ROW)
        ret[n++] = (struct job_pair){.success_a = sqlite3_column_int(stmt, 0) != 0,
                                     .success_b = sqlite3_column_int(stmt, 1) != 0,
                                     .ms_a = sqlite3_column_int64(stmt, 2) / 1000000,
                                     .ms_b = sqlite3_column_int64(stmt, 3) / 1000000,
                                     .apart = sqlite3_column_int(stmt, 4) != 0};
    store_reader_done(st, c, stmt);
    return n;
}

int64_t store_job_failures(struct store *st, int64_t workflow_id, const char *key)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        prepare(c,
                "SELECT count(*) FROM (SELECT id FROM runs WHERE workflow_id = ?1 ORDER BY id"
                " DESC LIMIT 50) r JOIN jobs j ON j.run_id = r.id AND j.key = ?2 WHERE"
                " j.status = 'completed' AND j.conclusion <> 'success'",
                workflow_id, key, NULL);
    int64_t n = stmt && sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : INT64_MAX;

    store_reader_done(st, c, stmt);
    return n;
}

int store_each_job_command(struct store *st, int64_t workflow_id, const char *key, command_name_fn *fn,
                           void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = prepare(
        c,
        "SELECT DISTINCT k.name FROM (SELECT j.run_id, j.id FROM runs r JOIN jobs j ON j.run_id = r.id AND"
        " j.attempt = r.attempt AND j.key = ?2 AND j.conclusion = 'success' WHERE r.workflow_id = ?1"
        " ORDER BY r.id DESC LIMIT 1) j JOIN command_uses u ON u.run_id = j.run_id AND u.job_id = j.id"
        " JOIN known_commands k ON k.id = u.command_id",
        workflow_id, key, NULL);
    int r = stmt ? 0 : -ENOMEM;

    while (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
        r = fn(data, (const char *)sqlite3_column_text(stmt, 0));
    store_reader_done(st, c, stmt);
    return r;
}

int store_each_step_use(struct store *st, int64_t workflow_id, const char *key, int number, int max,
                        step_use_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = prepare(
        c,
        "SELECT r.id, s.id, s.completed_at - s.started_at, s.stdout_size + s.stderr_size, s.outcome ="
        " 'success', r.sha, s.script, (SELECT group_concat(name || '=' || value, char(10)) FROM (SELECT name,"
        " value FROM outputs WHERE job_id = j.id AND step_id = s.id ORDER BY name)) FROM runs r JOIN jobs j"
        " ON j.run_id = r.id AND j.attempt = r.attempt AND j.key = ?2 JOIN steps s ON s.job_id = j.id AND"
        " s.number = ?4 AND s.status = 'completed' AND s.started_at > 0 WHERE r.workflow_id = ?1"
        " ORDER BY r.id DESC LIMIT ?5",
        workflow_id, key, NULL);
    int r = stmt ? 0 : -ENOMEM;

    if (stmt) {
        sqlite3_bind_int(stmt, 4, number);
        sqlite3_bind_int(stmt, 5, max);
    }
    while (r == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *outputs = (const char *)sqlite3_column_text(stmt, 7);
        r = fn(data, &(struct step_use){.run_id = sqlite3_column_int64(stmt, 0),
                                        .step_id = sqlite3_column_int64(stmt, 1),
                                        .ms = sqlite3_column_int64(stmt, 2) / 1000000,
                                        .output_size = sqlite3_column_int64(stmt, 3),
                                        .success = sqlite3_column_int(stmt, 4) != 0,
                                        .sha = (const char *)sqlite3_column_text(stmt, 5),
                                        .script = (const char *)sqlite3_column_text(stmt, 6),
                                        .outputs = outputs ? outputs : ""});
    }
    store_reader_done(st, c, stmt);
    return r;
}
