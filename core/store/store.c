/* Opening and closing the store, its connections, groups of writes and those who hear of them. */
#include "store_internal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/log.h"

/* ---------------------------------------------------------------------------------------- connections */

static int sql_errno(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    default:
        return -EIO;
    }
}

const char *store_words(int code)
{
    return code == -EBUSY ? "another process has it locked" : strerrordesc_np(-code);
}

/* Of all stores of this process: what was made of one is never taken for another's. */
static _Atomic uint64_t last_as_of;

/* What SQLite calls an input/output error may be a disk that is full. */
static int conn_errno(struct conn *c, int rc)
{
    bool full = (rc & 0xff) == SQLITE_IOERR && c->db && sqlite3_system_errno(c->db) == ENOSPC;

    return full ? -ENOSPC : sql_errno(rc);
}

int store_sql_error(struct conn *c, int rc, const char *what, struct err *err)
{
    int code = conn_errno(c, rc);

    return code ? err_set(err, code, "%s: %s", what,
                          code == -ENOSPC ? strerrordesc_np(ENOSPC) : sqlite3_errmsg(c->db))
                : 0;
}

int conn_open(struct conn *c, const char *path, bool writer, struct err *err)
{
    /* A reader of a WAL database may have to make the shared index, so it is opened for writing and told not
     * to. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_CREATE : 0);
    /* The log is taken into the database from 16 MB on (checkpoint.c): cut to less each time it begins anew,
     * it would be given its blocks again and again. */
    const char *setup = writer
                            ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-2000;"
                              "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=33554432"
                            : "PRAGMA query_only=1; PRAGMA cache_size=-256";
    int rc = sqlite3_open_v2(path, &c->db, flags, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(c->db, 5000);
        rc = sqlite3_exec(c->db, setup, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        return 0;
    int r = conn_errno(c, rc);
    err_set(err, r, "cannot open the database %s: %s", path,
            r == -ENOSPC ? strerrordesc_np(ENOSPC)
            : c->db      ? sqlite3_errmsg(c->db)
                         : "no memory");
    conn_close(c);
    return r;
}

void conn_close(struct conn *c)
{
    for (size_t i = 0; i < c->n; i++)
        sqlite3_finalize(c->statements[i].stmt);
    sqlite3_close(c->db);
    *c = (struct conn){0};
}

sqlite3_stmt *conn_prepare(struct conn *c, const char *sql)
{
    sqlite3_stmt *stmt;

    for (size_t i = 0; i < c->n; i++) {
        if (c->statements[i].sql != sql)
            continue;
        sqlite3_reset(c->statements[i].stmt);
        sqlite3_clear_bindings(c->statements[i].stmt);
        return c->statements[i].stmt;
    }
    if (c->n == CONN_STATEMENTS)
        return NULL;
    int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (rc != SQLITE_OK) {
        log_error("store", "cannot prepare `%s`: %s", sql, sqlite3_errmsg(c->db));
        return NULL;
    }
    c->statements[c->n].sql = sql;
    c->statements[c->n++].stmt = stmt;
    return stmt;
}

void store_db_path(const struct store *st, struct buf *ret)
{
    buf_addf(ret, "%s/runfs.db", st->dir);
}

struct conn *store_reader(struct store *st)
{
    _buf_ struct buf path = BUF_INIT;

    pthread_mutex_lock(&st->pool_lock);
    struct conn *c = st->idle;
    if (c)
        st->idle = c->next;
    pthread_mutex_unlock(&st->pool_lock);
    if (c)
        return c;
    struct err err = {0};
    store_db_path(st, &path);
    c = buf_ok(&path) ? calloc(1, sizeof(*c)) : NULL;
    if (c && conn_open(c, path.ptr, false, &err) < 0) {
        log_error("store", "no reader: %s", err.msg);
        free(c);
        c = NULL;
    }
    return c;
}

void store_reader_done(struct store *st, struct conn *c, sqlite3_stmt *stmt)
{
    if (stmt) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    if (!c)
        return;
    pthread_mutex_lock(&st->pool_lock);
    c->next = st->idle;
    st->idle = c;
    pthread_mutex_unlock(&st->pool_lock);
}

/* --------------------------------------------------------------------------------------- open and close */

/* A process that was killed keeps its lock until the last of its threads is gone. */
static bool is_ending(const char *pid)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;

    buf_addf(&path, "/proc/%.20s/stat", pid);
    if (read_file(buf_str(&path), 4096, &text, NULL) < 0)
        return true;
    const char *state = strrchr(buf_str(&text), ')');
    return state && state[1] && strchr("ZXx", state[2]);
}

/* Whoever holds it is in ret_holder when that is not us. */
static int try_lock(int fd, struct buf *ret_holder)
{
    for (int tries = 0;; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -errno;
        buf_reset(ret_holder);
        if (lseek(fd, 0, SEEK_SET) < 0 || read_fd(fd, 64, ret_holder) < 0 || !ret_holder->len ||
            tries == 150 || !is_ending(ret_holder->ptr))
            return -EBUSY;
        usleep(20000);
    }
}

static int store_lock(struct store *st, struct err *err)
{
    _buf_ struct buf path = BUF_INIT, holder = BUF_INIT;
    char pid[32];

    buf_addf(&path, "%s/lock", st->dir);
    st->lock_fd = buf_ok(&path) ? open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (st->lock_fd < 0)
        return err_errno(err, -errno, "cannot open %s/lock", st->dir);
    int locked = try_lock(st->lock_fd, &holder);
    if (locked < 0 && locked != -EBUSY)
        return err_errno(err, locked, "cannot lock %s/lock", st->dir);
    if (locked < 0) {
        return err_set(err, -EBUSY,
                       "the state directory %s is in use by process %s: unmount that (`runfs umount`), or "
                       "name another directory with --state",
                       st->dir, holder.len ? holder.ptr : "(unknown)");
    }
    int n = snprintf(pid, sizeof(pid), "%d", getpid());
    if (ftruncate(st->lock_fd, 0) < 0)
        return err_errno(err, -errno, "cannot write %s/lock", st->dir);
    int r = pwrite_all(st->lock_fd, pid, (size_t)n, 0);
    return r < 0 ? err_errno(err, r, "cannot write %s/lock", st->dir) : 0;
}

/* Whoever can write there reads every secret: it is this user's alone. */
static int check_owner(const char *dir, struct err *err)
{
    struct stat s;

    if (stat(dir, &s) < 0)
        return err_errno(err, -errno, "cannot look at the state directory %s", dir);
    if (!S_ISDIR(s.st_mode))
        return err_set(err, -ENOTDIR, "the state directory %s is no directory: name another with --state",
                       dir);
    if (s.st_uid != geteuid())
        return err_set(err, -EPERM,
                       "the state directory %s belongs to the user %u, not to %u: name one of your own with "
                       "--state",
                       dir, s.st_uid, geteuid());
    if (s.st_mode & S_IWOTH)
        return err_set(err, -EPERM, "anybody may write to the state directory %s: `chmod o-w` it", dir);
    return 0;
}

static int store_init(struct store *st, const char *dir, struct err *err)
{
    _buf_ struct buf logs = BUF_INIT, db = BUF_INIT;
    int r = make_dirs(dir, 0700);

    if (r < 0)
        return err_set(err, r, "cannot make the state directory %s: %s: name another with --state", dir,
                       strerrordesc_np(-r));
    st->dir = realpath(dir, NULL);
    if (!st->dir)
        return err_errno(err, -errno, "cannot find the state directory %s", dir);
    r = check_owner(st->dir, err);
    if (r == 0)
        r = store_lock(st, err);
    if (r < 0)
        return r;
    dir_set_apart(st->dir);
    buf_addf(&logs, "%s/logs", st->dir);
    store_db_path(st, &db);
    if (!buf_ok(&logs) || !buf_ok(&db))
        return err_errno(err, -ENOMEM, "cannot open the store");
    if (mkdir(logs.ptr, 0700) < 0 && errno != EEXIST)
        return err_errno(err, -errno, "cannot make %s", logs.ptr);
    mode_t old = umask(0077);
    r = conn_open(&st->writer, db.ptr, true, err);
    umask(old);
    r = r < 0 ? r : store_migrate(st->writer.db, err);
    r = r < 0 ? r : rows_begin(st, err);
    if (r == 0)
        checkpoint_begin(st);
    return r;
}

int store_open(const char *state_dir, struct store **ret, struct err *err)
{
    struct store *st = calloc(1, sizeof(*st));
    pthread_mutexattr_t recursive;

    if (!st)
        return err_errno(err, -ENOMEM, "cannot open the store");
    st->lock_fd = -1;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&st->write_lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&st->turn_lock, NULL);
    pthread_mutex_init(&st->notify_lock, NULL);
    pthread_mutex_init(&st->pool_lock, NULL);
    pthread_mutex_init(&st->saves_lock, NULL);
    pthread_mutex_init(&st->rooms.lock, NULL);
    pthread_mutex_init(&st->log_lock, NULL);
    cache_init(&st->cache);
    for (int kind = 0; kind < CHANGE_KINDS; kind++)
        atomic_store(&st->as_of[kind], atomic_fetch_add(&last_as_of, 1) + 1);
    checkpoint_init(st);
    pthread_mutex_init(&st->hook_adds.lock, NULL);
    st->hook_adds.end = &st->hook_adds.first;
    int r = store_init(st, state_dir, err);
    if (r < 0) {
        store_close(st);
        return r;
    }
    log_sweep(st);
    reserve_keep(st);
    r = artifact_sweep(st, err);
    if (r == 0)
        r = blob_sweep(st, err);
    if (r < 0) {
        store_close(st);
        return r;
    }
    *ret = st;
    return 0;
}

