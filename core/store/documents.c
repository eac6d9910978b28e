/* The full-text index of the files that roles search. */
#include "runfs/documents.h"

#include <sys/stat.h>

#include "ranker.h"
#include "runfs/io.h"
#include "runfs/str.h"
#include "store_internal.h"

enum { DOCUMENTS_VERSION = 3 }; /* another one: everything is read again */

struct documents {
    struct conn conn;
    char *path;                /* owned */
    struct ranker *ranker;     /* owned */
    const atomic_bool *stop;   /* borrowed; NULL: it goes on */
    changed_document_fn *tell; /* NULL: nobody asked */
    void *tell_data;           /* borrowed */
};

/* ------------------------------------------------------------------------------------------------- opening
 */

/* After a crash of the machine, pages that were never written may be missing without a trace. */
static int read_boot(struct buf *ret, struct err *err)
{
    int r = read_file("/proc/sys/kernel/random/boot_id", 100, ret, err);

    while (r == 0 && ret->len && ret->ptr[ret->len - 1] == '\n')
        ret->ptr[--ret->len] = '\0';
    return r;
}

static bool exec(struct documents *d, const char *sql)
{
    return sqlite3_exec(d->conn.db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static int failed(struct documents *d, struct err *err)
{
    int rc = sqlite3_extended_errcode(d->conn.db);

    if (rc == SQLITE_INTERRUPT)
        return err_set(err, -ECANCELED, "The operation was canceled.");
    return store_sql_error(&d->conn, rc == SQLITE_OK ? SQLITE_ERROR : rc, "the index of documents", err);
}

/* The first column of the first row, appended; false: there is none. */
static bool first_text(struct documents *d, const char *sql, struct buf *ret)
{
    sqlite3_stmt *stmt = conn_prepare(&d->conn, sql);
    bool there = stmt && sqlite3_step(stmt) == SQLITE_ROW;

    if (there)
        buf_adds(ret, (const char *)sqlite3_column_text(stmt, 0));
    if (stmt)
        sqlite3_reset(stmt);
    return there && buf_ok(ret);
}

/* Whether a file that is there can be used as it is. */
static bool is_good(struct documents *d, const char *boot)
{
    _buf_ struct buf version = BUF_INIT, state = BUF_INIT, wanted = BUF_INIT;

    buf_addf(&wanted, "%d", DOCUMENTS_VERSION);
    return first_text(d, "PRAGMA user_version", &version) && str_eq(buf_str(&version), buf_str(&wanted)) &&
           first_text(d, "SELECT boot FROM state", &state) &&
           (str_eq(buf_str(&state), "closed") || str_eq(buf_str(&state), boot));
}

static int write_boot(struct documents *d, const char *boot, struct err *err)
{
    sqlite3_stmt *stmt = conn_prepare(&d->conn, "UPDATE state SET boot = ?1");
    int r = stmt && sqlite3_bind_text(stmt, 1, boot, -1, SQLITE_STATIC) == SQLITE_OK &&
                    sqlite3_step(stmt) == SQLITE_DONE
                ? 0
                : failed(d, err);

    if (stmt) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    return r;
}

static bool connect(struct documents *d)
{
    static const char setup[] = "PRAGMA page_size = 16384; PRAGMA journal_mode = TRUNCATE;"
                                "PRAGMA synchronous = OFF; PRAGMA cache_size = -8000;"
                                "PRAGMA temp_store = MEMORY; PRAGMA locking_mode = EXCLUSIVE";
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    mode_t old = umask(0077);
    bool ok = sqlite3_open_v2(d->path, &d->conn.db, flags, NULL) == SQLITE_OK && exec(d, setup) &&
              ranker_new(d->conn.db, &d->ranker) == 0;

    umask(old);
    return ok;
}

static void disconnect(struct documents *d)
{
    conn_close(&d->conn);
    ranker_free(TAKE(d->ranker));
}

static int make(struct documents *d, struct err *err)
{
    _buf_ struct buf journal = BUF_INIT, sql = BUF_INIT;

    disconnect(d);
    buf_addf(&journal, "%s-journal", d->path);
    buf_addf(&sql,
             "BEGIN; CREATE TABLE state (boot TEXT NOT NULL); INSERT INTO state VALUES ('');"
             "CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, changed_at INTEGER"
             "  NOT NULL, size INTEGER NOT NULL);"
             "CREATE VIRTUAL TABLE texts USING fts5 (title, body);"
             "INSERT INTO texts (texts, rank) VALUES ('hashsize', 67108864);"
             "PRAGMA user_version = %d; COMMIT",
             DOCUMENTS_VERSION);
    if (!buf_ok(&journal) || !buf_ok(&sql))
        return err_errno(err, -ENOMEM, "the index of documents");
    if ((unlink(buf_str(&journal)) < 0 && errno != ENOENT) || (unlink(d->path) < 0 && errno != ENOENT))
        return err_errno(err, -errno, "cannot remove %s", d->path);
    if (!connect(d) || !exec(d, buf_str(&sql)))
        return d->conn.db ? failed(d, err) : err_errno(err, -ENOMEM, "the index of documents");
    return 0;
}

int documents_open(const char *state_dir, bool anew, struct documents **ret, struct err *err)
{
    struct documents *d = calloc(1, sizeof(*d));
    _buf_ struct buf boot = BUF_INIT, path = BUF_INIT;

    buf_addf(&path, "%s/search.db", state_dir);
    if (!d || !(d->path = buf_steal(&path))) {
        free(d);
        return err_errno(err, -ENOMEM, "the index of documents");
    }
    int r = read_boot(&boot, err);
    if (r == 0 && (anew || !connect(d) || !is_good(d, buf_str(&boot))))
        r = make(d, err);
    if (r == 0)
        r = write_boot(d, buf_str(&boot), err);
    if (r == 0)
        *ret = d;
    else
        documents_close(d);
    return r;
}

enum { STEPS = 10000 }; /* of SQLite's machine, between two looks: well below a millisecond */

static int is_stopped(void *data)
{
    return atomic_load_explicit((const atomic_bool *)data, memory_order_relaxed);
}

void documents_until(struct documents *d, const atomic_bool *stop)
{
    d->stop = stop;
    sqlite3_progress_handler(d->conn.db, STEPS, stop ? is_stopped : NULL, (void *)stop);
}

void documents_close(struct documents *d)
{
    if (!d)
        return;
    documents_until(d, NULL);
    if (d->conn.db && exec(d, "PRAGMA synchronous = FULL"))
        (void)write_boot(d, "closed", NULL);
    disconnect(d);
    free(d->path);
    free(d);
}

/* ------------------------------------------------------------------------------------------------- writing
 */

static int run(struct documents *d, const char *sql, const struct param *p, size_t n, struct err *err)
{
    sqlite3_stmt *stmt = conn_prepare(&d->conn, sql);

    for (size_t i = 0; stmt && i < n; i++)
        if (p[i].text)
            sqlite3_bind_text(stmt, (int)i + 1, p[i].text, (int)p[i].len, SQLITE_STATIC);
        else
            sqlite3_bind_int64(stmt, (int)i + 1, p[i].n);
    int r = stmt && sqlite3_step(stmt) == SQLITE_DONE ? 0 : failed(d, err);
    if (stmt) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    return r;
}
#define RUN(d, err, sql, ...)                                                                                \
    run((d), (sql), (const struct param[]){__VA_ARGS__},                                                     \
        sizeof((const struct param[]){__VA_ARGS__}) / sizeof(struct param), (err))

int documents_begin(struct documents *d, struct err *err)
{
    return run(d, "BEGIN", NULL, 0, err);
}

int documents_commit(struct documents *d, struct err *err)
{
    int r = run(d, "COMMIT", NULL, 0, err);

    if (r < 0)
        documents_rollback(d);
    return r;
}

void documents_rollback(struct documents *d)
{
    const atomic_bool *stop = d->stop;

    documents_until(d, NULL);
    if (!sqlite3_get_autocommit(d->conn.db))
        (void)run(d, "ROLLBACK", NULL, 0, NULL);
    documents_until(d, stop);
}

/* 0: there is none; below 0: an error. */
static int64_t find(struct documents *d, const char *path, struct err *err)
{
    sqlite3_stmt *stmt = conn_prepare(&d->conn, "SELECT id FROM documents WHERE path = ?1");
    int rc = stmt ? sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC) : SQLITE_ERROR;

    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    int64_t id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : rc == SQLITE_DONE ? 0 : failed(d, err);
    if (stmt) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    return id;
}

int documents_stamp(struct documents *d, const char *path, int64_t *ret_changed_at, int64_t *ret_size,
                    struct err *err)
{
    sqlite3_stmt *stmt = conn_prepare(&d->conn, "SELECT changed_at, size FROM documents WHERE path = ?1");
    int rc = stmt ? sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC) : SQLITE_ERROR;

    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    int r = rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : failed(d, err);
    if (r == 1) {
        *ret_changed_at = sqlite3_column_int64(stmt, 0);
        *ret_size = sqlite3_column_int64(stmt, 1);
    }
    if (stmt) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    return r;
}

