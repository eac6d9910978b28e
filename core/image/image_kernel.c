/* A kernel's ELF out of its bzImage: https://docs.kernel.org/arch/x86/boot.html says where its payload is,
 * and the payload is an LZ4 stream of the legacy kind, in blocks of 8 MiB. */
#include <endian.h>
#include <fcntl.h>
#include <lz4.h>
#include <sys/stat.h>

#include "core/image/image.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"

enum {
    KERNEL_MAX = 128 << 20,
    BLOCK = 8 << 20,
    SETUP_SECTORS = 0x1f1,
    HEADER_MAGIC = 0x202,
    PAYLOAD_OFFSET = 0x248,
    PAYLOAD_LENGTH = 0x24c,
    LEGACY_MAGIC = 0x184c2102,
};

static uint32_t number_at(const struct buf *b, size_t at)
{
    uint32_t v = 0;

    if (at <= b->len && b->len - at >= sizeof(v))
        memcpy(&v, b->ptr + at, sizeof(v));
    return le32toh(v);
}

static int write_block(const char *from, size_t len, char *room, int to, bool first, struct err *err)
{
    int n = LZ4_decompress_safe(from, room, (int)len, BLOCK);

    if (n < 0 || (first && (n < 4 || memcmp(room,
                                            "\x7f"
                                            "ELF",
                                            4) != 0)))
        return err_set(err, -EINVAL, "the kernel's payload is no ELF");
    int r = write_all(to, room, (size_t)n);
    return r < 0 ? err_errno(err, r, "cannot write the kernel") : 0;
}

/* The blocks end where the size of what they become stands. */
static int decompress(const struct buf *image, size_t at, size_t end, int to, struct err *err)
{
    _free_ char *room = malloc(BLOCK);
    bool first = true;
    int r = room ? 0 : err_errno(err, -ENOMEM, "kernel");

    while (r == 0 && at + 4 < end) {
        size_t len = number_at(image, at);
        at += 4;
        if (len == 0 || len > end - at)
            return err_set(err, -EINVAL, "the kernel's payload is cut off");
        r = write_block(image->ptr + at, len, room, to, first, err);
        first = false;
        at += len;
    }
    return r;
}

int kernel_extract(const char *bzimage, const char *path, struct err *err)
{
    _buf_ struct buf image = BUF_INIT;
    int r = read_file(bzimage, KERNEL_MAX, &image, err);

    if (r < 0)
        return r;
    if (image.len < 4096 || memcmp(image.ptr + HEADER_MAGIC, "HdrS", 4) != 0)
        return err_set(err, -EINVAL, "%s is no bzImage", bzimage);
    size_t sectors = (unsigned char)image.ptr[SETUP_SECTORS];
    size_t at = ((sectors ? sectors : 4) + 1) * 512 + number_at(&image, PAYLOAD_OFFSET);
    size_t len = number_at(&image, PAYLOAD_LENGTH);
    if (at > image.len || len > image.len - at || len < 12)
        return err_set(err, -EINVAL, "%s is cut off", bzimage);
    if (number_at(&image, at) != LEGACY_MAGIC)
        return err_set(err, -EINVAL, "%s is not compressed with LZ4, which is what can be read here",
                       bzimage);
    _close_ int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0)
        return err_errno(err, -errno, "cannot write %s", path);
    return decompress(&image, at + 4, at + len, to, err);
}
