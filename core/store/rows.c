/* Rows in general: read from a statement, by the cache, and written, as their tables say (row_table.h). */
#include "store_internal.h"

static int64_t field_i64(const void *row, size_t offset)
{
    return *(const int64_t *)((const char *)row + offset);
}

/* ---------------------------------------------------------------------------------------------- reading */

static size_t texts_size(const struct row_table *t, sqlite3_stmt *stmt)
{
    size_t size = 0;

    for (size_t i = 0, at = 0; i < t->n_columns; i++)
        if (t->columns[i].type != COLUMN_LENGTH) {
            if (t->columns[i].type == COLUMN_TEXT)
                size += (size_t)sqlite3_column_bytes(stmt, (int)at) + 1;
            at++;
        }
    return size;
}

struct row_head *row_read(const struct row_table *t, sqlite3_stmt *stmt)
{
    struct row_head *head = calloc(1, sizeof(*head) + t->size + texts_size(t, stmt));
    size_t length = 0;
    int at = 0;

    if (!head)
        return NULL;
    char *text = head->row + t->size;
    atomic_init(&head->refs, 1);
    head->table = t;
    head->id = sqlite3_column_int64(stmt, 0);
    for (size_t i = 0; i < t->n_columns; i++) {
        char *field = head->row + t->columns[i].offset;
        switch (t->columns[i].type) {
        case COLUMN_I64:
            *(int64_t *)field = sqlite3_column_int64(stmt, at++);
            break;
        case COLUMN_INT:
            *(int *)field = sqlite3_column_int(stmt, at++);
            break;
        case COLUMN_BOOL:
            *(bool *)field = sqlite3_column_int(stmt, at++) != 0;
            break;
        case COLUMN_TEXT:
            length = (size_t)sqlite3_column_bytes(stmt, at);
            if (length)
                memcpy(text, sqlite3_column_text(stmt, at), length);
            at++;
            *(const char **)field = text;
            text += length + 1;
            break;
        case COLUMN_LENGTH:
            *(size_t *)field = length;
            break;
        }
    }
    return head;
}

static struct row_head *row_query(struct store *st, const struct row_table *t, int64_t id)
{
    struct conn *c = store_reader(st);
    struct row_head *head = NULL;

    if (!c)
        return NULL;
    sqlite3_stmt *stmt = conn_prepare(c, t->get_sql);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, id);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            head = row_read(t, stmt);
    }
    store_reader_done(st, c, stmt);
    return head;
}

const void *row_get(struct store *st, const struct row_table *t, int64_t id)
{
    uint64_t generation;
    struct row_head *head = cache_get(&st->cache, t, id, &generation);

    if (!head) {
        head = row_query(st, t, id);
        if (head)
            cache_put(&st->cache, head, generation);
    }
    return head ? head->row : NULL;
}

static void cache_row(struct store *st, const struct row_table *t, sqlite3_stmt *get, int64_t id,
                      const uint64_t generations[CACHE_SHARDS])
{
    uint64_t ignored;
    struct row_head *head = cache_get(&st->cache, t, id, &ignored);

    if (!head) {
        sqlite3_bind_int64(get, 1, id);
        head = sqlite3_step(get) == SQLITE_ROW ? row_read(t, get) : NULL;
        if (head)
            cache_put(&st->cache, head, cache_generation_of(generations, id));
        sqlite3_reset(get);
    }
    if (head)
        row_unref(head->row);
}

ssize_t row_list(struct store *st, const struct row_table *t, const char *sql, const int64_t *ints, size_t n,
                 int64_t *ids, size_t max)
{
    uint64_t generations[CACHE_SHARDS];
    struct conn *c = store_reader(st);
    size_t got = 0;

    cache_generations(&st->cache, generations);
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL, *get = c ? conn_prepare(c, t->get_sql) : NULL;
    for (size_t i = 0; stmt && i < n; i++)
        sqlite3_bind_int64(stmt, (int)i + 1, ints[i]);
    int rc = stmt ? SQLITE_ROW : SQLITE_NOMEM;
    while (rc == SQLITE_ROW && got < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        ids[got++] = sqlite3_column_int64(stmt, 0);
        if (get) /* within the reading of the list, which need not begin again for each */
            cache_row(st, t, get, ids[got - 1], generations);
    }
    store_reader_done(st, c, stmt);
    return list_end(rc, got);
}

void row_unref(const void *row)
{
    if (!row)
        return;
    struct row_head *head = (struct row_head *)((uintptr_t)row - offsetof(struct row_head, row));
    if (atomic_fetch_sub_explicit(&head->refs, 1, memory_order_acq_rel) == 1)
        free(head);
}

/* ---------------------------------------------------------------------------------------------- writing */

enum { COLUMNS_MAX = 40 };

/* What its statements are bound to: the id is the first, where there is one. */
static size_t fill_params(const struct row_table *t, const void *row, int64_t id, struct param *ret)
{
    size_t n = 0;

    ret[n++] = P_INT(id);
    for (size_t i = 1; i < t->n_columns && n < COLUMNS_MAX; i++) {
        const char *field = (const char *)row + t->columns[i].offset, *text;
        switch (t->columns[i].type) {
        case COLUMN_I64:
            ret[n++] = P_INT(*(const int64_t *)field);
            break;
        case COLUMN_INT:
            ret[n++] = P_INT(*(const int *)field);
            break;
        case COLUMN_BOOL:
            ret[n++] = P_INT(*(const bool *)field);
            break;
        case COLUMN_TEXT:
            text = *(const char *const *)field ? *(const char *const *)field : "";
            ret[n++] = P_TEXT(text);
            break;
        case COLUMN_LENGTH:
            break;
        }
    }
    return n;
}

/* The statement that makes a row with that id, or changes it. */
static int put_id(struct store *st, const struct row_table *t, const void *row, int64_t id, bool created,
                  struct err *err)
{
    struct param params[COLUMNS_MAX];
    size_t n = fill_params(t, row, id, params);

    if (!created && t->same_sql && !st->failed) {
        int r = write_params(st, t->same_sql, params, n, err);
        if (r < 0 || sqlite3_changes(st->writer.db) > 0)
            return r;
    }
    return write_params(st, id ? t->update_sql : t->insert_sql, params, n, err);
}

int row_put(struct store *st, const struct row_table *t, void *row, struct err *err)
{
    int64_t *id = row;
    bool created = *id == 0;

    store_begin(st);
    int64_t new_id = created && t->sequence ? ++st->last_ids[t->slot] : *id;
    int wrong = put_id(st, t, row, new_id, created, err);
    if (!new_id)
        new_id = sqlite3_last_insert_rowid(st->writer.db);
    if (wrong == 0)
        store_changed(st, (struct change){.kind = t->change,
                                          .id = new_id,
                                          .run_id = t->run_offset ? field_i64(row, t->run_offset) : 0,
                                          .job_id = t->job_offset ? field_i64(row, t->job_offset) : 0,
                                          .created = created});
    int r = store_commit(st, err);
    r = r < 0 ? r : wrong;
    if (r == 0)
        *id = new_id;
    return r;
}
