/*
 * Many layers become one that has the same files. Frozen files never change, so they are linked, not copied;
 * only directories are made anew. From the newest layer down: a name that is there already hides what is
 * below it, except that directories merge unless one is opaque. Whiteouts stay, as there is an image below.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/agent/proto.h"
#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

enum { DEPTH_MAX = 200 };

/* Of layers that were written with redirects, only the kernel's own attributes count: the others may be
 * forged. */
static const char *opaque_name(bool redirects)
{
    return redirects ? "trusted.overlay.opaque" : "user.overlay.opaque";
}

static bool is_opaque(int fd, bool redirects)
{
    char value[4];

    return fgetxattr(fd, opaque_name(redirects), value, sizeof(value)) == 1 && value[0] == 'y';
}

/* What is below it lies elsewhere in the layers below. */
static bool is_redirect(int fd)
{
    return fgetxattr(fd, "trusted.overlay.redirect", NULL, 0) >= 0;
}

/* A directory whose owner may not read it is made readable for as long as it is read. */
struct opened {
    int fd;
    mode_t restore; /* 0: as it was */
};

static int open_source(int at, const char *name, struct opened *ret)
{
    const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat st;
    char path[64];

    *ret = (struct opened){.fd = openat(at, name, how)};
    if (ret->fd >= 0 || errno != EACCES)
        return ret->fd < 0 ? -errno : 0;
    _close_ int handle = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
    if (handle < 0 || fstat(handle, &st) < 0 || chmod(path, st.st_mode | 0700) < 0)
        return -EACCES;
    ret->restore = st.st_mode & 07777;
    ret->fd = openat(at, name, how);
    return ret->fd < 0 ? -errno : 0;
}

static void close_source(struct opened *o)
{
    if (o->fd >= 0 && o->restore)
        (void)fchmod(o->fd, o->restore);
    cleanup_close(&o->fd);
}

static int copy_xattrs(int from, int to)
{
    char names[4096], value[4096];
    ssize_t n = flistxattr(from, names, sizeof(names));

    if (n < 0)
        return errno == ENOTSUP ? 0 : -errno;
    for (const char *p = names; p < names + n; p += strlen(p) + 1) {
        ssize_t len = fgetxattr(from, p, value, sizeof(value));
        if (len < 0 || fsetxattr(to, p, value, (size_t)len, 0) < 0)
            return -errno;
    }
    return 0;
}

/* Owner, mode, times and attributes, when what is in it is complete: times last. */
static int copy_directory(int from, mode_t mode, int to)
{
    struct stat st;

    if (fstat(from, &st) < 0 || (geteuid() == 0 && fchown(to, st.st_uid, st.st_gid) < 0))
        return -errno;
    int r = copy_xattrs(from, to);
    if (r == 0 && fchmod(to, mode ? mode : st.st_mode & 07777) < 0)
        r = -errno;
    if (r == 0 && futimens(to, (const struct timespec[]){st.st_atim, st.st_mtim}) < 0)
        r = -errno;
    return r;
}

static int copy_file(int at, const char *name, int to, const struct stat *st)
{
    _close_ int in = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _close_ int out =
        in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    ssize_t n;

    if (out < 0 || (geteuid() == 0 && fchown(out, st->st_uid, st->st_gid) < 0))
        return -errno;
    while ((n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0)) > 0)
        ;
    int r = n < 0 ? -errno : copy_xattrs(in, out);
    if (r == 0 && (fchmod(out, st->st_mode & 07777) < 0 ||
                   futimens(out, (const struct timespec[]){st->st_atim, st->st_mtim}) < 0))
        r = -errno;
    return r;
}

static int take_file(int at, const char *name, int to, const struct stat *st)
{
    if (linkat(at, name, to, name, 0) == 0 || errno == EEXIST)
        return 0;
    if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0))
        return mknodat(to, name, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
    /* too many links to it */
    return errno == EMLINK && S_ISREG(st->st_mode) ? copy_file(at, name, to, st) : -errno;
}

static int add_below(int to, int from, bool redirects, int depth);

/* A directory that is being merged: writable meanwhile, and in the end of the mode and times that it had. */
struct target {
    int fd;
    struct stat was;
};

static int open_target(int at, const char *name, struct target *ret)
{
    struct opened o;
    int r = open_source(at, name, &o);

    *ret = (struct target){.fd = o.fd};
    if (r < 0)
        return r;
    if (fstat(o.fd, &ret->was) < 0 || (geteuid() != 0 && fchmod(o.fd, ret->was.st_mode | 0700) < 0))
        return -errno;
    if (o.restore)
        ret->was.st_mode = o.restore;
    return 0;
}

static void close_target(struct target *t)
{
    if (t->fd >= 0) {
        (void)fchmod(t->fd, t->was.st_mode & 07777);
        (void)futimens(t->fd, (const struct timespec[]){t->was.st_atim, t->was.st_mtim});
    }
    cleanup_close(&t->fd);
}

static int make_directory(int from, mode_t mode, int at, const char *name, bool redirects, int depth)
{
    if (mkdirat(at, name, 0700) < 0)
        return -errno;
    _close_ int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : add_below(fd, from, redirects, depth + 1);
    return r == 0 ? copy_directory(from, mode, fd) : r;
}

