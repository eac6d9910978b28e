/*
 * The first line is a secret, the rest what a job printed. What goes into a comment of it is UTF-8 without
 * control characters, on one line where that is asked, and the secret is not in it, whatever stood within.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/net/report_internal.h"
#include "runfs/mask.h"
#include "runfs/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct buf *out, const char *secret, bool one_line)
{
    if (!utf8_valid(buf_str(out), out->len))
        abort();
    for (size_t i = 0; i < out->len; i++)
        if (((unsigned char)out->ptr[i] < ' ' && (one_line || out->ptr[i] != '\n')) || out->ptr[i] == 0x7f)
            abort();
    /* of asterisks, one may be seen after masking */
    if (*secret && !strchr(secret, '*') && memmem(buf_str(out), out->len, secret, strlen(secret)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *newline = memchr(text, '\n', size);
    size_t len = newline ? size - 1 - (size_t)(newline - text) : 0;
    _free_ char *secret = strndup(text, newline ? (size_t)(newline - text) : 0);
    _free_ char *line = strndup(newline ? newline + 1 : "", len);
    _buf_ struct buf lines = BUF_INIT, one = BUF_INIT;
    struct telling t = {.mask = mask_new()};

    if (!t.mask || !secret || !line)
        abort();
    if (utf8_valid(secret, strlen(secret)) && mask_add(t.mask, secret) < 0) /* others cannot be set */
        abort();
    if (!utf8_valid(secret, strlen(secret)))
        *secret = '\0';
    text_lines(&t, newline ? newline + 1 : "", len, &lines);
    look(&lines, secret, false);
    text_clean(&t, line, 1 << 20, &one);
    look(&one, secret, true);
    buf_reset(&one);
    text_clean(&t, line, 10, &one);
    if (one.len > 10)
        abort();
    mask_free(t.mask);
    return 0;
}
