/*
 * What could not be written, and will be. A group that lasts keeps a copy of its writes until it is
 * committed; where the database takes none now (the disk is full, another process has it locked), they wait
 * here, in their order, and go before the writes of whoever begins a group next.
 */
#include "store_internal.h"

#include "runfs/io.h"
#include "runfs/log.h"

/* How long nobody tries again who can wait; what the database is waited for by those who can, and by others.
 */
enum { TRY_MS = 100, BUSY_LASTING_MS = 1000, BUSY_MS = 5000 };

/* Before its values, and these before the bytes of their texts. */
struct kept_write {
    const char *sql; /* static */
    size_t n, size;  /* how many values, and bytes behind this */
};

struct kept_value {
    int64_t n;
    size_t len;
    bool is_text;
};

void later_note(struct writes *w, const char *sql, const struct param *p, size_t n)
{
    struct kept_write head = {.sql = sql, .n = n, .size = n * sizeof(struct kept_value)};

    for (size_t i = 0; i < n; i++)
        head.size += p[i].text ? p[i].len : 0;
    if (!buf_reserve(&w->bytes, sizeof(head) + head.size))
        return; /* which the buffer remembers */
    buf_add(&w->bytes, &head, sizeof(head));
    for (size_t i = 0; i < n; i++) {
        struct kept_value value = {.n = p[i].n, .len = p[i].len, .is_text = p[i].text != NULL};
        buf_add(&w->bytes, &value, sizeof(value));
    }
    for (size_t i = 0; i < n; i++)
        if (p[i].text)
            buf_add(&w->bytes, p[i].text, p[i].len);
    w->n++;
}

void later_take_back(struct writes *w, size_t before)
{
    if (w->bytes.len == before)
        return;
    w->bytes.len = before;
    w->n--;
}

void later_forget(struct writes *w)
{
    if (w->bytes.cap > 1 << 20)
        buf_release(&w->bytes);
    buf_reset(&w->bytes);
    w->n = 0;
}

/* Returns SQLite's code, of which that it is nothing but this write's fault is no failure. */
static int write_again(struct store *st, const struct kept_write *head, const char *values)
{
    const char *text = values + head->n * sizeof(struct kept_value);
    sqlite3_stmt *stmt = conn_prepare(&st->writer, head->sql);

    if (!stmt)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < head->n; i++) {
        struct kept_value value;
        memcpy(&value, values + i * sizeof(value), sizeof(value));
        if (!value.is_text) {
            sqlite3_bind_int64(stmt, (int)i + 1, value.n);
            continue;
        }
        sqlite3_bind_text64(stmt, (int)i + 1, text, value.len, SQLITE_STATIC, SQLITE_UTF8);
        text += value.len;
    }
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW && store_refuses_one(st, rc)) {
        log_error("store", "what had waited is lost: %s", sqlite3_errmsg(st->writer.db));
        rc = SQLITE_DONE;
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* In the open transaction. */
static int replay(struct store *st)
{
    const struct buf *b = &st->later.writes.bytes;
    int rc = SQLITE_OK;

    for (size_t at = 0; rc == SQLITE_OK && at < b->len;) {
        struct kept_write head;
        memcpy(&head, b->ptr + at, sizeof(head));
        rc = write_again(st, &head, b->ptr + at + sizeof(head));
        at += sizeof(head) + head.size;
    }
    for (size_t i = 0; rc == SQLITE_OK && i < st->later.n_changes; i++)
        store_changed(st, st->later.changes[i]);
    st->replayed = true;
    return rc;
}

bool later_is_early(const struct store *st)
{
    return st->later.writes.n && st->lasting && mono_ns() < st->later.again_at;
}

int later_begin(struct store *st)
{
    bool waits = st->later.writes.n > 0;
    int rc;

    sqlite3_busy_timeout(st->writer.db, !st->lasting ? BUSY_MS : waits ? 0 : BUSY_LASTING_MS);
    sqlite3_stmt *stmt = conn_prepare(&st->writer, "BEGIN IMMEDIATE");
    rc = stmt ? sqlite3_step(stmt) : SQLITE_NOMEM;
    if (stmt)
        sqlite3_reset(stmt);
    rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    return rc == SQLITE_OK && waits ? replay(st) : rc;
}

void later_written(struct store *st)
{
    struct later *l = &st->later;

    if (!l->writes.n)
        return;
    log_info("store", "the database is written again: %zu writes had waited", l->writes.n);
    later_forget(&l->writes);
    free(TAKE(l->changes));
    l->n_changes = 0;
    atomic_store(&l->waiting, 0);
}

static int keep_changes(struct later *l, const struct change *changes, size_t n)
{
    struct change *all = reallocarray(l->changes, l->n_changes + n + 1, sizeof(*all));

    if (!all)
        return -ENOMEM;
    if (n)
        memcpy(all + l->n_changes, changes, n * sizeof(*all));
    l->changes = all;
    l->n_changes += n;
    return 0;
}

int later_keep(struct store *st, int code)
{
    struct later *l = &st->later;
    const struct writes *w = &st->group;

    if (code == -ECANCELED || !buf_ok(&w->bytes))
        return code;
    if (st->replayed) /* the group has these among its own */
        l->n_changes = 0;
    if (!buf_reserve(&l->writes.bytes, w->bytes.len) || keep_changes(l, st->changes, st->n_changes) < 0) {
        l->writes.bytes.failed = false; /* what it had is whole */
        return -ENOMEM;
    }
    if (w->n && !l->writes.n) {
        log_warning("store",
                    "the database cannot be written: %s: what happens is written as soon as it can be",
                    store_words(code));
        atomic_store(&l->since, now_ns());
    }
    buf_add(&l->writes.bytes, buf_str(&w->bytes), w->bytes.len);
    l->writes.n += w->n;
    if (mono_ns() >= l->again_at) /* who came too early to try puts nothing off */
        l->again_at = mono_ns() + TRY_MS * 1000000LL;
    atomic_store(&l->code, code);
    atomic_store(&l->waiting, l->writes.n);
    return 0;
}

void later_release(struct store *st)
{
    if (st->later.writes.n) {
        store_begin(st); /* which writes it, if anything does */
        (void)store_commit(st, NULL);
    }
    if (st->later.writes.n)
        log_error("store", "%zu writes are lost: the database cannot be written: %s", st->later.writes.n,
                  store_words(atomic_load(&st->later.code)));
    buf_release(&st->later.writes.bytes);
    buf_release(&st->group.bytes);
    free(st->later.changes);
}

bool store_waits(const struct store *st)
{
    return atomic_load(&st->later.waiting) > 0;
}

void store_tell_waiting(const struct store *st, struct buf *ret)
{
    size_t n = atomic_load(&st->later.waiting);

    if (!n)
        return;
    buf_addf(ret, "database: cannot be written: %s: %zu writes wait since ",
             store_words(atomic_load(&st->later.code)), n);
    buf_add_time(ret, atomic_load(&st->later.since));
    buf_adds(ret, ": no job begins until then\n");
}

void store_try_again(struct store *st)
{
    if (!store_waits(st))
        return;
    store_begin_lasting(st);
    (void)store_commit(st, NULL);
}
