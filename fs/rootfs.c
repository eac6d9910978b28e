/*
 * The files of a machine, as its processes see them. A node is a number for (machine, directory above, name);
 * its path is put together again each time and followed from the machine's root by the kernel, which neither
 * leaves that root nor follows a link on the way. What a link says is rewritten so that whoever follows it
 * from the mount stays below rootfs/.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "fs.h"
#include "runfs/str.h"

enum { BUCKETS = 4096, SLOTS_MAX = 1 << 20, DEPTH_MAX = 1000 };

struct slot {
    int64_t machine;
    uint32_t parent; /* slot + 1; 0: the root */
    uint32_t next;   /* in its bucket, or of the free ones; slot + 1 */
    char *name;      /* owned; NULL: free */
    uint64_t lookups;
    uint32_t children;
};

struct rootfs {
    pthread_mutex_t lock;
    struct slot *slots; /* owned */
    uint32_t n, cap, free;
    uint32_t buckets[BUCKETS];
};

int rootfs_new(struct rootfs **ret)
{
    struct rootfs *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    return 0;
}

void rootfs_free(struct rootfs *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->n; i++)
        free(r->slots[i].name);
    free(r->slots);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ------------------------------------------------------------------------------------------------ numbers */

static uint32_t *bucket(struct rootfs *r, int64_t machine, uint32_t parent, const char *name)
{
    uint64_t h = str_hash_on(STR_HASH_START ^ (uint64_t)machine ^ (uint64_t)parent << 32, name);

    return &r->buckets[(h ^ h >> 32) % BUCKETS];
}

static bool is_top(struct node n)
{
    return tree[n.row].depth == 3;
}

/* A copy of what the node is; false: it is not known (any more). With the lock held. */
static const struct slot *slot_of(const struct rootfs *r, struct node n)
{
    return n.id > 0 && n.id <= r->n && r->slots[n.id - 1].name ? &r->slots[n.id - 1] : NULL;
}

static struct slot *slot_new(struct rootfs *r, uint32_t *ret)
{
    if (r->free) {
        *ret = r->free;
        r->free = r->slots[*ret - 1].next;
        return &r->slots[*ret - 1];
    }
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 256;
        struct slot *more = cap > SLOTS_MAX ? NULL : reallocarray(r->slots, cap, sizeof(*more));
        if (!more)
            return NULL;
        r->slots = more;
        r->cap = cap;
    }
    *ret = ++r->n;
    return &r->slots[*ret - 1];
}

/* The number of a name, with one look-up more. 0: no room. */
static uint32_t intern(struct rootfs *r, int64_t machine, uint32_t parent, const char *name)
{
    uint32_t *b = bucket(r, machine, parent, name), number;

    for (uint32_t i = *b; i; i = r->slots[i - 1].next) {
        struct slot *s = &r->slots[i - 1];
        if (s->machine == machine && s->parent == parent && str_eq(s->name, name)) {
            s->lookups++;
            return i;
        }
    }
    char *copy = strdup(name);
    struct slot *s = copy ? slot_new(r, &number) : NULL;
    if (!s) {
        free(copy);
        return 0;
    }
    *s = (struct slot){.machine = machine, .parent = parent, .next = *b, .name = copy, .lookups = 1};
    *b = number;
    if (parent)
        r->slots[parent - 1].children++;
    return number;
}

static void release_slot(struct rootfs *r, uint32_t number)
{
    while (number) {
        struct slot *s = &r->slots[number - 1];
        if (s->lookups || s->children)
            return;
        uint32_t parent = s->parent, *p = bucket(r, s->machine, s->parent, s->name);
        while (*p != number)
            p = &r->slots[*p - 1].next;
        *p = s->next;
        free(TAKE(s->name));
        s->next = r->free;
        r->free = number;
        if (parent)
            r->slots[parent - 1].children--;
        number = parent;
    }
}

