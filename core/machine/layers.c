/*
 * Frozen layers on disk: made of what a machine wrote, stacked by their parents, kept while a snapshot, a
 * kept machine, a living one or another layer needs them.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

void layer_path(const struct machines *ms, int64_t id, struct buf *ret)
{
    buf_addf(ret, "%s/layers/%lld", ms->scratch, (long long)id);
}

void chain_release(struct chain *c)
{
    free(c->ids);
    *c = (struct chain){0};
}

/* Whether each top-level directory has its own overlay in machines of this spec. */
bool layers_split(const struct machines *ms, const char *image)
{
    return ms->split && str_empty(image);
}

#define REDIRECTS "trusted.runfs.redirects"

bool layer_redirects(int upper)
{
    return fgetxattr(upper, REDIRECTS, NULL, 0) >= 0;
}

bool layer_set_redirects(int upper)
{
    return fsetxattr(upper, REDIRECTS, "y", 1, 0) == 0;
}

static int chain_push(struct chain *c, int64_t id)
{
    if (c->n % 16 == 0) {
        int64_t *more = reallocarray(c->ids, c->n + 16, sizeof(*more));
        if (!more)
            return -ENOMEM;
        c->ids = more;
    }
    c->ids[c->n++] = id;
    return 0;
}

int layers_chain(struct machines *ms, int64_t layer, struct chain *ret, struct err *err)
{
    struct chain c = {0};

    while (layer) {
        const struct layer_row *row = store_get_layer(ms->store, layer);
        int r = row ? chain_push(&c, layer)
                    : err_set(err, -ENOENT, "layer %lld of the snapshot is lost", (long long)layer);
        layer = row ? row->parent : 0;
        layer_row_unref(row);
        if (r == 0 && c.n > LAYERS_MAX)
            r = err_set(err, -E2BIG, "the snapshot consists of more than %d layers", LAYERS_MAX);
        if (r < 0) {
            chain_release(&c);
            return r == -ENOMEM ? err_errno(err, r, "snapshot") : r;
        }
    }
    *ret = c;
    return 0;
}

/* ---------------------------------------------------------------------------------------------- freezing */

