/* What webhooks delivered, with payloads apart from the rows because they may be large. */
#include "row_table.h"

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>

#define HOOK_COLUMNS(FIRST, X)                                                                               \
    FIRST(hook_row, TEXT, delivery)                                                                          \
    X(hook_row, TEXT, digest)                                                                                \
    X(hook_row, TEXT, event)                                                                                 \
    X(hook_row, TEXT, state)                                                                                 \
    X(hook_row, TEXT, headers)                                                                               \
    X(hook_row, TEXT, verdict)                                                                               \
    X(hook_row, TEXT, runs)                                                                                  \
    X(hook_row, I64, changed_at)

static const struct row_table hook_table = {
    ROW_READ("hooks", hook_row, HOOK_COLUMNS),
    ROW_WRITE("hooks", HOOK_COLUMNS),
    .change = CHANGE_HOOK,
    .slot = 2,
};

ROW_READER(hook)

/* Whether its payload says enough; else that is the same only as another event. */
static bool known_by_payload(const struct hook_row *row, bool by_payload)
{
    return by_payload || strcmp(row->delivery, row->digest) == 0;
}

/* That which such a one would be once more, by
 * - the sender's name of it;
 * - the payload, where the sender has no name for it, or all are known by their payload;
 * - the payload as another event, since the event's name is not signed.
 * 0: there is none. */
static int64_t find_same(struct store *st, const struct hook_row *row, bool by_payload)
{
    int64_t id = read_int(st, "SELECT id FROM hooks WHERE delivery = ?1", NULL, 0, row->delivery, 0);

    if (id)
        return id;
    id = read_int(st, "SELECT max(id) FROM hooks WHERE digest = ?1", NULL, 0, row->digest, 0);
    if (!id || known_by_payload(row, by_payload))
        return id;
    return read_int(st, "SELECT id FROM hooks WHERE id = ?1 AND event <> ?2", &id, 1, row->event, 0);
}

ssize_t store_list_hooks(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM hooks WHERE id > ?1 ORDER BY id", &after, 1, NULL, ids, max);
}

ssize_t store_list_hooks_before(struct store *st, int64_t before, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM hooks WHERE id < ?1 ORDER BY id DESC", &before, 1, NULL, ids, max);
}

ssize_t store_list_waiting_hooks(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(
        st, "SELECT id FROM hooks WHERE state IN ('pending', 'running', 'resumed') AND id > ?1 ORDER BY id",
        &after, 1, NULL, ids, max);
}

int store_hook_payload(struct store *st, int64_t id, struct buf *ret)
{
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = c ? conn_prepare(c, "SELECT payload FROM hook_payloads WHERE id = ?1") : NULL;
    int r = stmt ? -ENOENT : -ENOMEM;

    if (stmt) {
        sqlite3_bind_int64(stmt, 1, id);
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            const void *text = sqlite3_column_text(stmt, 0);
            buf_add(ret, text ? text : "", (size_t)sqlite3_column_bytes(stmt, 0));
            r = buf_ok(ret) ? 0 : -ENOMEM;
        }
    }
    store_reader_done(st, c, stmt);
    return r;
}

