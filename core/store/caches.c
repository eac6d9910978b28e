/*
 * Caches: files STATE/caches/ID with a row each. A file that is being saved is called incoming-XXXXXX and
 * gets its name in the transaction that inserts its row.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

#include "row_table.h"
#include "runfs/cache.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

#define CACHE_COLUMNS(FIRST, X)                                                                              \
    FIRST(cache_row, TEXT, repository)                                                                       \
    X(cache_row, TEXT, ref)                                                                                  \
    X(cache_row, TEXT, key)                                                                                  \
    X(cache_row, TEXT, version)                                                                              \
    X(cache_row, I64, size)                                                                                  \
    X(cache_row, I64, created_at)                                                                            \
    X(cache_row, I64, used_at)

static const struct row_table cache_table = {
    ROW_READ("caches", cache_row, CACHE_COLUMNS),
    ROW_WRITE("caches", CACHE_COLUMNS),
    .change = CHANGE_CACHE,
    .slot = 7,
};

/* A reservation, in the store's list until it is committed or abandoned. */
struct cache_save {
    struct store *st;
    struct cache_save *next;
    char *repository, *ref, *key, *version; /* owned */
    char *path;                             /* owned */
    int fd;                                 /* owned */
};

ROW_READER(cache)

ssize_t cache_list(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    return list_ids(st, "SELECT id FROM caches WHERE id > ?1 ORDER BY id", (const int64_t[]){after}, 1, NULL,
                    ids, max);
}

int64_t cache_find_key(struct store *st, const char *key)
{
    return read_int(st, "SELECT id FROM caches WHERE key = ?1 ORDER BY id LIMIT 1", NULL, 0, key, 0);
}

static void cache_path(struct store *st, int64_t id, struct buf *ret)
{
    buf_addf(ret, "%s/caches/%lld", st->dir, (long long)id);
}

/* ----------------------------------------------------------------------------------------------- lookups */

