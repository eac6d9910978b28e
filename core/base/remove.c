/*
 * rm -rf by descriptors. What is deep in a tree is moved to its top first, so that depth costs neither
 * descriptors nor stack; that is done in passes, until one moves nothing.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/str.h"

enum { DEPTH_MAX = 32, ENTRIES = 4096 /* bytes of them at once, at each depth */ };

struct removal {
    remove_keep_fn *keep; /* may be NULL */
    void *data;
    const char *const *but; /* at the top */
    int top;
    dev_t dev;
    unsigned moved; /* since the pass began */
    unsigned serial;
};

/* Opens a directory to be emptied; one that its owner may not read (0000) is made readable first. */
static int open_to_empty(int at, const char *name, struct stat *ret)
{
    const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, how);
    char path[64];

    if (fd < 0 && errno == EACCES) {
        _close_ int handle = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
        fd = handle < 0 || chmod(path, 0700) < 0 ? -1 : openat(at, name, how);
    }
    if (fd < 0)
        return -errno;
    if (fstat(fd, ret) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    if ((ret->st_mode & 0700) != 0700)
        (void)fchmod(fd, 0700);
    return fd;
}

static bool move_up(struct removal *w, int at, const char *name)
{
    char to[32];

    snprintf(to, sizeof(to), "deep-%u", ++w->serial);
    if (renameat2(at, name, w->top, to, RENAME_NOREPLACE) < 0)
        return false;
    w->moved++;
    return true;
}

static int empty_dir(struct removal *w, int fd, int depth);

static int remove_dir(struct removal *w, int at, const char *name, int depth)
{
    struct stat st;
    _close_ int fd = open_to_empty(at, name, &st);

    if (fd < 0)
        return fd;
    if (st.st_dev != w->dev) /* a mount: what is in it is not ours */
        return -EXDEV;
    if (depth >= DEPTH_MAX && move_up(w, at, name))
        return 0;
    int r = empty_dir(w, fd, depth + 1);
    if (r < 0 || (w->keep && w->keep(w->data, at, name, fd)))
        return r;
    return unlinkat(at, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static bool is_spared(const char *const *but, const char *name)
{
    while (but && *but && !str_eq(*but, name))
        but++;
    return but && *but;
}

static int remove_entry(struct removal *w, int fd, const struct dirent64 *e, int depth)
{
    if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") || (depth == 0 && is_spared(w->but, e->d_name)))
        return 0;
    int r = e->d_type == DT_DIR ? -EISDIR : unlinkat(fd, e->d_name, 0) < 0 ? -errno : 0;
    return r == -EISDIR || r == -EPERM ? remove_dir(w, fd, e->d_name, depth) : r;
}

/* By the system call itself: a stream would cost five more for each directory. */
static int empty_dir(struct removal *w, int fd, int depth)
{
    _Alignas(struct dirent64) char room[ENTRIES];
    int result = 0;
    ssize_t n;

    while ((n = getdents64(fd, room, sizeof(room))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const struct dirent64 *)(room + at);
            int r = remove_entry(w, fd, e, depth);
            if (r < 0)
                result = r;
            at += e->d_reclen;
        }
    return n < 0 ? -errno : result;
}

static int empty_top(struct removal *w)
{
    int r = empty_dir(w, w->top, 0);

    while (w->moved > 0) {
        w->moved = 0;
        r = lseek(w->top, 0, SEEK_SET) < 0 ? -errno : empty_dir(w, w->top, 0);
    }
    return r;
}

int remove_within(int dir, const char *const *but, remove_keep_fn *keep, void *data)
{
    struct removal w = {.keep = keep, .data = data, .but = but, .top = dir};
    struct stat st;

    if (fstat(dir, &st) < 0)
        return -errno;
    w.dev = st.st_dev;
    return empty_top(&w);
}

int remove_tree_keeping(const char *path, remove_keep_fn *keep, void *data)
{
    struct stat st = {0};
    _close_ int top = open_to_empty(AT_FDCWD, path, &st);
    struct removal w = {.keep = keep, .data = data, .top = top, .dev = st.st_dev};

    if (top < 0)
        return top == -ENOENT ? 0 : top;
    int r = empty_top(&w);
    if (r < 0 || (keep && keep(data, AT_FDCWD, path, top)))
        return r;
    return rmdir(path) < 0 ? -errno : 0;
}

int remove_tree(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    return remove_tree_keeping(path, NULL, NULL);
}