void rootfs_forget(struct fs *fs, struct node n, uint64_t lookups)
{
    struct rootfs *r = fs->rootfs;

    if (is_top(n))
        return;
    pthread_mutex_lock(&r->lock);
    if (slot_of(r, n)) {
        struct slot *s = &r->slots[n.id - 1];
        s->lookups -= lookups < s->lookups ? lookups : s->lookups;
        release_slot(r, (uint32_t)n.id);
    }
    pthread_mutex_unlock(&r->lock);
}

/* ------------------------------------------------------------------------------------------------ paths */

/* Where a node is: its machine, its path below the root ("." for that), how deep. */
static int locate(struct fs *fs, struct node n, int64_t *ret_machine, struct buf *path, int *ret_depth)
{
    struct rootfs *r = fs->rootfs;
    const char *names[DEPTH_MAX];
    int depth = 0;

    *ret_machine = n.id;
    pthread_mutex_lock(&r->lock);
    const struct slot *s = is_top(n) ? NULL : slot_of(r, n);
    int found = is_top(n) || s ? 0 : -ESTALE;
    if (s)
        *ret_machine = s->machine;
    for (; s && found == 0; s = s->parent ? &r->slots[s->parent - 1] : NULL) {
        if (depth == DEPTH_MAX)
            found = -ENAMETOOLONG;
        else
            names[depth++] = s->name;
    }
    for (int i = depth; found == 0 && i-- > 0;)
        buf_addf(path, "%s%s", names[i], i ? "/" : "");
    pthread_mutex_unlock(&r->lock);
    if (found == 0 && depth == 0)
        buf_adds(path, ".");
    *ret_depth = depth;
    return found < 0 ? found : buf_ok(path) ? 0 : -ENOMEM;
}

static int open_path(struct fs *fs, int64_t machine, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    _close_ int root = -1;
    int r = machines_root(fs->machines, machine, &root, NULL);

    if (r < 0)
        return r == -ENOTSUP ? -ENOENT : r;
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    return fd < 0 ? errno == ELOOP ? -ENOENT : -errno : fd;
}

static int open_node(struct fs *fs, struct node n, int *ret_depth)
{
    _buf_ struct buf path = BUF_INIT;
    int64_t machine;
    int r = locate(fs, n, &machine, &path, ret_depth);

    return r < 0 ? r : open_path(fs, machine, path.ptr);
}

/* Kernel interfaces are not the machine's files. */
static bool hidden(int depth, const char *name)
{
    return depth == 0 && (str_eq(name, "proc") || str_eq(name, "sys") || str_eq(name, "dev"));
}

static void show_as(struct fs *fs, struct stat *st)
{
    mode_t readable = S_ISDIR(st->st_mode) ? 0555 : 0444;

    /* the kernel would open a pipe or a device by itself, here: they are files that cannot be opened */
    if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode)) {
        st->st_mode = S_IFREG | (st->st_mode & 0777);
        st->st_size = 0;
    }

    st->st_mode = (st->st_mode & (S_IFMT | 0111)) | readable;
    st->st_uid = fs->uid;
    st->st_gid = fs->gid;
    st->st_rdev = 0;
    st->st_dev = 0;
}

int rootfs_stat(struct fs *fs, struct node n, struct stat *st)
{
    int depth;
    _close_ int fd = open_node(fs, n, &depth);

    if (fd < 0)
        return fd;
    if (fstat(fd, st) < 0)
        return -errno;
    show_as(fs, st);
    if (S_ISLNK(st->st_mode)) {
        _buf_ struct buf target = BUF_INIT;
        int r = rootfs_link(fs, n, &target);
        st->st_size = (off_t)target.len;
        return r;
    }
    return 0;
}

