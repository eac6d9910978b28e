/* What others are told of runs: the outbox. */
#include "runfs/words.h"

#include <stddef.h>

#include "row_table.h"
#include "runfs/io.h"

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

/* What the run of a word has come to. */
#define WANTED                                                                                               \
    "coalesce((SELECT r.attempt || ' ' || CASE r.status WHEN 'completed' THEN r.conclusion WHEN"             \
    " 'in_progress' THEN r.status ELSE 'queued' END FROM runs r WHERE r.id = words.run_id), '')"
#define OPEN "settled = 0 AND (kind IN ('alert', 'watch')) = ?1"

#define WORD_COLUMNS(FIRST, X)                                                                               \
    FIRST(word_row, I64, run_id)                                                                             \
    X(word_row, INT, attempt)                                                                                \
    X(word_row, I64, hook_id)                                                                                \
    X(word_row, TEXT, kind)                                                                                  \
    X(word_row, TEXT, target)                                                                                \
    X(word_row, TEXT, sha)                                                                                   \
    X(word_row, I64, number)                                                                                 \
    X(word_row, TEXT, mark)                                                                                  \
    X(word_row, TEXT, text)                                                                                  \
    X(word_row, TEXT, said)                                                                                  \
    X(word_row, TEXT, remote)                                                                                \
    X(word_row, BOOL, doubt)                                                                                 \
    X(word_row, BOOL, settled)                                                                               \
    X(word_row, INT, tries)                                                                                  \
    X(word_row, I64, next_at)                                                                                \
    X(word_row, TEXT, problem)                                                                               \
    X(word_row, I64, changed_at)

static const struct column word_columns[] = {
    {COLUMN_I64, offsetof(struct word_row, id)} WORD_COLUMNS(ROW_FIELD, ROW_FIELD),
    {COLUMN_TEXT, offsetof(struct word_row, wanted)}};

static const struct row_table word_table = {
    .columns = word_columns, .n_columns = ARRAY_LEN(word_columns), .size = sizeof(struct word_row)};

/* Not by the cache of rows: what is wanted changes with another row. */
const struct word_row *store_get_word(struct store *st, int64_t id)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        !c ? NULL
           : conn_prepare(c, "SELECT id, " WORD_COLUMNS(ROW_NAME_1, ROW_NAME) ", " WANTED
                                                                              " FROM words WHERE id = ?1");
    struct row_head *head = NULL;

    if (stmt) {
        sqlite3_bind_int64(stmt, 1, id);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            head = row_read(&word_table, stmt);
    }
    store_reader_done(st, c, stmt);
    return head ? (const struct word_row *)head->row : NULL;
}

void word_row_unref(const struct word_row *r)
{
    row_unref(r);
}

int store_add_word(struct store *st, const struct word_row *row, struct err *err)
{
    store_begin(st);
    WRITE(
        st, err,
        "INSERT OR IGNORE INTO words (run_id, attempt, hook_id, kind, target, sha, number, mark, text, said,"
        " remote, doubt, settled, tries, next_at, problem, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
        " lower(hex(randomblob(16))), ?8, '', '', 0, 0, 0, 0, '', ?9)",
        P_INT(row->run_id), P_INT(row->attempt), P_INT(row->hook_id), P_TEXT(row->kind), P_TEXT(row->target),
        P_TEXT(row->sha), P_INT(row->number), P_TEXT(row->text), P_INT(now_ns()));
    store_changed(st, (struct change){.kind = CHANGE_WORD, .run_id = row->run_id, .created = true});
    return store_commit(st, err);
}

int store_put_word(struct store *st, const struct word_row *row, struct err *err)
{
    store_begin(st);
    WRITE(st, err,
          "UPDATE words SET said = ?2, remote = ?3, doubt = ?4, tries = ?5, next_at = ?6, problem = ?7,"
          " changed_at = ?8, settled = CASE attempt WHEN 0 THEN ?2 = " WANTED
          " ELSE ?2 <> '' END WHERE id = ?1",
          P_INT(row->id), P_TEXT(row->said), P_TEXT(row->remote), P_INT(row->doubt), P_INT(row->tries),
          P_INT(row->next_at), P_TEXT(row->problem), P_INT(now_ns()));
    store_changed(st, (struct change){.kind = CHANGE_WORD, .id = row->id, .run_id = row->run_id});
    return store_commit(st, err);
}

int store_watch_run(struct store *st, int64_t run_id, struct err *err)
{
    return write_ints(
        st,
        "INSERT OR IGNORE INTO words (run_id, attempt, hook_id, kind, target, sha, number, mark,"
        " text, said, remote, doubt, settled, tries, next_at, problem, changed_at) SELECT id,"
        " attempt, 0, 'watch', '', '', 0, '', '', '', '', 0, 0, 0, 0, '', completed_at FROM runs"
        " WHERE id = ?1 AND EXISTS (SELECT 1 FROM config WHERE name GLOB 'alerts/*')",
        INTS(run_id), err);
}

bool store_failed_before(struct store *st, const struct run_row *run)
{
    return read_int(st,
                    "SELECT conclusion <> 'success' FROM runs WHERE workflow_id = ?1 AND id < ?2 AND ref = ?3"
                    " AND conclusion IN ('success', 'failure', 'timed_out', 'startup_failure', 'interrupted')"
                    " ORDER BY id DESC LIMIT 1",
                    INTS(run->workflow_id, run->id), run->ref, 0) == 1;
}

ssize_t store_list_due_words(struct store *st, enum word_lane lane, int64_t now, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM words WHERE " OPEN " AND next_at <= ?2 ORDER BY next_at, id",
                    INTS(lane == WORDS_OF_ALERTS, now), NULL, ids, max);
}

int64_t store_next_word_at(struct store *st, enum word_lane lane)
{
    int64_t at = read_int(st, "SELECT next_at FROM words WHERE " OPEN " ORDER BY next_at LIMIT 1",
                          INTS(lane == WORDS_OF_ALERTS), NULL, WORD_PARKED);

    return at == WORD_PARKED ? 0 : at ? at : 1;
}

bool store_has_words(struct store *st)
{
    return read_int(st, "SELECT 1 FROM words LIMIT 1", NULL, 0, NULL, 0) == 1;
}

int64_t store_count_words(struct store *st, enum word_lane lane)
{
    return read_int(st, "SELECT count(*) FROM words WHERE " OPEN, INTS(lane == WORDS_OF_ALERTS), NULL, 0);
}

ssize_t store_list_hook_words(struct store *st, int64_t hook_id, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM words WHERE hook_id = ?1 AND hook_id <> 0 AND id > ?2 ORDER BY id",
                    INTS(hook_id, after), NULL, ids, max);
}

int store_delay_words(struct store *st, enum word_lane lane, int64_t until, struct err *err)
{
    store_begin(st);
    write_ints(st, "UPDATE words SET next_at = max(next_at, ?2) WHERE " OPEN,
               INTS(lane == WORDS_OF_ALERTS, until), err);
    return store_commit(st, err);
}

int store_unpark_words(struct store *st, enum word_lane lane, struct err *err)
{
    store_begin(st);
    write_ints(st, "UPDATE words SET next_at = 0 WHERE " OPEN " AND next_at = ?2",
               INTS(lane == WORDS_OF_ALERTS, WORD_PARKED), err);
    return store_commit(st, err);
}
