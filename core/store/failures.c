/* Failures by their signatures: how often, when, where, in what commands, and what made them go away. */
#include <stddef.h>

#include "row_table.h"
#include "runfs/knowledge_rows.h"

#define FAILURE_COLUMNS(FIRST, X)                                                                            \
    FIRST(failure_row, TEXT, signature)                                                                      \
    X(failure_row, TEXT, slug)                                                                               \
    X(failure_row, TEXT, line)                                                                               \
    X(failure_row, I64, count)                                                                               \
    X(failure_row, I64, first_seen)                                                                          \
    X(failure_row, I64, last_seen)                                                                           \
    X(failure_row, I64, fixed_run_id)                                                                        \
    X(failure_row, TEXT, fix)                                                                                \
    X(failure_row, I64, changed_at)

static const struct row_table failure_table = {
    ROW_READ("failures", failure_row, FAILURE_COLUMNS),
    .change = CHANGE_FAILURE,
    .slot = 2,
};

ROW_READER(failure)

/* --------------------------------------------------------------------------------------------- recording */

static int64_t failure_id(struct store *st, const char *signature, const char *line, int64_t at)
{
    int64_t id =
        write_values(st,
                     "UPDATE failures SET count = count + 1, line = ?2, last_seen = ?3, changed_at = ?3"
                     " WHERE signature = ?1 RETURNING id",
                     0, "ssi", signature, line, at);
    _buf_ struct buf slug = BUF_INIT;

    if (id || st->failed)
        return id;
    write_unique_slug(st, "SELECT id FROM failures WHERE slug = ?1", signature, &slug);
    write_values(
        st,
        "INSERT INTO failures (signature, slug, line, count, first_seen, last_seen, fixed_run_id, fix,"
        " changed_at) VALUES (?1, ?2, ?3, 1, ?4, ?4, 0, '', ?4)",
        0, "sssi", signature, buf_str(&slug), line, at);
    return st->failed ? 0 : sqlite3_last_insert_rowid(st->writer.db);
}

int store_record_failure(struct store *st, const struct command_place *place,
                         const struct failure_place *step, const char *signature, const char *line,
                         int64_t command, struct err *err)
{
    store_begin(st);
    int64_t id = failure_id(st, signature, line, place->at);
    write_values(
        st, "INSERT OR REPLACE INTO failure_uses (run_id, step_id, failure_id, at) VALUES (?1, ?2, ?3, ?4)",
        0, "iiii", place->run_id, place->step_id, id, place->at);
    if (command)
        write_values(st,
                     "INSERT INTO command_failures (command_id, failure_id, count) VALUES (?1, ?2, 1)"
                     " ON CONFLICT (command_id, failure_id) DO UPDATE SET count = count + 1",
                     0, "ii", command, id);
    write_values(
        st,
        "INSERT OR REPLACE INTO open_failures (workflow_id, job_key, number, failure_id, run_id, step_id)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        0, "isiiii", step->workflow_id, step->job_key, (int64_t)step->number, id, place->run_id,
        place->step_id);
    store_changed(st, (struct change){.kind = CHANGE_FAILURE, .id = id});
    return store_commit(st, err);
}

/* By the writer: the step that asks is in a group of it, and what it asks for is in few rows. */
bool store_open_failure(struct store *st, const struct failure_place *step, struct open_failure *ret)
{
    bool found = false;

    store_begin(st);
    sqlite3_stmt *stmt =
        st->failed ? NULL
                   : conn_prepare(&st->writer, "SELECT failure_id, run_id, step_id FROM open_failures WHERE"
                                               " workflow_id = ?1 AND job_key = ?2 AND number = ?3");
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, step->workflow_id);
        sqlite3_bind_text(stmt, 2, step->job_key, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 3, step->number);
        found = sqlite3_step(stmt) == SQLITE_ROW;
        if (found)
            *ret = (struct open_failure){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                                         sqlite3_column_int64(stmt, 2)};
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    return store_commit(st, NULL) == 0 && found;
}

int store_record_fix(struct store *st, const struct failure_place *step, int64_t failure_id_, int64_t run_id,
                     const char *what, struct err *err)
{
    store_begin(st);
    write_values(st, "UPDATE failures SET fixed_run_id = ?2, fix = ?3 WHERE id = ?1", 0, "iis", failure_id_,
                 run_id, what);
    write_values(st, "DELETE FROM open_failures WHERE workflow_id = ?1 AND job_key = ?2 AND number = ?3", 0,
                 "isi", step->workflow_id, step->job_key, (int64_t)step->number);
    store_changed(st, (struct change){.kind = CHANGE_FAILURE, .id = failure_id_});
    return store_commit(st, err);
}

/* ----------------------------------------------------------------------------------------------- reading */

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

int64_t store_find_failure(struct store *st, const char *slug)
{
    return read_int(st, "SELECT id FROM failures WHERE slug = ?1", NULL, 0, slug, 0);
}

ssize_t store_list_failures(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM failures WHERE id > ?1 ORDER BY id", INTS(after), NULL, ids, max);
}

int64_t store_failure_of_step(struct store *st, int64_t run_id, int64_t step_id)
{
    return read_int(st, "SELECT failure_id FROM failure_uses WHERE run_id = ?1 AND step_id = ?2",
                    INTS(run_id, step_id), NULL, 0);
}

ssize_t store_list_failure_links(struct store *st, enum failure_link link, int64_t id, int64_t after,
                                 int64_t *ids, size_t max)
{
    static const char *const sql[] = {
        [FAILURE_RUNS] = "SELECT DISTINCT run_id FROM failure_uses WHERE failure_id = ?1 AND run_id > ?2"
                         " AND run_id >= (SELECT min(run_id) FROM (SELECT DISTINCT run_id FROM failure_uses"
                         "  WHERE failure_id = ?1 ORDER BY run_id DESC LIMIT 256)) ORDER BY run_id",
        [FAILURE_COMMANDS] =
            "SELECT command_id FROM command_failures WHERE failure_id = ?1 AND command_id > ?2"
            " ORDER BY command_id",
        [COMMAND_FAILURES] =
            "SELECT failure_id FROM command_failures WHERE command_id = ?1 AND failure_id > ?2"
            " ORDER BY failure_id",
        [COMMAND_WORKFLOWS] =
            "SELECT workflow_id FROM command_workflows WHERE command_id = ?1 AND workflow_id > ?2"
            " ORDER BY workflow_id"};

    if (link == FAILURE_COMMANDS || link == FAILURE_RUNS)
        return row_list(st, link == FAILURE_RUNS ? &run_table : &known_command_table, sql[link],
                        INTS(id, after), ids, max);
    return list_ids(st, sql[link], INTS(id, after), NULL, ids, max);
}

bool store_is_failure_link(struct store *st, enum failure_link link, int64_t id, int64_t other)
{
    int64_t one;

    return store_list_failure_links(st, link, id, other - 1, &one, 1) == 1 && one == other;
}
