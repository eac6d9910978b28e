/*
 * The list of an artifact's entries: written once, when its tree is made, mapped into memory when it is read.
 * Directories are listed breadth first, so that the children of each stand together, and sorted, so that one
 * is found by halving.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "artifact_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static const char magic[8] = "RUNFSAX1";

struct head {
    char magic[8];
    uint64_t entries, names; /* how many, and bytes */
};

struct record {
    uint32_t parent, first, count;
    uint32_t name; /* offset in the names */
    uint32_t mode, reserved;
    int64_t size, mtime_ns;
};
_Static_assert(sizeof(struct record) == 40, "the list has no padding");

struct artifact_tree {
    atomic_int refs;
    int root;  /* owned: O_PATH */
    void *map; /* owned */
    size_t len;
    const struct record *records;
    const char *names;
    uint32_t n;
    size_t names_len;
};

/* ------------------------------------------------------------------------------------------------ writing */

struct listing {
    int root;
    struct record *records; /* in the mapped file */
    char *names;
    uint32_t n, max;
    size_t names_at, names_max;
    struct err *err;
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

/* All names in a directory, sorted. */
static ssize_t read_names(DIR *dir, char ***ret)
{
    size_t n = 0, cap = 0;
    char **names = NULL;
    struct dirent *e;

    while (errno = 0, e = readdir(dir)) {
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            char **more = reallocarray(names, cap, sizeof(*more));
            if (!more)
                break;
            names = more;
        }
        names[n] = strdup(e->d_name);
        if (!names[n++])
            break;
    }
    if (e || errno) {
        free_names(names, n);
        return e ? -ENOMEM : -errno;
    }
    if (n)
        qsort(names, n, sizeof(*names), by_bytes);
    *ret = names;
    return (ssize_t)n;
}

static void record_path(const struct record *records, const char *names, uint32_t index, struct buf *ret)
{
    if (index == 0)
        return;
    record_path(records, names, records[index].parent, ret);
    buf_addf(ret, "%s%s", ret->len ? "/" : "", names + records[index].name);
}

/* A link may lead nowhere, but not out: the kernel walks it, and says where it would leave. */
static int check_link(const struct listing *l, const char *path)
{
    _close_ int fd = open_beneath(l->root, path, O_PATH, 0);

    if (fd < 0 && errno == EXDEV)
        return err_set(l->err, -EINVAL,
                       "the artifact is refused: '%.300s' is a symbolic link that leads out of it", path);
    return 0;
}

static int list_entry(struct listing *l, int dir, uint32_t parent, const char *name)
{
    struct record *r = &l->records[l->n];
    size_t len = strlen(name) + 1;
    struct stat st;

    if (l->n >= l->max || l->names_at + len > l->names_max)
        return err_set(l->err, -EIO, "the artifact's directory changed while it was read");
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(l->err, -errno, "cannot read the artifact's directory");
    *r = (struct record){.parent = parent,
                         .name = (uint32_t)l->names_at,
                         .mode = st.st_mode,
                         .size = S_ISDIR(st.st_mode) ? 0 : st.st_size,
                         .mtime_ns = timespec_ns(st.st_mtim)};
    memcpy(l->names + l->names_at, name, len);
    l->names_at += len;
    l->n++;
    if (!S_ISLNK(st.st_mode))
        return 0;
    _buf_ struct buf path = BUF_INIT;
    record_path(l->records, l->names, l->n - 1, &path);
    return buf_ok(&path) ? check_link(l, buf_str(&path)) : -ENOMEM;
}