static void put_payload(struct store *st, int64_t id, const char *payload, size_t len, struct err *err)
{
    sqlite3_stmt *stmt =
        st->failed
            ? NULL
            : conn_prepare(&st->writer, "INSERT OR REPLACE INTO hook_payloads (id, payload) VALUES (?1, ?2)");

    if (!stmt) {
        store_spoil(st, -ENOMEM);
        return;
    }
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_text64(stmt, 2, payload, len, SQLITE_STATIC, SQLITE_UTF8);
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        store_spoil(st, store_sql_error(&st->writer, rc, "cannot write to the database", err));
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

/* One that waits to be added; on the stack of who waits. Its result is written by whoever adds it. */
struct hook_add {
    struct hook_row *row;
    const char *payload;
    size_t len;
    bool by_payload;
    struct err *err;
    int result;
    bool done;
    sem_t turn; /* it is done, or its own to add all that wait */
    struct hook_add *next;
};

static bool is_same(const struct hook_add *a, const struct hook_row *old)
{
    if (strcmp(old->delivery, a->row->delivery) == 0)
        return true;
    return strcmp(old->digest, a->row->digest) == 0 &&
           (known_by_payload(a->row, a->by_payload) || strcmp(old->event, a->row->event) != 0);
}

/* What was added before it in the same group is not to be found in the database yet. */
static int64_t find_before(const struct hook_add *first, const struct hook_add *a)
{
    for (; first != a; first = first->next)
        if (first->result == 0 && is_same(a, first->row))
            return first->row->id;
    return 0;
}

static void add_one(struct store *st, const struct hook_add *first, struct hook_add *a)
{
    struct hook_row added = *a->row;

    a->row->id = find_same(st, a->row, a->by_payload);
    if (!a->row->id)
        a->row->id = find_before(first, a);
    a->result = a->row->id ? -EEXIST : 0;
    if (a->result < 0)
        return;
    added.id = 0;
    if (row_put(st, &hook_table, &added, a->err) == 0)
        put_payload(st, added.id, a->payload, a->len, a->err);
    a->row->id = added.id;
}

static struct hook_add *take_all(struct hook_adds *q)
{
    pthread_mutex_lock(&q->lock);
    struct hook_add *all = q->first;
    q->first = NULL;
    q->end = &q->first;
    pthread_mutex_unlock(&q->lock);
    return all;
}

/* What has come until the writer's lock is had, in one group. It is held from the look to the commit, so two
 * of the same cannot both find nothing. */
static struct hook_add *add_all(struct store *st)
{
    struct err err = {0};

    store_begin(st);
    struct hook_add *first = take_all(&st->hook_adds);
    for (struct hook_add *a = first; a; a = a->next)
        add_one(st, first, a);
    int r = store_commit(st, &err);
    for (struct hook_add *a = first; a && r < 0; a = a->next) {
        a->result = r;
        if (a->err)
            *a->err = err;
    }
    return first;
}

/* Before those that were added go their ways, all of which want the processor, the first of those that came
 * meanwhile begins with the next group. */
static void hand_over(struct hook_adds *q)
{
    pthread_mutex_lock(&q->lock);
    struct hook_add *next = q->first;
    q->adding = next;
    pthread_mutex_unlock(&q->lock);
    if (next)
        sem_post(&next->turn);
}

/* Each is gone as soon as it knows. */
static void tell_others(struct hook_add *all, const struct hook_add *own)
{
    for (struct hook_add *a = all, *next; a; a = next) {
        next = a->next;
        if (a == own)
            continue;
        a->done = true;
        sem_post(&a->turn);
    }
}

static void wait_turn(struct hook_add *a)
{
    while (sem_wait(&a->turn) < 0 && errno == EINTR)
        ;
}

/* Who comes first adds for those that come meanwhile, too: many at once cost little more than one, and nobody
 * waits for more than two commits. */
int store_add_hook(struct store *st, struct hook_row *row, const char *payload, size_t len, bool by_payload,
                   struct err *err)
{
    struct hook_add own = {.row = row, .payload = payload, .len = len, .by_payload = by_payload, .err = err};
    struct hook_adds *q = &st->hook_adds;

    sem_init(&own.turn, 0, 0);
    pthread_mutex_lock(&q->lock);
    *q->end = &own;
    q->end = &own.next;
    bool waits = q->adding;
    q->adding = true;
    pthread_mutex_unlock(&q->lock);
    if (waits)
        wait_turn(&own);
    if (!own.done) {
        struct hook_add *all = add_all(st);
        hand_over(q);
        tell_others(all, &own);
    }
    sem_destroy(&own.turn);
    return own.result;
}

int64_t store_find_hook_run(struct store *st, int64_t hook_id, int64_t workflow_id)
{
    return read_int(st, "SELECT run_id FROM hook_runs WHERE hook_id = ?1 AND workflow_id = ?2",
                    (const int64_t[]){hook_id, workflow_id}, 2, NULL, 0);
}

int store_put_hook_run(struct store *st, int64_t hook_id, int64_t workflow_id, int64_t run_id,
                       struct err *err)
{
    return write_ints(st,
                      "INSERT OR REPLACE INTO hook_runs (hook_id, workflow_id, run_id) VALUES (?1, ?2, ?3)",
                      (const int64_t[]){hook_id, workflow_id, run_id}, 3, err);
}

int store_put_hook(struct store *st, struct hook_row *row, struct err *err)
{
    return row_put(st, &hook_table, row, err);
}

int store_expire_hooks(struct store *st, int64_t before, struct err *err)
{
    int64_t ids[64];
    ssize_t n = list_ids(
        st,
        "SELECT id FROM hooks WHERE changed_at < ?1 AND state NOT IN ('pending', 'running', 'resumed')"
        " ORDER BY changed_at",
        &before, 1, NULL, ids, ARRAY_LEN(ids));

    store_begin(st);
    for (ssize_t i = 0; i < n; i++) {
        write_ints(st, "DELETE FROM hook_payloads WHERE id = ?1", &ids[i], 1, err);
        write_ints(st, "DELETE FROM hooks WHERE id = ?1", &ids[i], 1, err);
        store_changed(st, (struct change){.kind = CHANGE_HOOK, .id = ids[i], .deleted = true});
    }
    int r = store_commit(st, err);
    return r < 0 ? r : (int)n;
}