int rootfs_lookup(struct fs *fs, struct node dir, const char *name, struct node *ret)
{
    _buf_ struct buf path = BUF_INIT;
    int64_t machine;
    int depth, r = locate(fs, dir, &machine, &path, &depth);

    if (r == 0 && (hidden(depth, name) || depth + 1 >= DEPTH_MAX))
        r = -ENOENT;
    if (r < 0)
        return r;
    buf_addf(&path, "/%s", name);
    _close_ int fd = buf_ok(&path) ? open_path(fs, machine, path.ptr) : -ENOMEM;
    if (fd < 0)
        return fd;
    pthread_mutex_lock(&fs->rootfs->lock);
    uint32_t number = intern(fs->rootfs, machine, is_top(dir) ? 0 : (uint32_t)dir.id, name);
    pthread_mutex_unlock(&fs->rootfs->lock);
    if (!number)
        return -ENFILE;
    *ret = (struct node){is_top(dir) ? tree_child(dir.row, -1) : dir.row, number};
    return 0;
}

/* -------------------------------------------------------------------------------------------------- links */

/*
 * A target as seen from a directory `depth` below the root: up to the root, then down, with what would lead
 * above it cut off. `dir` is the directory's path, "." for the root.
 */
static int contain(const char *target, const char *dir, int depth, struct buf *ret)
{
    _buf_ struct buf whole = BUF_INIT;
    const char *parts[DEPTH_MAX];
    size_t lengths[DEPTH_MAX], n = 0;

    if (target[0] != '/' && !str_eq(dir, "."))
        buf_addf(&whole, "%s/", dir);
    buf_adds(&whole, target);
    if (!buf_ok(&whole))
        return -ENOMEM;
    for (const char *p = buf_str(&whole); *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.') {
            n -= n > 0;
        } else if (len && !(len == 1 && p[0] == '.')) {
            if (n == DEPTH_MAX)
                return -ENAMETOOLONG;
            parts[n] = p;
            lengths[n++] = len;
        }
        p += len + (p[len] == '/');
    }
    for (int i = 0; i < depth; i++)
        buf_addf(ret, "..%s", i + 1 < depth || n ? "/" : "");
    for (size_t i = 0; i < n; i++)
        buf_addf(ret, "%.*s%s", (int)lengths[i], parts[i], i + 1 < n ? "/" : "");
    if (!depth && !n)
        buf_adds(ret, ".");
    return buf_ok(ret) ? 0 : -ENOMEM;
}

int rootfs_link(struct fs *fs, struct node n, struct buf *ret)
{
    _buf_ struct buf path = BUF_INIT;
    char target[4096];
    int64_t machine;
    int depth, r = locate(fs, n, &machine, &path, &depth);

    if (r < 0)
        return r;
    _close_ int fd = open_path(fs, machine, path.ptr);
    if (fd < 0)
        return fd;
    ssize_t len = readlinkat(fd, "", target, sizeof(target) - 1);
    if (len < 0)
        return errno == ENOENT ? -EINVAL : -errno;
    target[len] = '\0';
    char *slash = strrchr(path.ptr, '/');
    if (slash)
        *slash = '\0';
    return contain(target, slash ? path.ptr : ".", depth - 1, ret);
}

/* ------------------------------------------------------------------------------------------------ content */

static int reopen(int fd, int flags)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, flags | O_CLOEXEC);
    return again < 0 ? -errno : again;
}

int rootfs_open(struct fs *fs, struct node n)
{
    int depth;
    _close_ int fd = open_node(fs, n, &depth);
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    return reopen(fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

int rootfs_list(struct fs *fs, struct node n, uint64_t after, rootfs_fn *each, void *data)
{
    int depth;
    _close_ int fd = open_node(fs, n, &depth);
    int copy = fd < 0 ? fd : reopen(fd, O_RDONLY | O_DIRECTORY);
    _closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;
    uint64_t at = 0;

    if (!dir) {
        int r = copy < 0 ? copy : -errno;
        cleanup_close(&copy);
        return r;
    }
    while ((e = readdir(dir))) {
        struct stat st;
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") || hidden(depth, e->d_name) || ++at <= after)
            continue;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        show_as(fs, &st);
        if (!each(data, e->d_name, &st, at))
            break;
    }
    return 0;
}
