/* The files that roles search: what was read of them, in a full-text index. */
#include "runfs/knowledge_rows.h"
#include "store_internal.h"

int store_each_known_document(struct store *st, known_document_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = c ? conn_prepare(c, "SELECT path, changed_at, size FROM documents") : NULL;
    int r = stmt ? 0 : -ENOMEM;

    while (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
        r = fn(data, (const char *)sqlite3_column_text(stmt, 0), sqlite3_column_int64(stmt, 1),
               sqlite3_column_int64(stmt, 2));
    if (stmt)
        sqlite3_reset(stmt);
    if (c)
        store_reader_done(st, c);
    return r;
}

int store_put_document(struct store *st, const struct document *d, struct err *err)
{
    store_begin(st);
    WRITE(st, err, "DELETE FROM document_texts WHERE rowid IN (SELECT id FROM documents WHERE path = ?1)",
          P_TEXT(d->path));
    WRITE(st, err,
          "INSERT INTO documents (path, changed_at, size) VALUES (?1, ?2, ?3) ON CONFLICT (path) DO UPDATE"
          " SET changed_at = ?2, size = ?3",
          P_TEXT(d->path), P_INT(d->changed_at), P_INT(d->size));
    WRITE(st, err,
          "INSERT INTO document_texts (rowid, title, body) SELECT id, ?2, ?3 FROM documents WHERE path = ?1",
          P_TEXT(d->path), P_TEXT(d->title), P_TEXT(d->body));
    return store_commit(st, err);
}

int store_drop_document(struct store *st, const char *path, struct err *err)
{
    store_begin(st);
    WRITE(st, err, "DELETE FROM document_texts WHERE rowid IN (SELECT id FROM documents WHERE path = ?1)",
          P_TEXT(path));
    WRITE(st, err, "DELETE FROM documents WHERE path = ?1", P_TEXT(path));
    return store_commit(st, err);
}

/* The index sorts, and only what is asked for is read: a JOIN that may go the other way would read all. */
int store_each_document(struct store *st, const char *match, double title_weight, document_fn *fn, void *data)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt =
        !c ? NULL
           : conn_prepare(c, "SELECT d.id, d.path, t.title, snippet(document_texts, 1, '', '', '...', 32),"
                             " t.body, d.changed_at, d.size, -t.rank FROM document_texts t CROSS JOIN"
                             " documents d ON d.id = t.rowid WHERE document_texts MATCH ?1 AND"
                             " t.rank MATCH ?2 ORDER BY t.rank");
    int r = stmt ? 0 : -ENOMEM;
    char ranking[64];

    snprintf(ranking, sizeof(ranking), "bm25(%.1f, 1.0)", title_weight);
    if (stmt) {
        sqlite3_bind_text(stmt, 1, match, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, ranking, -1, SQLITE_STATIC);
    }
    while (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
        r = fn(data, sqlite3_column_int64(stmt, 0),
               &(struct document_found){.d = {.path = (const char *)sqlite3_column_text(stmt, 1),
                                              .title = (const char *)sqlite3_column_text(stmt, 2),
                                              .body = (const char *)sqlite3_column_text(stmt, 4),
                                              .changed_at = sqlite3_column_int64(stmt, 5),
                                              .size = sqlite3_column_int64(stmt, 6)},
                                        .excerpt = (const char *)sqlite3_column_text(stmt, 3),
                                        .rank = sqlite3_column_double(stmt, 7)});
    if (stmt) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    if (c)
        store_reader_done(st, c);
    return r < 0 ? r : 0;
}