void store_leave(struct store *st)
{
    if (st)
        (void)flock(st->lock_fd, LOCK_UN);
}

void store_close(struct store *st)
{
    if (!st)
        return;
    later_release(st);
    checkpoint_release(st);
    while (st->idle) {
        struct conn *next = st->idle->next;
        conn_close(st->idle);
        free(st->idle);
        st->idle = next;
    }
    conn_close(&st->writer);
    cache_release(&st->cache);
    if (st->lock_fd >= 0)
        close(st->lock_fd);
    pthread_mutex_destroy(&st->write_lock);
    pthread_mutex_destroy(&st->turn_lock);
    pthread_mutex_destroy(&st->notify_lock);
    pthread_mutex_destroy(&st->pool_lock);
    pthread_mutex_destroy(&st->saves_lock);
    pthread_mutex_destroy(&st->rooms.lock);
    pthread_mutex_destroy(&st->log_lock);
    pthread_mutex_destroy(&st->hook_adds.lock);
    free(st->changes);
    free(st->dir);
    free(st);
}

const char *store_dir(const struct store *st)
{
    return st->dir;
}

/* --------------------------------------------------------------------------------------------- changes */

int store_subscribe(struct store *st, store_changed_fn *fn, void *data)
{
    int r = -ENOSPC;

    pthread_mutex_lock(&st->notify_lock);
    if (st->n_subscribers < MAX_SUBSCRIBERS) {
        st->subscribers[st->n_subscribers].fn = fn;
        st->subscribers[st->n_subscribers++].data = data;
        r = 0;
    }
    pthread_mutex_unlock(&st->notify_lock);
    return r;
}

