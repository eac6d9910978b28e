/* Files with holes: a machine's disk, and memory of which a snapshot has only what changed since another. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "core/machine/firecracker.h"
#include "core/machine/qemu.h"

static int copy(int from, int to, off_t at, off_t end)
{
    off_t in = at, out = at;

    while (in < end) {
        ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
    }
    return 0;
}

/* Only what is no hole. */
static int copy_data(int from, int to, off_t size)
{
    off_t at = 0;
    int r = 0;

    while (r == 0 && at < size) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0)
            return errno == ENXIO ? 0 : -errno;
        at = lseek(from, data, SEEK_HOLE);
        r = at < 0 ? -errno : copy(from, to, data, at);
    }
    return r;
}

int sparse_copy(int from, int to)
{
    struct stat st;

    if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
        return -errno;
    return ioctl(to, FICLONE, from) == 0 ? 0 : copy_data(from, to, st.st_size);
}

int memory_lay_over(int dir, const char *base, const char *changed, const char *name)
{
    _close_ int lower = openat(dir, base, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _close_ int upper = openat(dir, changed, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st, other;

    if (lower < 0 || upper < 0 || fstat(lower, &st) < 0 || fstat(upper, &other) < 0)
        return -errno;
    if (st.st_size != other.st_size)
        return -EINVAL;
    _close_ int to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0 || ftruncate(to, st.st_size) < 0 || fchown(to, other.st_uid, other.st_gid) < 0)
        return -errno;
    int r = copy_data(lower, to, st.st_size);
    return r == 0 ? copy_data(upper, to, st.st_size) : r;
}
