/* Attempts that a later one followed: what of a run's row each of them was. Its jobs, steps and logs stay as
 * they are, under its number. */
#include <stddef.h>

#include "row_table.h"

#define ATTEMPT_COLUMNS(FIRST, X)                                                                            \
    FIRST(attempt_row, I64, run_id)                                                                          \
    X(attempt_row, INT, attempt)                                                                             \
    X(attempt_row, TEXT, conclusion)                                                                         \
    X(attempt_row, INT, exit_code)                                                                           \
    X(attempt_row, TEXT, why)                                                                                \
    X(attempt_row, I64, started_at)                                                                          \
    X(attempt_row, I64, completed_at)                                                                        \
    X(attempt_row, I64, log_size)                                                                            \
    X(attempt_row, TEXT, triggering_actor)

static const struct row_table attempt_table = {
    ROW_READ("attempts", attempt_row, ATTEMPT_COLUMNS),
    .slot = 3,
};

ROW_READER(attempt)

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
    write_ints(st,
               "INSERT INTO attempts (run_id, attempt, conclusion, exit_code, why, started_at, completed_at, "
               "log_size, triggering_actor, source, result) SELECT id, attempt, conclusion, exit_code, why, "
               "started_at, completed_at, log_size, triggering_actor, (SELECT text FROM run_texts WHERE "
               "run_id = ?1 AND which = ?2),"
               " (SELECT text FROM run_texts WHERE run_id = ?1 AND which = ?3) FROM runs WHERE id = ?1",
               (const int64_t[]){run_id, RUN_SOURCE, RUN_RESULT}, 3, err);
    write_ints(st, "DELETE FROM run_texts WHERE run_id = ?1 AND which = ?2",
               (const int64_t[]){run_id, RUN_RESULT}, 2, err);
    return store_commit(st, err);
}