void store_unsubscribe(struct store *st, store_changed_fn *fn, void *data)
{
    pthread_mutex_lock(&st->notify_lock);
    for (size_t i = 0; i < st->n_subscribers; i++)
        if (st->subscribers[i].fn == fn && st->subscribers[i].data == data)
            st->subscribers[i--] = st->subscribers[--st->n_subscribers];
    pthread_mutex_unlock(&st->notify_lock);
}

void store_changed(struct store *st, struct change change)
{
    for (size_t i = st->n_changes; i-- > 0;) {
        struct change *c = &st->changes[i];
        if (c->kind != change.kind || c->id != change.id || c->deleted)
            continue;
        c->deleted = change.deleted;
        c->again |= change.again;
        c->emptied |= change.emptied;
        return;
    }
    if (st->n_changes == st->cap_changes) {
        size_t cap = st->cap_changes ? st->cap_changes * 2 : 32;
        struct change *more = reallocarray(st->changes, cap, sizeof(*more));
        if (!more) {
            store_spoil(st, -ENOMEM);
            return;
        }
        st->changes = more;
        st->cap_changes = cap;
    }
    st->changes[st->n_changes++] = change;
}

int store_spoil(struct store *st, int code)
{
    if (!st->failed)
        st->failed = code;
    return code;
}

static void store_notify(struct store *st, const struct change *changes, size_t n)
{
    for (size_t i = 0; i < st->n_subscribers; i++)
        st->subscribers[i].fn(st->subscribers[i].data, changes, n);
}

/* Tells of a change that needed no transaction. */
void store_tell(struct store *st, struct change change)
{
    pthread_mutex_lock(&st->notify_lock);
    store_notify(st, &change, 1);
    pthread_mutex_unlock(&st->notify_lock);
}

/* In turn: who waits is the next one, however quickly another comes again. */
static void lock_writer(struct store *st)
{
    static _Thread_local char me;
    bool is_mine = atomic_load(&st->writing) == &me;

    if (!is_mine)
        pthread_mutex_lock(&st->turn_lock);
    pthread_mutex_lock(&st->write_lock);
    if (!is_mine) {
        atomic_store(&st->writing, &me);
        pthread_mutex_unlock(&st->turn_lock);
    }
}

void store_hold_writer(struct store *st)
{
    lock_writer(st);
}