static size_t characters(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* GitHub's rules for keys (at most 512 characters, no comma), in the words of @actions/cache. 0 or -EINVAL.
 */
static int cache_check_key(const char *key, struct err *err)
{
    if (!*key || !utf8_valid(key, strlen(key)))
        return err_set(err, -EINVAL, "Key Validation Error: a key is UTF-8 text that is not empty.");
    if (characters(key) > CACHE_KEY_MAX)
        return err_set(err, -EINVAL, "Key Validation Error: %.512s cannot be larger than 512 characters.",
                       key);
    if (strchr(key, ','))
        return err_set(err, -EINVAL, "Key Validation Error: %.512s cannot contain commas.", key);
    return 0;
}

/* One scope, one key. sql: parameters are repository, ref, version, key. */
static int64_t find_one(struct store *st, const char *sql, const char *repository, const char *ref,
                        const char *version, const char *key)
{
    const char *const texts[] = {repository, ref, version, key};
    struct conn *c = store_reader(st);
    sqlite3_stmt *stmt = c ? conn_prepare(c, sql) : NULL;
    int64_t id = 0;

    for (int i = 0; stmt && i < (int)ARRAY_LEN(texts); i++)
        sqlite3_bind_text(stmt, i + 1, texts[i], -1, SQLITE_STATIC);
    if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        id = sqlite3_column_int64(stmt, 0);
    store_reader_done(st, c, stmt);
    return id;
}

static int64_t find_exact(struct store *st, const char *repository, const char *ref, const char *version,
                          const char *key)
{
    return find_one(st,
                    "SELECT id FROM caches WHERE repository = ?1 AND ref = ?2 AND version = ?3 AND key = ?4",
                    repository, ref, version, key);
}

static int64_t find_prefix(struct store *st, const char *repository, const char *ref, const char *version,
                           const char *key)
{
    return find_one(
        st,
        "SELECT id FROM caches WHERE repository = ?1 AND ref = ?2 AND version = ?3"
        " AND substr(key, 1, length(?4)) = ?4 COLLATE NOCASE ORDER BY created_at DESC, id DESC LIMIT 1",
        repository, ref, version, key);
}

static int64_t find_in_scope(struct store *st, const char *repository, const char *ref, const char *version,
                             const char *const *keys, size_t n)
{
    int64_t id = 0;

    for (size_t i = 0; !id && i < n; i++) {
        id = find_exact(st, repository, ref, version, keys[i]);
        if (!id)
            id = find_prefix(st, repository, ref, version, keys[i]);
    }
    return id;
}

static void note_use(struct store *st, int64_t id)
{
    const int64_t params[] = {now_ns(), id};

    store_begin(st);
    write_ints(st, "UPDATE caches SET used_at = ?1 WHERE id = ?2", params, ARRAY_LEN(params), NULL);
    store_changed(st, (struct change){.kind = CHANGE_CACHE, .id = id});
    (void)store_commit(st, NULL); /* a use that is not noted makes it go a little earlier */
}

int64_t cache_lookup(struct store *st, const struct cache_scope *scope, const char *const *keys, size_t n,
                     const char *version, struct err *err)
{
    int64_t id = 0;

    if (n == 0 || n > CACHE_KEYS_MAX)
        return err_set(err, -EINVAL, "Key Validation Error: Keys are limited to a maximum of %d.",
                       CACHE_KEYS_MAX);
    for (size_t i = 0; i < n; i++) {
        int r = cache_check_key(keys[i], err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; !id && i < CACHE_SCOPES_MAX && scope->refs[i]; i++)
        id = find_in_scope(st, scope->repository, scope->refs[i], version, keys, n);
    if (id)
        note_use(st, id);
    return id;
}

int cache_open(struct store *st, int64_t id)
{
    _buf_ struct buf path = BUF_INIT;

    cache_path(st, id, &path);
    int fd = buf_ok(&path) ? open(buf_str(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    return fd < 0 ? -errno : fd;
}

/* ------------------------------------------------------------------------------------------------ saving */

static bool same_entry(const struct cache_save *a, const struct cache_save *b)
{
    return str_eq(a->repository, b->repository) && str_eq(a->ref, b->ref) &&
           str_eq_ascii_nocase(a->key, b->key) && str_eq(a->version, b->version);
}

static void save_free(struct cache_save *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->path)
        (void)unlink(s->path); /* after a rename there is nothing of that name */
    free(s->repository);
    free(s->ref);
    free(s->key);
    free(s->version);
    free(s->path);
    free(s);
}

static bool link_save(struct cache_save *s)
{
    struct cache_save *other;

    pthread_mutex_lock(&s->st->saves_lock);
    for (other = s->st->saves; other && !same_entry(other, s); other = other->next)
        ;
    if (!other) {
        s->next = s->st->saves;
        s->st->saves = s;
    }
    pthread_mutex_unlock(&s->st->saves_lock);
    return !other;
}

static void unlink_save(struct cache_save *s)
{
    struct cache_save **at;

    pthread_mutex_lock(&s->st->saves_lock);
    for (at = &s->st->saves; *at && *at != s; at = &(*at)->next)
        ;
    if (*at)
        *at = s->next;
    pthread_mutex_unlock(&s->st->saves_lock);
}

static struct cache_save *save_new(struct store *st, const struct cache_scope *scope, const char *key,
                                   const char *version)
{
    struct cache_save *s = calloc(1, sizeof(*s));
    _buf_ struct buf path = BUF_INIT;

    if (!s)
        return NULL;
    buf_addf(&path, "%s/caches/incoming-XXXXXX", st->dir);
    *s = (struct cache_save){.st = st,
                             .repository = strdup(scope->repository),
                             .ref = strdup(scope->refs[0] ? scope->refs[0] : ""),
                             .key = strdup(key),
                             .version = strdup(version),
                             .fd = -1};
    char *template = buf_steal(&path);
    if (s->repository && s->ref && s->key && s->version && template) {
        s->fd = mkostemp(template, O_CLOEXEC);
        if (s->fd >= 0)
            s->path = TAKE(template);
    } else {
        errno = ENOMEM;
    }
    free(template);
    return s;
}

int cache_save_begin(struct store *st, const struct cache_scope *scope, const char *key, const char *version,
                     struct cache_save **ret, struct err *err)
{
    int r = cache_check_key(key, err);

    if (r < 0)
        return r;
    struct cache_save *s = save_new(st, scope, key, version);
    if (!s || s->fd < 0) {
        r = err_errno(err, -errno, "cannot make a file in %s/caches", st->dir);
        if (s)
            save_free(s);
        return r;
    }
    if (!link_save(s)) {
        save_free(s);
        return err_set(err, -EEXIST, "another job may be creating the cache with the key %.512s", key);
    }
    if (find_exact(st, s->repository, s->ref, s->version, s->key)) {
        cache_save_abandon(s);
        return err_set(err, -EEXIST, "cache entry with the same key, version, and scope already exists");
    }
    *ret = s;
    return 0;
}

int cache_save_fd(const struct cache_save *s)
{
    return s->fd;
}

void cache_save_abandon(struct cache_save *s)
{
    if (!s)
        return;
    unlink_save(s);
    save_free(s);
}

static int64_t size_limit(struct store *st)
{
    _buf_ struct buf value = BUF_INIT;
    uint64_t mib;

    if (store_setting(st, SETTING_CONFIG, "cache_size_mib", &value) < 0 ||
        parse_u64(buf_str(&value), &mib) < 0 || mib > INT64_MAX >> 20)
        mib = 10240;
    return (int64_t)(mib << 20);
}

static int publish(struct cache_save *s, int64_t size, int64_t *ret_id, struct err *err)
{
    int64_t now = now_ns();
    struct cache_row row = {.repository = s->repository,
                            .ref = s->ref,
                            .key = s->key,
                            .version = s->version,
                            .size = size,
                            .created_at = now,
                            .used_at = now};
    _buf_ struct buf path = BUF_INIT;
    bool moved = false;

    store_begin(s->st);
    int r = row_put(s->st, &cache_table, &row, err);
    if (r == 0) {
        cache_path(s->st, row.id, &path);
        moved = buf_ok(&path) && rename(s->path, buf_str(&path)) == 0;
        if (!moved)
            r = err_errno(err, buf_ok(&path) ? -errno : -ENOMEM, "cannot name the cache's file");
    }
    if (r < 0)
        store_rollback(s->st);
    else
        r = store_commit(s->st, err);
    if (r < 0 && moved)
        (void)unlink(buf_str(&path));
    if (moved) {
        free(s->path);
        s->path = NULL;
    }
    if (r == 0)
        *ret_id = row.id;
    return r;
}

/* What was not used for longest of the repository that has most, so that one does not push out the others' as
 * long as it has some that can go; never the one called `keep`. 0: there is none. */
static int64_t victim(struct store *st, int64_t keep)
{
    int64_t id =
        read_int(st,
                 "SELECT id FROM caches WHERE id <> ?1 AND repository = (SELECT repository FROM caches"
                 " GROUP BY repository ORDER BY sum(size) DESC LIMIT 1) ORDER BY used_at, id LIMIT 1",
                 &keep, 1, NULL, 0);

    return id ? id
              : read_int(st, "SELECT id FROM caches WHERE id <> ?1 ORDER BY used_at, id LIMIT 1", &keep, 1,
                         NULL, 0);
}

/* Until the rest fits. */
static int evict(struct store *st, int64_t keep, struct err *err)
{
    int64_t limit = size_limit(st);
    int evicted = 0, r = 0;

    while (r == 0 && read_int(st, "SELECT coalesce(sum(size), 0) FROM caches", NULL, 0, NULL, 0) > limit) {
        int64_t id = victim(st, keep);
        if (!id)
            break;
        r = cache_delete(st, id, err);
        if (r == -ENOENT)
            r = 0;
        evicted++;
    }
    return r < 0 ? r : evicted;
}

int cache_evict(struct store *st, struct err *err)
{
    return evict(st, 0, err);
}

int cache_save_commit(struct cache_save *s, int64_t *ret_id, struct err *err)
{
    struct store *st = s->st;
    struct stat file;
    int64_t id = 0;
    int r = fstat(s->fd, &file) < 0 ? err_errno(err, -errno, "cannot save the cache") : 0;

    if (r == 0 && file.st_size > size_limit(st))
        r = err_set(err, -EFBIG,
                    "the cache has %lld bytes and all caches together may have %lld: config/cache_size_mib",
                    (long long)file.st_size, (long long)size_limit(st));
    /* one byte far behind would count as much as what lies before it */
    if (r == 0 && file.st_size > 0 && lseek(s->fd, 0, SEEK_HOLE) < file.st_size)
        r = err_set(err, -EINVAL, "the cache has gaps: parts of it were never uploaded");
    if (r == 0)
        r = publish(s, file.st_size, &id, err);
    cache_save_abandon(s);
    if (r < 0)
        return r;
    if (evict(st, id, NULL) < 0)
        log_warning("store", "caches: cannot evict what was not used for longest");
    if (ret_id)
        *ret_id = id;
    return 0;
}

int cache_delete(struct store *st, int64_t id, struct err *err)
{
    const struct cache_row *row = store_get_cache(st, id);
    _buf_ struct buf path = BUF_INIT;

    if (!row)
        return err_set(err, -ENOENT, "there is no cache %lld", (long long)id);
    cache_row_unref(row);
    store_begin(st);
    write_ints(st, "DELETE FROM caches WHERE id = ?1", &id, 1, err);
    store_changed(st, (struct change){.kind = CHANGE_CACHE, .id = id, .deleted = true});
    int r = store_commit(st, err);
    cache_path(st, id, &path);
    if (r == 0 && buf_ok(&path) && unlink(buf_str(&path)) < 0 && errno != ENOENT)
        log_warning("store", "cannot remove %s: %s", buf_str(&path), strerrordesc_np(errno));
    return r;
}

/* ------------------------------------------------------------------------------------------------ opening */

static int make_directory(struct store *st, const char *name, struct buf *path, struct err *err)
{
    buf_addf(path, "%s/%s", st->dir, name);
    if (buf_ok(path) && (mkdir(buf_str(path), 0700) == 0 || errno == EEXIST))
        return 0;
    return err_errno(err, buf_ok(path) ? -errno : -ENOMEM, "cannot make %s/%s", st->dir, name);
}

/* Removes the files of a directory that no row knows. */
static void sweep(struct store *st, const char *dir, const char *sql)
{
    _closedir_ DIR *d = opendir(dir);
    struct dirent *e;
    uint64_t id;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && !(sql && parse_u64(e->d_name, &id) == 0 && id <= INT64_MAX &&
                                     read_int(st, sql, (const int64_t[]){(int64_t)id}, 1, NULL, 0)))
            (void)unlinkat(dirfd(d), e->d_name, 0);
}

int blob_sweep(struct store *st, struct err *err)
{
    _buf_ struct buf caches = BUF_INIT, uploads = BUF_INIT;
    int r = make_directory(st, "caches", &caches, err);

    if (r == 0)
        r = make_directory(st, "uploads", &uploads, err);
    if (r < 0)
        return r;
    sweep(st, buf_str(&caches), "SELECT id FROM caches WHERE id = ?1");
    sweep(st, buf_str(&uploads), NULL);
    return 0;
}
