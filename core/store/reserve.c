/*
 * Room that is kept on the disk, so that what makes room can still be done where it is full: a run is deleted
 * by a transaction, which adds to the write-ahead log first.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_internal.h"

/* The log grows by 66 kB for a run of one job, by 600 kB for one of 256 jobs of three steps. */
enum { RESERVE = 1 << 20 };

static void reserve_path(const struct store *st, struct buf *ret)
{
    buf_addf(ret, "%s/reserve", st->dir);
}

void reserve_keep(const struct store *st)
{
    _buf_ struct buf path = BUF_INIT;
    struct stat s;

    reserve_path(st, &path);
    if (!buf_ok(&path) || (stat(path.ptr, &s) == 0 && s.st_size >= RESERVE))
        return;
    int fd = open(path.ptr, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (posix_fallocate(fd, 0, RESERVE) != 0)
        unlink(path.ptr); /* a part of it would be nobody's */
    close(fd);
}

bool reserve_give(const struct store *st)
{
    _buf_ struct buf path = BUF_INIT;

    reserve_path(st, &path);
    return buf_ok(&path) && unlink(path.ptr) == 0;
}