void store_let_writer(struct store *st)
{
    atomic_store(&st->writing, NULL);
    pthread_mutex_unlock(&st->write_lock);
}

static void begin(struct store *st, bool lasting)
{
    lock_writer(st);
    if (st->depth++ > 0)
        return;
    st->failed = 0;
    st->n_changes = 0;
    st->lasting = lasting;
    st->replayed = false;
    later_forget(&st->group);
    if (later_is_early(st)) {
        store_spoil(st, atomic_load(&st->later.code));
        return;
    }
    int rc = later_begin(st);
    if (rc != SQLITE_OK)
        store_spoil(st, conn_errno(&st->writer, rc) ? conn_errno(&st->writer, rc) : -EIO);
}

void store_begin(struct store *st)
{
    begin(st, false);
}

void store_begin_lasting(struct store *st)
{
    begin(st, true);
}

bool store_refuses_one(struct store *st, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return !sqlite3_get_autocommit(st->writer.db);
    default:
        return false;
    }
}

int store_refused(struct store *st, int rc, struct err *err)
{
    int r = store_sql_error(&st->writer, rc, "cannot write to the database", err);

    return st->lasting && store_refuses_one(st, rc) ? r : store_spoil(st, r);
}

void store_rollback(struct store *st)
{
    store_spoil(st, -ECANCELED);
    (void)store_commit(st, NULL);
}

void store_accompany(struct store *st, const struct store_companion *companion)
{
    pthread_mutex_lock(&st->write_lock);
    st->companion = companion ? *companion : (struct store_companion){0};
    pthread_mutex_unlock(&st->write_lock);
}

struct histogram metric_commit_time = {
    "runfs_store_commit_seconds",
    "How long the database took to commit.",
    {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5},
    {0},
    0};

static int finish_group(struct store *st, struct err *err)
{
    sqlite3_stmt *stmt = st->failed ? NULL : conn_prepare(&st->writer, "COMMIT");
    int64_t start = mono_ns();
    int rc = stmt ? sqlite3_step(stmt) : SQLITE_OK;

    metric_time(&metric_commit_time, mono_ns() - start);

    if (stmt && rc == SQLITE_DONE) {
        sqlite3_reset(stmt);
        return 0;
    }
    if (stmt)
        store_spoil(st, store_sql_error(&st->writer, rc, "cannot write to the database", err));
    else
        err_set(err, store_spoil(st, -ENOMEM), "cannot write to the database: %s", store_words(st->failed));
    if (!sqlite3_get_autocommit(st->writer.db))
        sqlite3_exec(st->writer.db, "ROLLBACK", NULL, NULL, NULL);
    return st->failed;
}

static void bump(struct store *st, const struct change *changes, size_t n)
{
    bool changed[CHANGE_KINDS] = {false};

    for (size_t i = 0; i < n; i++)
        changed[changes[i].kind] = true;
    for (int kind = 0; kind < CHANGE_KINDS; kind++)
        if (changed[kind])
            atomic_store(&st->as_of[kind], atomic_fetch_add(&last_as_of, 1) + 1);
}

uint64_t store_as_of(struct store *st, enum change_kind kind)
{
    return atomic_load(&st->as_of[kind]);
}

int store_commit(struct store *st, struct err *err)
{
    if (st->depth > 1) {
        int failed = st->lasting && st->failed != -ECANCELED ? 0 : st->failed;
        st->depth--;
        pthread_mutex_unlock(&st->write_lock);
        return failed;
    }
    const struct store_companion along = st->companion;
    void *with = along.write && st->lasting ? along.write(along.data) : NULL;
    struct err words = {0};
    int r = finish_group(st, &words), kept = r;
    if (r == 0)
        later_written(st);
    else if (st->lasting)
        kept = later_keep(st, r);
    if (kept == 0)
        words = (struct err){0};
    if (kept < 0 && err && !err->code)
        *err = words;
    if (err && kept < 0)
        err->code = kept;
    struct change *changes = r == 0 ? TAKE(st->changes) : NULL;
    size_t n = r == 0 ? st->n_changes : 0;
    st->n_changes = 0;
    if (changes)
        st->cap_changes = 0;
    for (size_t i = 0; i < n; i++)
        cache_drop(&st->cache, changes[i].id);
    bump(st, changes, n);
    pthread_mutex_lock(&st->notify_lock);
    st->depth--;
    store_let_writer(st);
    if (n)
        store_notify(st, changes, n);
    pthread_mutex_unlock(&st->notify_lock);
    free(changes);
    if (with)
        along.written(along.data, with, kept);
    return kept;
}
