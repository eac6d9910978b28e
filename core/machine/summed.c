/* Files that are mostly nothing, copied with a sum over what they hold, by which a copy is known that was cut
 * off or has decayed. Zeros are left out and summed as holes are, so that a file may have more or less of
 * them. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/machine/qemu.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/proc.h"

enum { PAGE = 4096, CHUNK = 64 * PAGE, WORDS = PAGE / 8, LANES = 4 };
enum { SYNC = 16 * CHUNK /* no more than that is to be waited for at once */ };
#define PRIME 0x9e3779b97f4a7c15u /* odd: what is multiplied by it does not fall together */

struct copying {
    int from, to;
    off_t size;
    bool to_disk;   /* what that keeps for others is not taken */
    int64_t most;   /* of bytes that are not zero */
    char *room;     /* CHUNK bytes */
    int64_t synced; /* so much of them is on the disk */
    struct summed sum;
};

static void mix(uint64_t *sum, uint64_t word)
{
    *sum = (*sum ^ word) * PRIME;
    *sum ^= *sum >> 32;
}

/* False: nothing but zeros. Each word of a lane changes all that comes after it. */
static bool add_page(uint64_t *sum, const char *page, off_t at)
{
    uint64_t words[WORDS], lanes[LANES] = {0}, any = 0;

    memcpy(words, page, sizeof(words));
    for (size_t i = 0; i < WORDS; i++)
        any |= words[i];
    if (!any)
        return false;
    for (size_t i = 0; i < WORDS; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] = (lanes[l] ^ words[i + l]) * PRIME;
    mix(sum, (uint64_t)at);
    for (size_t l = 0; l < LANES; l++)
        mix(sum, lanes[l]);
    return true;
}

static int read_at(int fd, char *data, size_t len, off_t at)
{
    while (len) {
        ssize_t n = pread(fd, data, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        data += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_run(struct copying *c, size_t begin, size_t end, size_t len, off_t at)
{
    if (end > len)
        end = len;
    return begin >= end ? 0 : pwrite_all(c->to, c->room + begin, end - begin, at + (off_t)begin);
}

static int copy_chunk(struct copying *c, off_t at, size_t len)
{
    size_t begin = 0, i = 0;
    int r = read_at(c->from, c->room, len, at);

    memset(c->room + len, 0, CHUNK - len);
    for (; r == 0 && i < len; i += PAGE) {
        if (add_page(&c->sum.sum, c->room + i, at + (off_t)i)) {
            c->sum.bytes += PAGE;
            continue;
        }
        r = write_run(c, begin, i, len, at);
        begin = i + PAGE;
    }
    if (r == 0)
        r = write_run(c, begin, i, len, at);
    if (r == 0 && c->sum.bytes > c->most)
        r = -EFBIG;
    if (r == 0 && c->to_disk && file_system_full(c->to))
        r = -ENOSPC;
    if (r == 0 && c->to_disk && c->sum.bytes - c->synced >= SYNC) {
        (void)sync_file_range(
            c->to, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
        c->synced = c->sum.bytes;
    }
    return r == 0 && c->to_disk && proc_unwanted() ? -ECANCELED : r;
}

static int copy_data(struct copying *c)
{
    off_t at = 0;
    int r = 0;

    while (r == 0 && at < c->size) {
        off_t data = lseek(c->from, at, SEEK_DATA);
        if (data < 0)
            return errno == ENXIO ? 0 : -errno;
        off_t end = lseek(c->from, data, SEEK_HOLE);
        if (end < 0)
            return -errno;
        data -= data % PAGE;
        at = at > data ? at : data; /* pages of the file system's may be smaller */
        end += (PAGE - end % PAGE) % PAGE;
        for (end = end < c->size ? end : c->size; r == 0 && at < end;) {
            size_t len = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
            r = copy_chunk(c, at, len);
            at += (off_t)len;
        }
    }
    return r;
}

int summed_copy(int from, int to, bool to_disk, int64_t most, struct summed *ret)
{
    struct stat st;

    if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
        return -errno;
    _free_ char *room = malloc(CHUNK);
    struct copying c = {.from = from,
                        .to = to,
                        .size = st.st_size,
                        .to_disk = to_disk,
                        .most = most,
                        .room = room,
                        .sum = {.size = st.st_size, .sum = 1}};
    int r = room ? copy_data(&c) : -ENOMEM;
    if (r == 0)
        *ret = c.sum;
    return r;
}
