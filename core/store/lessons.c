/* What lessons are made of: where a failure was met, and how it went since it was mended. */
#include "runfs/knowledge_rows.h"
#include "store_internal.h"

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

ssize_t store_list_lessons(struct store *st, int64_t threshold, int64_t seen_since, int64_t after,
                           int64_t *ids, size_t max)
{
    return list_ids(st,
                    "SELECT id FROM failures WHERE count >= ?1 AND last_seen >= ?2 AND id > ?3 ORDER BY id",
                    INTS(threshold, seen_since, after), NULL, ids, max);
}

int store_each_failure_site(struct store *st, int64_t failure_id, failure_site_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        !c ? NULL
           : conn_prepare(
                 c, "SELECT r.workflow_name, j.job_id, s.number, s.name, count(*), max(u.run_id) FROM"
                    " failure_uses u JOIN steps s ON s.id = u.step_id JOIN jobs j ON j.id = s.job_id JOIN"
                    " runs r ON r.id = u.run_id WHERE u.failure_id = ?1 GROUP BY 1, 2, 3 ORDER BY 5 DESC, 1"
                    " LIMIT 8");
    int r = stmt ? 0 : -ENOMEM;

    if (stmt)
        sqlite3_bind_int64(stmt, 1, failure_id);
    while (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
        r = fn(data, &(struct failure_site){.workflow = (const char *)sqlite3_column_text(stmt, 0),
                                            .job = (const char *)sqlite3_column_text(stmt, 1),
                                            .number = sqlite3_column_int(stmt, 2),
                                            .step = (const char *)sqlite3_column_text(stmt, 3),
                                            .count = sqlite3_column_int64(stmt, 4),
                                            .last_run = sqlite3_column_int64(stmt, 5)});
    store_reader_done(st, c, stmt);
    return r;
}

void store_since_fix(struct store *st, const struct failure_row *f, int64_t *ret_good, int64_t *ret_bad)
{
    *ret_good =
        read_int(st,
                 "SELECT count(*) FROM runs WHERE id >= ?1 AND conclusion = 'success' AND workflow_id IN"
                 " (SELECT workflow_id FROM runs WHERE id = ?1)",
                 INTS(f->fixed_run_id), NULL, 0);
    *ret_bad =
        read_int(st, "SELECT count(DISTINCT run_id) FROM failure_uses WHERE failure_id = ?1 AND run_id > ?2",
                 INTS(f->id, f->fixed_run_id), NULL, 0);
}
