/* Commands that failed and then succeeded although nothing that is known was different. */
#include "runfs/knowledge_rows.h"
#include "store_internal.h"

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

int store_record_flake(struct store *st, const struct flake *f, struct err *err)
{
    store_begin(st);
    write_ints(st,
               "INSERT OR REPLACE INTO flakes (command_id, run_id, failed_run_id, failure_id) VALUES"
               " (?1, ?2, ?3, ?4)",
               INTS(f->command_id, f->run_id, f->failed_run_id, f->failure_id), err);
    store_changed(st, (struct change){.kind = CHANGE_KNOWN_COMMAND, .id = f->command_id});
    return store_commit(st, err);
}

ssize_t store_list_flaky_commands(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT DISTINCT command_id FROM flakes WHERE command_id > ?1 ORDER BY command_id",
                    INTS(after), NULL, ids, max);
}

int store_each_flake(struct store *st, int64_t command, flake_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        !c ? NULL
           : conn_prepare(c, "SELECT failed_run_id, run_id, failure_id FROM flakes WHERE command_id = ?1"
                             " ORDER BY run_id DESC, failed_run_id DESC LIMIT 64");
    struct flake all[64];
    size_t n = 0;
    int r = stmt ? 0 : -ENOMEM;

    if (stmt)
        sqlite3_bind_int64(stmt, 1, command);
    while (stmt && n < ARRAY_LEN(all) && sqlite3_step(stmt) == SQLITE_ROW)
        all[n++] = (struct flake){.command_id = command,
                                  .failed_run_id = sqlite3_column_int64(stmt, 0),
                                  .run_id = sqlite3_column_int64(stmt, 1),
                                  .failure_id = sqlite3_column_int64(stmt, 2)};
    store_reader_done(st, c, stmt);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = fn(data, &all[i]);
    return r;
}
