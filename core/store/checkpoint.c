/*
 * The write-ahead log goes into the database on a thread of its own. Where the writer does that, as SQLite
 * has it, whoever committed last waits for the disk with the writer's lock in hand, and so do all others.
 */
#include "store_internal.h"

#include "runfs/log.h"

/* Pages in the log: how many more make it worth while; from which on it is to begin anew, which it only does
 * when nothing of it is left, so writers have to wait for the rest; how much that may be; and from which on
 * the writer does all of it, since the thread does not keep up. */
enum { STEP = 4000, ANEW_AT = 32768, REST = 500, PASSES = 4, WRITER_AT = 2 * ANEW_AT };

static bool wait_for_work(struct checkpoint *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->wanted && !c->ending)
        pthread_cond_wait(&c->woken, &c->lock);
    c->wanted = false;
    bool work = !c->ending;
    pthread_mutex_unlock(&c->lock);
    return work;
}

/* Brings what is in the log by now; how long that is. -1: it cannot be done now. */
static int pass(struct checkpoint *c)
{
    int pages = 0;

    pthread_mutex_lock(&c->busy);
    int rc = sqlite3_wal_checkpoint_v2(c->conn.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, NULL);
    pthread_mutex_unlock(&c->busy);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        log_warning("store", "the write-ahead log grows: %s", sqlite3_errmsg(c->conn.db));
    return rc == SQLITE_OK ? pages : -1;
}

/* What was asked for meanwhile has been done. */
static void unwant(struct checkpoint *c)
{
    pthread_mutex_lock(&c->lock);
    c->wanted = false;
    pthread_mutex_unlock(&c->lock);
}

/* Each time only what came meanwhile is left, until it is little enough to let writers wait for it. */
static void *checkpoint_loop(void *data)
{
    struct store *st = data;

    while (wait_for_work(&st->checkpoint)) {
        int before = 0, pages = pass(&st->checkpoint);
        for (int i = 1; i < PASSES && pages >= ANEW_AT && pages - before > REST; i++) {
            before = pages;
            pages = pass(&st->checkpoint);
        }
        if (pages < ANEW_AT)
            continue;
        store_hold_writer(st);
        st->checkpoint.pages = pass(&st->checkpoint);
        unwant(&st->checkpoint);
        store_let_writer(st);
    }
    return NULL;
}

/* When first needed, which it is not in a process that writes little. */
static bool start(struct store *st)
{
    struct checkpoint *c = &st->checkpoint;
    _buf_ struct buf path = BUF_INIT;

    if (c->started || c->failed)
        return c->started;
    store_db_path(st, &path);
    if (!buf_ok(&path) || conn_open(&c->conn, path.ptr, true, NULL) < 0)
        c->failed = true;
    else if (pthread_create(&c->thread, NULL, checkpoint_loop, st) == 0)
        c->started = true;
    else
        c->failed = true;
    return c->started;
}

/* After each commit, with the writer's lock held. */
static int on_commit(void *data, sqlite3 *db, const char *name, int pages)
{
    struct store *st = data;
    struct checkpoint *c = &st->checkpoint;

    if (pages < c->pages)
        c->pages = 0; /* it began anew */
    if (pages - c->pages < STEP)
        return SQLITE_OK;
    c->pages = pages;
    if (pages >= WRITER_AT || !start(st)) {
        pthread_mutex_lock(&c->busy);
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        pthread_mutex_unlock(&c->busy);
        return SQLITE_OK;
    }
    pthread_mutex_lock(&c->lock);
    c->wanted = true;
    pthread_cond_signal(&c->woken);
    pthread_mutex_unlock(&c->lock);
    return SQLITE_OK;
}

void checkpoint_init(struct store *st)
{
    pthread_mutex_init(&st->checkpoint.lock, NULL);
    pthread_mutex_init(&st->checkpoint.busy, NULL);
    pthread_cond_init(&st->checkpoint.woken, NULL);
}

void checkpoint_begin(struct store *st)
{
    sqlite3_wal_hook(st->writer.db, on_commit, st);
}

void checkpoint_release(struct store *st)
{
    struct checkpoint *c = &st->checkpoint;

    if (c->started) {
        pthread_mutex_lock(&c->lock);
        c->ending = true;
        pthread_cond_signal(&c->woken);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
    }
    conn_close(&c->conn);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->busy);
    pthread_cond_destroy(&c->woken);
}
