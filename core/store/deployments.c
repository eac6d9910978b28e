/* Jobs with an environment: to GitHub's API each is a deployment. One that was skipped deployed nothing, and
 * one that an attempt has from the one before it is no second. */
#include "store_internal.h"

#define DEPLOYED                                                                                             \
    " FROM jobs j JOIN runs r ON r.id = j.run_id LEFT JOIN workflows w ON w.id = r.workflow_id"              \
    " WHERE j.environment <> '' AND j.conclusion <> 'skipped' AND j.log_job_id IN (0, j.id)"                 \
    " AND coalesce(w.repo_id, 0) = ?1 AND (?2 = 0 OR j.id = ?2) AND (?3 = '' OR r.sha = ?3 OR r.head_sha = " \
    "?3)"                                                                                                    \
    " AND (?4 = '' OR r.head_branch = ?4 OR r.ref = ?4"                                                      \
    "      OR (r.head_branch = '' AND (r.ref = 'refs/heads/' || ?4 OR r.ref = 'refs/tags/' || ?4)))"         \
    " AND (?5 = '' OR lower(j.environment) = lower(?5))"

static sqlite3_stmt *bind(struct conn *c, const char *sql, const struct deployment_query *q)
{
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL;
    const char *const texts[] = {q->sha, q->ref, q->environment};

    if (!stmt)
        return NULL;
    sqlite3_bind_int64(stmt, 1, q->repo_id);
    sqlite3_bind_int64(stmt, 2, q->id);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        sqlite3_bind_text(stmt, (int)i + 3, texts[i] ? texts[i] : "", -1, SQLITE_STATIC);
    return stmt;
}

ssize_t store_query_deployments(struct store *st, const struct deployment_query *q, int64_t *ids, size_t max)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = bind(c, "SELECT j.id" DEPLOYED " ORDER BY j.id DESC LIMIT ?6 OFFSET ?7", q);
    size_t n = 0;

    if (stmt) {
        sqlite3_bind_int64(stmt, 6, (int64_t)max);
        sqlite3_bind_int64(stmt, 7, q->skip);
    }
    while (stmt && n < max && sqlite3_step(stmt) == SQLITE_ROW)
        ids[n++] = sqlite3_column_int64(stmt, 0);
    store_reader_done(st, c, stmt);
    return stmt ? (ssize_t)n : -ENOMEM;
}

int64_t store_count_deployments(struct store *st, const struct deployment_query *q)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = bind(c, "SELECT count(*)" DEPLOYED, q);
    int64_t n = stmt && sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;

    store_reader_done(st, c, stmt);
    return n;
}
