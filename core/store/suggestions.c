/* Pairs of commands that go wrong together, and workflows that cache nothing. */
#include "runfs/knowledge_rows.h"
#include "store_internal.h"

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

int64_t store_uncached_workflows(struct store *st, int64_t command)
{
    return read_int(
        st,
        "SELECT count(*) FROM command_workflows w JOIN workflows f ON f.id = w.workflow_id AND f.removed = 0"
        " WHERE w.command_id = ?1 AND NOT EXISTS (SELECT 1 FROM command_workflows o JOIN known_commands k"
        " ON k.id = o.command_id WHERE o.workflow_id = w.workflow_id AND k.name IN ('actions/cache',"
        " 'actions/cache/restore', 'actions/setup-node', 'actions/setup-python', 'actions/setup-go',"
        " 'actions/setup-java'))",
        INTS(command), NULL, 0);
}

bool store_run_used(struct store *st, int64_t run_id, int64_t command)
{
    return read_int(st, "SELECT 1 FROM command_uses WHERE run_id = ?1 AND command_id = ?2 LIMIT 1",
                    INTS(run_id, command), NULL, 0) == 1;
}

bool store_get_pair(struct store *st, struct command_pair *p)
{
    p->successes = read_int(st, "SELECT successes FROM command_edges WHERE from_id = ?1 AND to_id = ?2",
                            INTS(p->from, p->to), NULL, -1);
    p->failures = read_int(st, "SELECT failures FROM command_edges WHERE from_id = ?1 AND to_id = ?2",
                           INTS(p->from, p->to), NULL, -1);
    return p->successes >= 0 && p->failures >= 0;
}

int store_each_bad_pair(struct store *st, command_pair_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        !c ? NULL
           : conn_prepare(c, "SELECT from_id, to_id, successes, failures FROM command_edges WHERE"
                             " failures >= 3 AND failures >= successes ORDER BY failures DESC LIMIT 64");
    struct command_pair pairs[64];
    size_t n = 0;
    int r = stmt ? 0 : -ENOMEM;

    while (stmt && n < ARRAY_LEN(pairs) && sqlite3_step(stmt) == SQLITE_ROW) {
        pairs[n] = (struct command_pair){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                                         sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3)};
        n++;
    }
    store_reader_done(st, c, stmt);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = fn(data, &pairs[i]);
    return r;
}
