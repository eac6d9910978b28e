/* Hearing what changed below a directory. */
#include "runfs/watch.h"

#include <glib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "runfs/buf.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum {
    HEARD = IN_ATTRIB | IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO,
    STRUCTURE = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT | IN_Q_OVERFLOW,
};

static atomic_int instances, directories; /* of all watches */

struct watch {
    char *root;        /* owned */
    int fd;            /* -1: it hears nothing, and is to be walked */
    GHashTable *paths; /* owned: of directories, by the number of their watch */
    int64_t walked_at;
    dev_t dev;
    ino_t ino;
};

/* Local file systems: what others do to them goes through this kernel. */
static bool is_heard(const char *path)
{
    static const unsigned long local[] = {0xef53 /* ext4 */,        0x58465342 /* xfs */,
                                          0x9123683e /* btrfs */,   0x01021994 /* tmpfs */,
                                          0x794c7630 /* overlay */, 0x2fc12fc1 /* zfs */,
                                          0xf2f52010 /* f2fs */,    0xca451a4e /* bcachefs */,
                                          0x3153464a /* jfs */,     0x4d44 /* vfat */,
                                          0x2011bab0 /* exfat */,   0x73717368 /* squashfs */,
                                          0xe0f5e1e2 /* erofs */,   0x9660 /* iso9660 */};
    struct statfs fs;
    bool heard = false;

    if (statfs(path, &fs) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(local); i++)
        heard |= ((unsigned long)fs.f_type & 0xffffffff) == local[i];
    return heard;
}

struct watch *watch_new(const char *root)
{
    struct watch *w = calloc(1, sizeof(*w));

    if (!w || !(w->root = strdup(root))) {
        free(w);
        return NULL;
    }
    w->fd = -1;
    return w;
}

void watch_forget(struct watch *w)
{
    if (w->fd < 0)
        return;
    close(w->fd);
    w->fd = -1;
    atomic_fetch_sub(&instances, 1);
    atomic_fetch_sub(&directories, (int)g_hash_table_size(w->paths));
    g_hash_table_destroy(w->paths);
    w->paths = NULL;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    watch_forget(w);
    free(w->root);
    free(w);
}

/* ------------------------------------------------------------------------------------------------ the walk
 */

void watch_begin(struct watch *w)
{
    struct stat st;

    watch_forget(w);
    if (lstat(w->root, &st) < 0 || !S_ISDIR(st.st_mode) || !is_heard(w->root))
        return;
    if (atomic_fetch_add(&instances, 1) < WATCH_INSTANCES_MAX)
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        atomic_fetch_sub(&instances, 1);
        return;
    }
    w->paths = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free);
    w->dev = st.st_dev;
    w->ino = st.st_ino;
}

/* A directory that has two names (moved during the walk, or mounted twice) would be heard by one of them. */
void watch_directory(struct watch *w, const char *path)
{
    char *copy = w->fd >= 0 ? strdup(path) : NULL;
    int id = !copy || atomic_load(&directories) >= WATCHES_MAX
                 ? -1
                 : inotify_add_watch(w->fd, path,
                                     HEARD | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW |
                                         IN_EXCL_UNLINK);

    if (id < 0 || g_hash_table_contains(w->paths, GINT_TO_POINTER(id))) {
        free(copy);
        watch_forget(w);
        return;
    }
    g_hash_table_insert(w->paths, GINT_TO_POINTER(id), copy);
    atomic_fetch_add(&directories, 1);
}

void watch_end(struct watch *w)
{
    w->walked_at = mono_ns();
}

/* -------------------------------------------------------------------------------------------- what was heard
 */

/* Whether the event is about directories, or the names are too many. */
static bool take_event(struct watch *w, const struct inotify_event *e, GHashTable *names)
{
    const char *directory = g_hash_table_lookup(w->paths, GINT_TO_POINTER(e->wd));
    _buf_ struct buf path = BUF_INIT;

    if (e->len && str_eq(e->name, ".git"))
        return false;
    if (e->mask & (STRUCTURE | IN_ISDIR))
        /* A directory's own attributes say nothing of what is in it, but for who may look. */
        return !((e->mask & IN_ISDIR) && (e->mask & (IN_MODIFY | IN_CLOSE_WRITE)));
    if (!directory || !e->len)
        return true;
    buf_addf(&path, "%s/%s", directory, e->name);
    char *name = buf_steal(&path);
    if (!name)
        return true;
    g_hash_table_add(names, name);
    return g_hash_table_size(names) > WATCH_NAMES_MAX;
}

/* Reads all events. Whether it is to be walked. */
static bool hear(struct watch *w, GHashTable *names)
{
    _Alignas(struct inotify_event) char events[16384];
    ssize_t n;

    while ((n = read(w->fd, events, sizeof(events))) > 0 || (n < 0 && errno == EINTR))
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const struct inotify_event *)(events + at);
            if (take_event(w, e, names))
                return true;
            at += (ssize_t)(sizeof(*e) + e->len);
        }
    return n == 0 || errno != EAGAIN;
}

int watch_look(struct watch *w, watch_fn *fn, void *data)
{
    struct stat st;
    GHashTableIter iter;
    gpointer name;
    int r = 0;

    if (w->fd < 0 || mono_ns() - w->walked_at > WATCH_SECONDS * 1000000000LL || lstat(w->root, &st) < 0 ||
        st.st_dev != w->dev || st.st_ino != w->ino)
        return 1;
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    if (hear(w, names)) {
        watch_forget(w);
        r = 1;
    } else {
        g_hash_table_iter_init(&iter, names);
        while (r == 0 && g_hash_table_iter_next(&iter, &name, NULL))
            r = fn(data, name);
    }
    g_hash_table_destroy(names);
    if (r < 0)
        watch_forget(w); /* what was heard is lost: the next look says walk */
    return r;
}
