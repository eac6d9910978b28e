/* Descriptors and whole files. */
#include "runfs/io.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

int write_all(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int pwrite_all(int fd, const void *data, size_t len, off_t off)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        off += n;
        len -= (size_t)n;
    }
    return 0;
}

int read_exact(int fd, void *data, size_t len)
{
    char *p = data;

    while (len > 0) {
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int read_fd(int fd, size_t max, struct buf *ret)
{
    size_t start = ret->len;

    for (;;) {
        char *to = buf_reserve(ret, 16384);
        if (!to)
            return -ENOMEM;
        ssize_t n = read(fd, to, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        ret->len += (size_t)n;
        if (ret->len - start > max)
            return -EFBIG;
    }
    ret->ptr[ret->len] = '\0';
    return 0;
}

int read_file(const char *path, size_t max, struct buf *ret, struct err *err)
{
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return err_errno(err, -errno, "cannot open %s", path);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return err_errno(err, -EISDIR, "cannot read %s", path);
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max)
        return err_set(err, -EFBIG, "%s is larger than %zu bytes", path, max);
    int r = read_fd(fd, max, ret);
    if (r == -EFBIG)
        return err_set(err, r, "%s is larger than %zu bytes", path, max);
    return r < 0 ? err_errno(err, r, "cannot read %s", path) : 0;
}

int open_beneath(int root, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | resolve};

    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

int open_no_links(const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};

    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

int read_file_beneath(const char *root, const char *path, size_t max, struct buf *ret, struct err *err)
{
    _close_ int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    _close_ int fd = top < 0 ? -1 : open_beneath(top, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    struct stat st;

    if (fd < 0 && errno == EXDEV)
        return err_set(err, -EXDEV, "%s is a link that leads out of %s", path, root);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, -errno, "cannot open %s/%s", root, path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "%s/%s is no file", root, path);
    int r = (uint64_t)st.st_size > max ? -EFBIG : read_fd(fd, max, ret);
    if (r == -EFBIG)
        return err_set(err, r, "%s/%s is larger than %zu bytes", root, path, max);
    return r < 0 ? err_errno(err, r, "cannot read %s/%s", root, path) : 0;
}

int write_file_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    _buf_ struct buf tmp = BUF_INIT;

    buf_addf(&tmp, "%s.tmp-XXXXXX", path);
    if (!buf_ok(&tmp))
        return err_errno(err, -ENOMEM, "cannot write %s", path);
    _close_ int fd = mkostemp(tmp.ptr, O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, -errno, "cannot create %s", tmp.ptr);
    int r = write_all(fd, data, len);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp.ptr, path) < 0))
        r = -errno;
    if (r == 0)
        return 0;
    unlink(tmp.ptr);
    return err_errno(err, r, "cannot write %s", path);
}

int make_dirs(const char *path, mode_t mode)
{
    _free_ char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    if (mkdir(path, mode) == 0 || errno == EEXIST) /* most often only the last is missing */
        return 0;
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

void dir_set_apart(const char *dir)
{
    _close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int flags;

    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || (flags & FS_TOPDIR_FL))
        return;
    flags |= FS_TOPDIR_FL;
    (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

bool file_system_full(int fd)
{
    struct statfs st;

    if (fd < 0 || fstatfs(fd, &st) < 0)
        return false;
    if (st.f_ffree == 0)
        return true;
    return st.f_bavail * (uint64_t)st.f_bsize < 64 * 1024 || st.f_bavail < st.f_blocks / 256;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int64_t timespec_ns(struct timespec t)
{
    int64_t ns;

    if (__builtin_mul_overflow((int64_t)t.tv_sec, 1000000000LL, &ns) ||
        __builtin_add_overflow(ns, t.tv_nsec, &ns))
        return t.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

struct timespec timespec_of(int64_t ns)
{
    int64_t part = ns % 1000000000LL, before = part < 0;

    return (struct timespec){ns / 1000000000LL - before, part + before * 1000000000LL};
}

int64_t now_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int64_t mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void buf_add_time(struct buf *b, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000LL);
    struct tm tm;
    char text[32];

    if (wall_ns == 0 || !gmtime_r(&seconds, &tm))
        return;
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_addf(b, "%s.%03dZ", text, (int)(wall_ns / 1000000LL % 1000));
}
