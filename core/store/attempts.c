/* Attempts that a later one followed: what of a run's row each of them was. Its jobs, steps and logs stay as
 * they are, under its number. */
#include <stddef.h>

#include "store_internal.h"

static const struct column attempt_columns[] = {
    {"id", COLUMN_I64, offsetof(struct attempt_row, id)},
    {"run_id", COLUMN_I64, offsetof(struct attempt_row, run_id)},
    {"attempt", COLUMN_INT, offsetof(struct attempt_row, attempt)},
    {"conclusion", COLUMN_TEXT, offsetof(struct attempt_row, conclusion)},
    {"exit_code", COLUMN_INT, offsetof(struct attempt_row, exit_code)},
    {"why", COLUMN_TEXT, offsetof(struct attempt_row, why)},
    {"started_at", COLUMN_I64, offsetof(struct attempt_row, started_at)},
    {"completed_at", COLUMN_I64, offsetof(struct attempt_row, completed_at)},
    {"log_size", COLUMN_I64, offsetof(struct attempt_row, log_size)},
};

static const struct row_table attempt_table = {
    .name = "attempts",
    .columns = attempt_columns,
    .n_columns = ARRAY_LEN(attempt_columns),
    .size = sizeof(struct attempt_row),
    .slot = 3,
    .get_sql =
        "SELECT id, run_id, attempt, conclusion, exit_code, why, started_at, completed_at, log_size FROM "
        "attempts WHERE id = ?1",
};

const struct attempt_row *store_get_attempt(struct store *st, int64_t id)
{
    return row_get(st, &attempt_table, id);
}

void attempt_row_unref(const struct attempt_row *r)
{
    row_unref(r);
}

int64_t store_find_attempt(struct store *st, int64_t run_id, int attempt)
{
    return read_int(st, "SELECT id FROM attempts WHERE run_id = ?1 AND attempt = ?2",
                    (const int64_t[]){run_id, attempt}, 2, NULL, 0);
}

ssize_t store_list_attempts(struct store *st, int64_t run_id, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM attempts WHERE run_id = ?1 AND id > ?2 ORDER BY id",
                    (const int64_t[]){run_id, after}, 2, NULL, ids, max);
}

int store_keep_attempt(struct store *st, int64_t run_id, struct err *err)
{
    store_begin(st);
    write_ints(
        st,
        "INSERT INTO attempts (run_id, attempt, conclusion, exit_code, why, started_at, completed_at, "
        "log_size, source, result) SELECT id, attempt, conclusion, exit_code, why, started_at, completed_at, "
        "log_size, (SELECT text FROM run_texts WHERE run_id = ?1 AND which = ?2),"
        " (SELECT text FROM run_texts WHERE run_id = ?1 AND which = ?3) FROM runs WHERE id = ?1",
        (const int64_t[]){run_id, RUN_SOURCE, RUN_RESULT}, 3, err);
    write_ints(st, "DELETE FROM run_texts WHERE run_id = ?1 AND which = ?2",
               (const int64_t[]){run_id, RUN_RESULT}, 2, err);
    return store_commit(st, err);
}