void documents_tell(struct documents *d, changed_document_fn *fn, void *data)
{
    d->tell = fn;
    d->tell_data = data;
}

/* What is not committed in the end was told too often, which does no harm. */
static void tell_changed(struct documents *d, int64_t id)
{
    ranker_forget(d->ranker, id);
    if (d->tell)
        d->tell(d->tell_data, id);
}

int documents_put(struct documents *d, const struct document *one, struct err *err)
{
    int r = RUN(d, err, "INSERT OR IGNORE INTO documents (path, changed_at, size) VALUES (?1, ?2, ?3)",
                P_TEXT(one->path), P_INT(one->changed_at), P_INT(one->size));
    int64_t id = r == 0 && sqlite3_changes(d->conn.db) ? sqlite3_last_insert_rowid(d->conn.db) : 0;

    if (r == 0 && id == 0) {
        id = find(d, one->path, err);
        r = id < 0 ? (int)id : RUN(d, err, "DELETE FROM texts WHERE rowid = ?1", P_INT(id));
        if (r == 0)
            r = RUN(d, err, "UPDATE documents SET changed_at = ?2, size = ?3 WHERE id = ?1", P_INT(id),
                    P_INT(one->changed_at), P_INT(one->size));
    }
    if (r == 0)
        tell_changed(d, id);
    return r < 0 ? r
                 : RUN(d, err, "INSERT INTO texts (rowid, title, body) VALUES (?1, ?2, ?3)", P_INT(id),
                       P_TEXT(one->title), P_TEXT(one->body));
}

