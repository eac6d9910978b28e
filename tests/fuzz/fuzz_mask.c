/*
 * The first byte says in what pieces, the first line behind it is a secret, the rest output. What is given
 * out in pieces is what is given out at once, and the secret is not in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runfs/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A secret of asterisks, or one that a `***` and its neighbours make up, may be seen after masking. */
static bool leaks(const struct buf *out, const char *secret)
{
    return !strchr(secret, '*') && memmem(buf_str(out), out->len, secret, strlen(secret));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 1, *newline = memchr(text, '\n', size - 1);
    size_t piece = data[0] % 16 + 1, len = newline ? size - 2 - (size_t)(newline - text) : 0;
    _free_ char *secret = strndup(text, newline ? (size_t)(newline - text) : size - 1);
    struct mask *m = mask_new();
    _mask_stream_ struct mask_stream s = MASK_STREAM(m);
    _buf_ struct buf whole = BUF_INIT, pieces = BUF_INIT;

    if (!m || !secret || mask_add(m, secret) < 0)
        abort();
    text = newline ? newline + 1 : text;
    mask_apply(m, text, len, &whole);
    for (size_t at = 0; at < len; at += piece)
        mask_stream_feed(&s, text + at, len - at < piece ? len - at : piece, &pieces);
    mask_stream_flush(&s, &pieces);
    if (whole.len != pieces.len || memcmp(buf_str(&whole), buf_str(&pieces), whole.len) != 0)
        abort();
    if (*secret && leaks(&whole, secret))
        abort();
    mask_free(m);
    return 0;
}