/* `tops` is there only above the first layer. */
static int move_written(const char *from, const char *to)
{
    static const char *const parts[] = {"upper", "tops"};
    _close_ int a = open(from, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _close_ int b = open(to, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (a < 0 || b < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (renameat(a, parts[i], b, parts[i]) < 0 && !(i > 0 && errno == ENOENT))
            return -errno;
    return 0;
}

static int mark_split(const char *dir)
{
    _buf_ struct buf b = BUF_INIT;

    buf_addf(&b, "%s/split", dir);
    if (!buf_ok(&b))
        return -ENOMEM;
    _close_ int fd = open(b.ptr, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : 0;
}

static int64_t number(struct machines *ms)
{
    pthread_mutex_lock(&ms->living_lock);
    int64_t id = ms->next_layer++;
    pthread_mutex_unlock(&ms->living_lock);
    return id;
}

int layers_freeze(struct machines *ms, const char *dir, bool split, int64_t *ret, struct err *err)
{
    _buf_ struct buf to = BUF_INIT;
    int64_t id = number(ms);

    layer_path(ms, id, &to);
    int r = buf_ok(&to) ? make_dirs(to.ptr, 0711) : -ENOMEM;
    if (r == 0 && split)
        r = mark_split(to.ptr);
    if (r == 0)
        r = move_written(dir, to.ptr);
    if (r < 0)
        return err_errno(err, r, "cannot freeze what the machine wrote");
    *ret = id;
    return 0;
}

int layers_record(struct machines *ms, int64_t id, int64_t parent, struct err *err)
{
    struct layer_row row = {.id = id, .parent = parent, .boot = ms->boot, .created_at = now_ns()};

    return store_put_layer(ms->store, &row, err);
}

/* --------------------------------------------------------------------------------------------- collecting */

static bool chain_has(const struct chain *c, int64_t id)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->ids[i] == id)
            return true;
    return false;
}

/* With living_lock held. What stands on a pinned layer's parents is pinned by the chain itself. */
static bool is_pinned(const struct machines *ms, int64_t id)
{
    for (const struct machine *m = ms->living; m; m = m->next) {
        if (m->parent == id || chain_has(&m->chain, id))
            return true;
        /* what it will stand on next */
        for (int64_t layer = m->parent; layer && layer != id;) {
            const struct layer_row *row = store_get_layer(ms->store, layer);
            layer = row ? row->parent : 0;
            layer_row_unref(row);
            if (layer == id)
                return true;
        }
    }
    return false;
}

/* The directory goes where no machine looks for it, and is removed behind. */
static void bury_layer(struct machines *ms, int64_t id)
{
    _buf_ struct buf from = BUF_INIT, to = BUF_INIT;

    layer_path(ms, id, &from);
    buf_addf(&to, "%s/dead-%lld", ms->scratch, (long long)id);
    if (!buf_ok(&from) || !buf_ok(&to))
        return;
    if (rename(from.ptr, to.ptr) == 0)
        cleaner_add(ms->cleaner, (struct remains){.pidfd = -1,
                                                  .root = -1,
                                                  .path = buf_steal(&to),
                                                  .lent = atomic_load(&ms->lends) || machines_leak(ms)});
    else if (errno != ENOENT)
        log_warning("machine", "layer %lld: cannot remove: %s", (long long)id, strerrordesc_np(errno));
}

/* Forgets the next layers behind *after that are nobody's. A machine that ends meanwhile hands its layer over
 * to its row under the same lock. Returns how many of ids there are. */
static size_t forget_unused(struct machines *ms, int64_t *after, int64_t *ids, size_t max)
{
    size_t forgotten = 0;

    pthread_mutex_lock(&ms->living_lock);
    ssize_t n = store_list_unused_layers(ms->store, *after, ids, max);
    *after = n > 0 ? ids[n - 1] : INT64_MAX;
    for (ssize_t i = 0; i < n; i++)
        if (!is_pinned(ms, ids[i]) && store_delete_layer(ms->store, ids[i], NULL) == 0)
            ids[forgotten++] = ids[i];
    pthread_mutex_unlock(&ms->living_lock);
    return forgotten;
}

void layers_collect(struct machines *ms)
{
    int64_t ids[64], after = 0;

    while (ms->store && after < INT64_MAX) {
        size_t n = forget_unused(ms, &after, ids, ARRAY_LEN(ids));
        for (size_t i = 0; i < n; i++)
            bury_layer(ms, ids[i]);
    }
}

void layers_sync(struct machines *ms)
{
    struct err err = {0};

    if (!ms->store || store_count_volatile_layers(ms->store) == 0)
        return;
    int64_t last = store_next_id(ms->store, NUMBERED_LAYERS) - 1;
    _close_ int fd = open(ms->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0)
        log_warning("machine", "layers: cannot be synced: %s", strerrordesc_np(errno));
    else if (store_layers_durable(ms->store, last, &err) < 0)
        log_warning("machine", "layers: %s", err.msg);
}

/* ------------------------------------------------------------------------------------------------ at start
 */

static void read_boot(struct machines *ms)
{
    _buf_ struct buf b = BUF_INIT;

    if (read_file("/proc/sys/kernel/random/boot_id", 64, &b, NULL) == 0)
        snprintf(ms->boot, sizeof(ms->boot), "%.*s", (int)strcspn(b.ptr, "\n"), b.ptr);
}

static bool layer_whole(struct machines *ms, int64_t id)
{
    const struct layer_row *row = store_get_layer(ms->store, id);
    _buf_ struct buf upper = BUF_INIT;

    layer_path(ms, id, &upper);
    buf_adds(&upper, "/upper");
    bool whole = row && (row->durable || str_eq(row->boot, ms->boot)) && buf_ok(&upper) &&
                 access(upper.ptr, F_OK) == 0;
    layer_row_unref(row);
    return whole;
}

/* Layers that the host lost power over before they were on disk, or that are gone, take along what stands on
 * them. Parents have smaller numbers or are found lost by a later round. */
static int drop_broken(struct machines *ms, struct err *err)
{
    int64_t ids[64], after = 0;
    int r = 0;
    ssize_t n;

    while (r == 0 && (n = store_list_layers(ms->store, after, ids, ARRAY_LEN(ids))) > 0) {
        after = ids[n - 1];
        for (ssize_t i = 0; r == 0 && i < n; i++) {
            if (layer_whole(ms, ids[i]))
                continue;
            log_warning("machine", "layer %lld: not whole; snapshots that need it are gone",
                        (long long)ids[i]);
            r = store_drop_layer(ms->store, ids[i], err);
        }
    }
    return r;
}

/* Directories without a row. */
static int sweep(struct machines *ms, const char *path)
{
    _closedir_ DIR *dir = opendir(path);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        _buf_ struct buf name = BUF_INIT;
        uint64_t id;
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
            continue;
        const struct layer_row *row = ms->store && parse_u64(e->d_name, &id) == 0 && id < INT64_MAX
                                          ? store_get_layer(ms->store, (int64_t)id)
                                          : NULL;
        layer_row_unref(row);
        if (row)
            continue;
        buf_addf(&name, "%s/%s", path, e->d_name);
        int r = buf_ok(&name) ? remove_tree(name.ptr) : -ENOMEM;
        if (r < 0)
            log_warning("machine", "%s: cannot remove: %s", buf_str(&name), strerrordesc_np(-r));
    }
    return dir ? 0 : -errno;
}

int layers_open(struct machines *ms, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/layers", ms->scratch);
    int r = buf_ok(&path) ? make_dirs(path.ptr, 0711) : -ENOMEM;
    if (r == 0 && chmod(path.ptr, 0711) < 0)
        r = -errno;
    if (r < 0)
        return err_errno(err, r, "cannot make %s", buf_str(&path));
    read_boot(ms);
    ms->next_layer = ms->next_id = 1;
    if (ms->store) {
        ms->next_layer = store_next_id(ms->store, NUMBERED_LAYERS);
        ms->next_id = store_next_id(ms->store, NUMBERED_MACHINES);
        r = drop_broken(ms, err);
    }
    return r < 0 ? r : sweep(ms, path.ptr);
}

void layers_close(struct machines *ms)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/layers", ms->scratch ? ms->scratch : "");
    if (ms->scratch && buf_ok(&path))
        (void)rmdir(path.ptr); /* if there is none */
}
