/* Runs by what they have in common, newest first: the filters of GitHub's API. */
#include "store_internal.h"

#define MATCHING                                                                                             \
    " FROM runs r LEFT JOIN workflows w ON w.id = r.workflow_id"                                             \
    " WHERE (?1 < 0 OR coalesce(w.repo_id, 0) = ?1) AND (?2 = 0 OR r.workflow_id = ?2)"                      \
    " AND r.created_at BETWEEN ?3 AND ?4"                                                                    \
    " AND (?5 = '' OR r.head_branch = ?5"                                                                    \
    "      OR (r.head_branch = '' AND (r.ref = 'refs/heads/' || ?5 OR r.ref = 'refs/tags/' || ?5)))"         \
    " AND (?6 = '' OR r.event = ?6) AND (?7 = '' OR r.actor = ?7 COLLATE NOCASE)"                            \
    " AND (?8 = '' OR r.sha = ?8 OR r.head_sha = ?8)"                                                        \
    " AND (?9 = '' OR r.status = ?9 OR r.conclusion = ?9"                                                    \
    "      OR (?9 = 'failure' AND r.conclusion = 'interrupted')"                                             \
    "      OR (?9 = 'active' AND r.status <> 'completed'))"                                                  \
    " AND (?10 = 0 OR r.id < ?10) AND (?11 = 0 OR r.id = ?11)"

static sqlite3_stmt *bind(struct conn *c, const char *sql, const struct run_query *q)
{
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL;
    const int64_t ints[] = {q->repo_id, q->workflow_id, q->created_from, q->created_to};
    const char *const texts[] = {q->branch, q->event, q->actor, q->sha, q->status};

    for (size_t i = 0; stmt && i < ARRAY_LEN(ints); i++)
        sqlite3_bind_int64(stmt, (int)i + 1, ints[i]);
    for (size_t i = 0; stmt && i < ARRAY_LEN(texts); i++)
        sqlite3_bind_text(stmt, (int)(i + ARRAY_LEN(ints)) + 1, texts[i], -1, SQLITE_STATIC);
    if (stmt) {
        sqlite3_bind_int64(stmt, 10, q->before);
        sqlite3_bind_int64(stmt, 11, q->id);
    }
    return stmt;
}

ssize_t store_query_runs(struct store *st, const struct run_query *q, int64_t *ids, size_t max)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = bind(c, "SELECT r.id" MATCHING " ORDER BY r.id DESC LIMIT ?12 OFFSET ?13", q);
    size_t n = 0;

    if (stmt) {
        sqlite3_bind_int64(stmt, 12, (int64_t)max);
        sqlite3_bind_int64(stmt, 13, q->skip);
    }
    while (stmt && n < max && sqlite3_step(stmt) == SQLITE_ROW)
        ids[n++] = sqlite3_column_int64(stmt, 0);
    store_reader_done(st, c, stmt);
    return stmt ? (ssize_t)n : -ENOMEM;
}

int64_t store_count_query(struct store *st, const struct run_query *q)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = bind(c, "SELECT count(*)" MATCHING, q);
    int64_t n = stmt && sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;

    store_reader_done(st, c, stmt);
    return n;
}