int documents_drop(struct documents *d, const char *path, struct err *err)
{
    int64_t id = find(d, path, err);
    int r = id < 0 ? (int)id : 0;

    if (id > 0)
        r = RUN(d, err, "DELETE FROM texts WHERE rowid = ?1", P_INT(id));
    if (r == 0 && id > 0)
        r = RUN(d, err, "DELETE FROM documents WHERE id = ?1", P_INT(id));
    if (id > 0)
        tell_changed(d, id);
    return r;
}

/* ------------------------------------------------------------------------------------------------- reading
 */

int documents_each(struct documents *d, known_document_fn *fn, void *data)
{
    sqlite3_stmt *stmt =
        conn_prepare(&d->conn, "SELECT id, path, changed_at, size FROM documents ORDER BY id");
    int r = stmt ? 0 : failed(d, NULL), rc = SQLITE_DONE;

    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        r = fn(data, &(struct known_document){.id = sqlite3_column_int64(stmt, 0),
                                              .path = (const char *)sqlite3_column_text(stmt, 1),
                                              .changed_at = sqlite3_column_int64(stmt, 2),
                                              .size = sqlite3_column_int64(stmt, 3)});
    if (r == 0 && rc != SQLITE_DONE)
        r = failed(d, NULL);
    if (stmt)
        sqlite3_reset(stmt);
    return r;
}

/* Appends the columns of the row with an id, each to its buffer. */
static int read_row(struct documents *d, const char *sql, int64_t id, struct buf *const *ret, int n)
{
    sqlite3_stmt *stmt = conn_prepare(&d->conn, sql);
    int rc = stmt ? sqlite3_bind_int64(stmt, 1, id) : SQLITE_ERROR;

    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    for (int i = 0; rc == SQLITE_ROW && i < n; i++) {
        const void *text = sqlite3_column_text(stmt, i);
        buf_add(ret[i], text ? text : "", (size_t)sqlite3_column_bytes(stmt, i));
    }
    int r = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : failed(d, NULL);
    if (stmt)
        sqlite3_reset(stmt);
    return r;
}

int documents_body(struct documents *d, int64_t id, struct buf *ret)
{
    return read_row(d, "SELECT body FROM texts WHERE rowid = ?1", id, &ret, 1);
}

int documents_text(struct documents *d, int64_t id, struct buf *ret_title, struct buf *ret_body)
{
    return read_row(d, "SELECT title, body FROM texts WHERE rowid = ?1", id,
                    (struct buf *const[]){ret_title, ret_body}, 2);
}

int documents_name(struct documents *d, int64_t id, struct buf *ret_path, struct buf *ret_title)
{
    return read_row(d,
                    "SELECT d.path, t.title FROM documents d JOIN texts t ON t.rowid = d.id WHERE d.id = ?1",
                    id, (struct buf *const[]){ret_path, ret_title}, 2);
}

/* The path of a document; "" where it is gone meanwhile. */
static int read_path(struct documents *d, int64_t id, struct buf *ret)
{
    buf_reset(ret);
    int r = read_row(d, "SELECT path FROM documents WHERE id = ?1", id, &ret, 1);
    return r == -ENOENT ? 0 : r == 0 && !buf_ok(ret) ? -ENOMEM : r;
}

int documents_find(struct documents *d, const struct documents_query *q, struct err *err)
{
    sqlite3_stmt *stmt = conn_prepare(&d->conn, "SELECT rowid, score(texts) FROM texts WHERE texts MATCH ?1");
    struct document_found found;
    _buf_ struct buf path = BUF_INIT;
    int r = stmt ? 0 : failed(d, err);

    if (stmt) {
        sqlite3_bind_text(stmt, 1, q->match, -1, SQLITE_STATIC);
        r = ranker_take(d->ranker, stmt, q->title_weight) == SQLITE_DONE ? 0 : failed(d, err);
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    while (r == 0 && ranker_next(d->ranker, &found.id, &found.rank)) {
        r = read_path(d, found.id, &path);
        found.path = buf_str(&path);
        if (r == 0 && path.len && q->wanted(q->data, found.path))
            r = q->fn(q->data, &found);
    }
    return r < 0 ? r : 0;
}
