/* Base64 back into bytes; the other way is in str.c, which the agent shares. */
#include <errno.h>
#include <sodium.h>

#include "runfs/str.h"

int buf_add_unbase64(struct buf *b, const char *text, size_t len)
{
    size_t max = len / 4 * 3 + 3, got = 0;
    char *to = buf_reserve(b, max);

    if (!to)
        return -ENOMEM;
    if (sodium_base642bin((unsigned char *)to, max, text, len, "\r\n", &got, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return -EPROTO;
    b->len += got;
    b->ptr[b->len] = '\0';
    return 0;
}