static int merge_directory(int from, int at, const char *name, bool redirects, int depth)
{
    _cleanup_(close_target) struct target to;
    int r = open_target(at, name, &to);

    if (r == -ENOTDIR || r == -ELOOP) /* hidden by what is no directory */
        return 0;
    if (r < 0 || is_opaque(to.fd, redirects))
        return r;
    r = add_below(to.fd, from, redirects, depth + 1);
    if (r == 0 && is_opaque(from, redirects) && fsetxattr(to.fd, opaque_name(redirects), "y", 1, 0) < 0)
        r = -errno;
    return r;
}

static int take_directory(int at, const char *name, int to, bool redirects, int depth)
{
    _cleanup_(close_source) struct opened from;
    struct stat st;
    int r = open_source(at, name, &from);

    if (r < 0)
        return r;
    if (redirects && is_redirect(from.fd))
        return -EXDEV;
    if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? make_directory(from.fd, from.restore, to, name, redirects, depth) : -errno;
    return S_ISDIR(st.st_mode) ? merge_directory(from.fd, to, name, redirects, depth) : 0;
}

/* Adds what `from` has and `to` does not hide. */
static int add_below(int to, int from, bool redirects, int depth)
{
    int copy = depth > DEPTH_MAX ? -1 : openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;
    struct stat st;
    int r = 0;

    if (!dir)
        return depth > DEPTH_MAX ? -ELOOP : -errno;
    while (r == 0 && (errno = 0, e = readdir(dir))) {
        if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
            continue;
        if (fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            r = -errno;
        else if (S_ISDIR(st.st_mode))
            r = take_directory(from, e->d_name, to, redirects, depth);
        else
            r = take_file(from, e->d_name, to, &st);
    }
    return r < 0 ? r : -errno;
}

static int open_part(const struct machines *ms, int64_t layer, const char *part)
{
    _buf_ struct buf path = BUF_INIT;

    layer_path(ms, layer, &path);
    buf_addf(&path, "/%s", part);
    int fd = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return fd < 0 ? buf_ok(&path) ? -errno : -ENOMEM : fd;
}

/* A layer's own tree, and what it has in overlays of top-level directories, where the lowest layer has it. */
static int add_layer(const struct machines *ms, int64_t layer, int to)
{
    _close_ int upper = open_part(ms, layer, "upper");
    bool redirects = upper >= 0 && layer_redirects(upper);
    int r = upper < 0 ? upper : add_below(to, upper, redirects, 0);
    _close_ int tops = r < 0 ? -1 : open_part(ms, layer, "tops");

    return r < 0 || tops == -ENOENT ? r : tops < 0 ? tops : add_below(to, tops, redirects, 0);
}

static int build(struct machines *ms, const struct chain *chain, const char *dir)
{
    _buf_ struct buf path = BUF_INIT;
    _close_ int newest = open_part(ms, chain->ids[0], "upper");
    int r = newest < 0 ? newest : 0;

    buf_addf(&path, "%s/upper", dir);
    if (r == 0 && (!buf_ok(&path) || mkdir(dir, 0711) < 0 || mkdir(path.ptr, 0700) < 0))
        r = buf_ok(&path) ? -errno : -ENOMEM;
    _close_ int to = r < 0 ? -1 : open(path.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r == 0 && to < 0)
        r = -errno;
    for (size_t i = 0; r == 0 && i < chain->n; i++)
        r = add_layer(ms, chain->ids[i], to);
    if (r == 0)
        r = copy_directory(newest, 0, to);
    buf_reset(&path);
    layer_path(ms, chain->ids[0], &path);
    buf_adds(&path, "/split");
    bool split = buf_ok(&path) && access(path.ptr, F_OK) == 0;
    buf_reset(&path);
    buf_addf(&path, "%s/split", dir);
    if (r == 0 && split) {
        _close_ int fd = open(buf_str(&path), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = fd < 0 ? -errno : 0;
    }
    return r;
}

/* Those that stand on `old` will stand on its equal at their next start. */
static int replace(struct machines *ms, int64_t old, int64_t new, struct err *err)
{
    pthread_mutex_lock(&ms->living_lock);
    store_begin(ms->store);
    (void)layers_record(ms, new, 0, err);
    (void)store_replace_layer(ms->store, old, new, err);
    int r = store_commit(ms->store, err);
    for (struct machine *m = r == 0 ? ms->living : NULL; m; m = m->next)
        if (m->parent == old)
            m->parent = new;
    pthread_mutex_unlock(&ms->living_lock);
    return r;
}

int layers_squash(struct machines *ms, int64_t layer, struct err *err)
{
    _buf_ struct buf incoming = BUF_INIT, path = BUF_INIT;
    _cleanup_(chain_release) struct chain chain = {0};

    pthread_mutex_lock(&ms->living_lock);
    int r = layers_chain(ms, layer, &chain, err);
    int64_t id = ms->next_layer++;
    pthread_mutex_unlock(&ms->living_lock);
    if (r < 0 || chain.n < 2)
        return r;
    buf_addf(&incoming, "%s/layers/new-%lld", ms->scratch, (long long)id);
    layer_path(ms, id, &path);
    r = buf_ok(&incoming) && buf_ok(&path) ? build(ms, &chain, incoming.ptr) : -ENOMEM;
    if (r == 0 && rename(incoming.ptr, path.ptr) < 0)
        r = -errno;
    if (r == -EXDEV)
        err_set(err, r, "layers in which a directory of another one was renamed cannot be squashed");
    else if (r < 0)
        err_errno(err, r, "cannot squash the layers of a snapshot");
    else
        r = replace(ms, layer, id, err);
    if (r < 0) {
        (void)remove_tree(buf_str(&incoming));
        (void)remove_tree(buf_str(&path));
    }
    return r;
}