static int list_directory(struct listing *l, uint32_t index)
{
    _buf_ struct buf path = BUF_INIT;
    char **names = NULL;
    int r = 0;

    record_path(l->records, l->names, index, &path);
    int fd = !buf_ok(&path) ? -1
                            : open_beneath(l->root, path.len ? path.ptr : ".", O_RDONLY | O_DIRECTORY,
                                           RESOLVE_NO_SYMLINKS);
    _closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        r = err_errno(l->err, -errno, "cannot read the artifact's directory");
        if (fd >= 0)
            close(fd);
        return r;
    }
    ssize_t n = read_names(dir, &names);
    if (n < 0)
        return err_errno(l->err, (int)n, "cannot read the artifact's directory");
    l->records[index].first = l->n;
    l->records[index].count = (uint32_t)n;
    for (ssize_t i = 0; r == 0 && i < n; i++)
        r = list_entry(l, fd, index, names[i]);
    free_names(names, (size_t)n);
    return r;
}

static int list_tree(struct listing *l)
{
    struct stat st;
    int r = 0;

    if (fstat(l->root, &st) < 0)
        return err_errno(l->err, -errno, "cannot read the artifact's directory");
    l->records[0] = (struct record){.mode = st.st_mode, .mtime_ns = timespec_ns(st.st_mtim)};
    l->n = 1;
    l->names_at = 1; /* the top's name: "" */
    for (uint32_t i = 0; r == 0 && i < l->n; i++)
        if (S_ISDIR(l->records[i].mode))
            r = list_directory(l, i);
    return r;
}

int artifact_index_write(int root, const struct artifact_totals *totals, int fd, struct err *err)
{
    size_t records = sizeof(struct head) + (size_t)totals->entries * sizeof(struct record);
    size_t len = records + (size_t)totals->names;

    /* posix_fallocate, so that a full disk is an error here and not a signal later */
    int r = -posix_fallocate(fd, 0, (off_t)len);
    if (r < 0)
        return err_errno(err, r, "cannot write the artifact's list");
    char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_errno(err, -errno, "cannot write the artifact's list");
    struct listing l = {.root = root,
                        .records = (struct record *)(void *)(map + sizeof(struct head)),
                        .names = map + records,
                        .max = (uint32_t)totals->entries,
                        .names_max = (size_t)totals->names,
                        .err = err};
    r = list_tree(&l);
    if (r == 0 && (l.n != l.max || l.names_at != l.names_max))
        r = err_set(err, -EIO, "the artifact's directory changed while it was read");
    struct head head = {.entries = l.n, .names = l.names_at};
    memcpy(head.magic, magic, sizeof(magic));
    memcpy(map, &head, sizeof(head));
    munmap(map, len);
    return r;
}

/* ------------------------------------------------------------------------------------------------ reading */

/* What is in the file is trusted no further than its length. */
static bool sound(const struct artifact_tree *t)
{
    const struct head *head = t->map;

    if (t->len < sizeof(*head) || memcmp(head->magic, magic, sizeof(magic)) != 0 || !head->entries ||
        head->entries > UINT32_MAX || head->names > UINT32_MAX ||
        t->len != sizeof(*head) + head->entries * sizeof(struct record) + head->names || !head->names)
        return false;
    return ((const char *)t->map)[t->len - 1] == '\0';
}

int artifact_tree_new(int root_fd, int index_fd, struct artifact_tree **ret)
{
    _close_ int root = root_fd, fd = index_fd;
    struct artifact_tree *t = calloc(1, sizeof(*t));
    struct stat st;

    if (!t)
        return -ENOMEM;
    atomic_init(&t->refs, 1);
    t->root = -1;
    t->map = MAP_FAILED;
    if (fstat(fd, &st) == 0) {
        t->len = (size_t)st.st_size;
        t->map = mmap(NULL, t->len, PROT_READ, MAP_SHARED, fd, 0);
    }
    if (t->map == MAP_FAILED || !sound(t)) {
        artifact_tree_unref(t);
        return -EIO;
    }
    const struct head *head = t->map;
    t->records = (const struct record *)(head + 1);
    t->n = (uint32_t)head->entries;
    t->names = (const char *)(t->records + t->n);
    t->names_len = head->names;
    t->root = TAKE_FD(root);
    *ret = t;
    return 0;
}

