/* What a language model is to be asked. */
#include "runfs/questions.h"

#include <stddef.h>

#include "row_table.h"
#include "runfs/io.h"

#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

#define QUESTION_COLUMNS(FIRST, X)                                                                           \
    FIRST(question_row, I64, run_id)                                                                         \
    X(question_row, TEXT, page)                                                                              \
    X(question_row, TEXT, text)

static const struct row_table question_table = {ROW_READ("questions", question_row, QUESTION_COLUMNS)};

const struct question_row *store_next_question(struct store *st, int64_t after)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        !c ? NULL
           : conn_prepare(c, "SELECT id, run_id, page, text FROM questions WHERE ended = 0 AND"
                             " id > ?1 ORDER BY id LIMIT 1");
    struct row_head *head = NULL;

    if (stmt) {
        sqlite3_bind_int64(stmt, 1, after);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            head = row_read(&question_table, stmt);
    }
    store_reader_done(st, c, stmt);
    return head ? (const struct question_row *)head->row : NULL;
}

void question_row_unref(const struct question_row *r)
{
    row_unref(r);
}

bool store_question_waits(struct store *st, int64_t id)
{
    return read_int(st, "SELECT 1 FROM questions WHERE id = ?1 AND ended = 0", INTS(id), NULL, 0) == 1;
}

/* Runs stay, so that none is asked about twice. */
static void forget_texts(struct store *st)
{
    (void)write_values(st, "DELETE FROM questions WHERE ended = 1 AND run_id = 0", 0, "");
}

/* 0: it may be put in. */
static int check_room(struct store *st, const char *page, int64_t run_id, int64_t max, struct err *err)
{
    if (run_id && write_values(st, "SELECT 1 FROM questions WHERE run_id = ?1 OR (page = ?2 AND ended = 0)",
                               0, "is", run_id, page) == 1)
        return err_set(err, -EEXIST, "run %lld was asked about, or another text waits", (long long)run_id);
    int64_t n =
        write_values(st, "SELECT count(*) FROM questions WHERE ended = 0 AND page <> ?1", 0, "s", page);
    if (n >= max)
        return err_set(err, -EBUSY, "%lld texts wait for the model already: try again later", (long long)n);
    return 0;
}

int store_ask(struct store *st, const char *page, const char *text, int64_t run_id, int64_t max,
              struct err *err)
{
    store_begin(st);
    int r = check_room(st, page, run_id, max, err);
    if (r == 0) {
        (void)write_values(st, "UPDATE questions SET ended = 1, text = '' WHERE page = ?1 AND ended = 0", 0,
                           "s", page);
        forget_texts(st);
        (void)write_values(
            st,
            "INSERT OR IGNORE INTO questions (run_id, page, text, asked_at, ended) VALUES (?1, ?2, ?3,"
            " ?4, 0)",
            0, "issi", run_id, page, text ? text : "", now_ns());
        store_changed(st, (struct change){.kind = CHANGE_QUESTION,
                                          .id = sqlite3_last_insert_rowid(st->writer.db),
                                          .run_id = run_id,
                                          .created = true});
    }
    int c = store_commit(st, err);
    return r < 0 ? r : c;
}

int store_end_question(struct store *st, int64_t id, struct err *err)
{
    store_begin(st);
    (void)write_values(st, "UPDATE questions SET ended = 1, text = '' WHERE id = ?1", 0, "i", id);
    forget_texts(st);
    store_changed(st, (struct change){.kind = CHANGE_QUESTION, .id = id, .deleted = true});
    return store_commit(st, err);
}
