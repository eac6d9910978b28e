/* How runs and jobs of a workflow went before, and which runs departed from that. */
#include "runfs/knowledge_rows.h"
#include "store_internal.h"

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

static size_t read_outcomes(struct store *st, const char *sql, int64_t id, int64_t before, const char *key,
                            struct outcome *ret, size_t max)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL;
    size_t n = 0;

    if (stmt) {
        sqlite3_bind_int64(stmt, 1, id);
        sqlite3_bind_int64(stmt, 2, before);
        if (key)
            sqlite3_bind_text(stmt, 3, key, -1, SQLITE_STATIC);
    }
    while (stmt && n < max && sqlite3_step(stmt) == SQLITE_ROW)
        ret[n++] = (struct outcome){.success = sqlite3_column_int(stmt, 0) != 0,
                                    .ms = sqlite3_column_int64(stmt, 1) / 1000000};
    store_reader_done(st, c, stmt);
    return n;
}

size_t store_run_history(struct store *st, int64_t workflow_id, int64_t before, struct outcome *ret,
                         size_t max)
{
    return read_outcomes(
        st,
        "SELECT conclusion = 'success', completed_at - started_at FROM runs WHERE workflow_id = ?1"
        " AND id < ?2 AND conclusion IN ('success', 'failure') ORDER BY id DESC LIMIT 200",
        workflow_id, before, NULL, ret, max);
}

size_t store_job_history(struct store *st, int64_t workflow_id, int64_t before, const char *key,
                         struct outcome *ret, size_t max)
{
    return read_outcomes(
        st,
        "SELECT j.conclusion = 'success', j.completed_at - j.started_at FROM runs r JOIN jobs j ON"
        " j.run_id = r.id AND j.attempt = r.attempt AND j.key = ?3 WHERE r.workflow_id = ?1 AND"
        " r.id < ?2 AND j.conclusion IN ('success', 'failure') ORDER BY r.id DESC LIMIT 50",
        workflow_id, before, key, ret, max);
}

int store_put_anomaly(struct store *st, int64_t run_id, const char *why, struct err *err)
{
    store_begin(st);
    if (why)
        WRITE(st, err, "INSERT OR REPLACE INTO anomalies (run_id, why) VALUES (?1, ?2)", P_INT(run_id),
              P_TEXT(why));
    else
        write_ints(st, "DELETE FROM anomalies WHERE run_id = ?1", INTS(run_id), err);
    return store_commit(st, err);
}

ssize_t store_list_anomalies(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT run_id FROM anomalies WHERE run_id > ?1 ORDER BY run_id", INTS(after), NULL,
                    ids, max);
}

int store_anomaly(struct store *st, int64_t run_id, struct buf *ret)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = c ? conn_prepare(c, "SELECT why FROM anomalies WHERE run_id = ?1") : NULL;
    int r = -ENOENT;

    if (stmt) {
        sqlite3_bind_int64(stmt, 1, run_id);
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            buf_adds(ret, (const char *)sqlite3_column_text(stmt, 0));
            r = 0;
        }
    }
    store_reader_done(st, c, stmt);
    return r;
}