struct artifact_tree *artifact_tree_ref(struct artifact_tree *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void artifact_tree_unref(struct artifact_tree *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) > 1)
        return;
    if (t->map != MAP_FAILED)
        munmap(t->map, t->len);
    if (t->root >= 0)
        close(t->root);
    free(t);
}

uint32_t artifact_tree_count(const struct artifact_tree *t)
{
    return t->n;
}

static const char *name_of(const struct artifact_tree *t, uint32_t index)
{
    uint32_t at = t->records[index].name;

    return at < t->names_len ? t->names + at : "";
}

int artifact_tree_entry(const struct artifact_tree *t, uint32_t index, struct artifact_entry *ret)
{
    if (index >= t->n)
        return -ENOENT;
    const struct record *r = &t->records[index];
    bool dir = S_ISDIR(r->mode) && r->first <= t->n && r->count <= t->n - r->first;
    *ret = (struct artifact_entry){.name = name_of(t, index),
                                   .index = index,
                                   .parent = r->parent < index ? r->parent : 0,
                                   .first = dir ? r->first : 0,
                                   .count = dir ? r->count : 0,
                                   .mode = r->mode,
                                   .size = r->size,
                                   .mtime_ns = r->mtime_ns};
    return 0;
}

int artifact_tree_find(const struct artifact_tree *t, uint32_t dir, const char *name,
                       struct artifact_entry *ret)
{
    struct artifact_entry e;
    int r = artifact_tree_entry(t, dir, &e);

    if (r < 0 || !S_ISDIR(e.mode))
        return r < 0 ? r : -ENOTDIR;
    for (uint32_t low = e.first, high = e.first + e.count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, name_of(t, middle));
        if (order == 0)
            return artifact_tree_entry(t, middle, ret);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -ENOENT;
}

int artifact_tree_path(const struct artifact_tree *t, uint32_t index, struct buf *ret)
{
    uint32_t up[ARTIFACT_PATH_MAX / 2 + 1];
    size_t n = 0;

    if (index >= t->n)
        return -ENOENT;
    for (; index && n < ARRAY_LEN(up);
         index = t->records[index].parent < index ? t->records[index].parent : 0)
        up[n++] = index;
    for (bool first = true; n; first = false)
        buf_addf(ret, "%s%s", first ? "" : "/", name_of(t, up[--n]));
    return buf_ok(ret) ? 0 : -ENOMEM;
}

static int open_entry(const struct artifact_tree *t, uint32_t index, uint64_t flags)
{
    _buf_ struct buf path = BUF_INIT;
    int r = artifact_tree_path(t, index, &path);

    if (r < 0)
        return r;
    int fd = open_beneath(t->root, buf_str(&path), flags | O_NOFOLLOW, RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    return fd < 0 ? -errno : fd;
}

int artifact_tree_file(const struct artifact_tree *t, uint32_t index)
{
    if (index >= t->n || !S_ISREG(t->records[index].mode))
        return index >= t->n ? -ENOENT : S_ISDIR(t->records[index].mode) ? -EISDIR : -EINVAL;
    return open_entry(t, index, O_RDONLY | O_NONBLOCK);
}

int artifact_tree_link(const struct artifact_tree *t, uint32_t index, struct buf *ret)
{
    if (index >= t->n || !S_ISLNK(t->records[index].mode))
        return index >= t->n ? -ENOENT : -EINVAL;
    _close_ int fd = open_entry(t, index, O_PATH);
    char *to = buf_reserve(ret, ARTIFACT_PATH_MAX + 1);
    if (fd < 0 || !to)
        return fd < 0 ? fd : -ENOMEM;
    ssize_t n = readlinkat(fd, "", to, ARTIFACT_PATH_MAX);
    if (n < 0)
        return -errno;
    to[n] = '\0';
    ret->len += (size_t)n;
    return 0;
}
