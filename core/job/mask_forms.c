/* The forms of a secret: what GitHub's runner derives from a value before it masks. One encoder a form. */
#include "mask_forms.h"

#include "runfs/buf.h"
#include "runfs/str.h"

/* PowerShell prints a value with `&` in it in two parts; shorter ones would mask ordinary words. */
static const size_t least_part = 6;

/* How many characters of base64 have to be left of a secret before neighbours may stand on both of its sides:
 * fewer would turn up in any text. */
static const size_t least_base64 = 8;

/* The expression language's string: every quote twice. */
static void encode_expression(const char *s, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\'')
            buf_addc(out, '\'');
        buf_addc(out, s[i]);
    }
}

/* As an argument within double quotes: every quote with a backslash before it. */
static void encode_argument(const char *s, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"')
            buf_addc(out, '\\');
        buf_addc(out, s[i]);
    }
}

static void encode_json(const char *s, size_t len, struct buf *out)
{
    static const char letters[][2] = {{'\b', 'b'}, {'\t', 't'}, {'\n', 'n'}, {'\f', 'f'},
                                      {'\r', 'r'}, {'"', '"'},  {'\\', '\\'}};

    for (size_t i = 0; i < len; i++) {
        size_t k = 0;
        while (k < ARRAY_LEN(letters) && letters[k][0] != s[i])
            k++;
        if (k < ARRAY_LEN(letters))
            buf_addf(out, "\\%c", letters[k][1]);
        else if ((unsigned char)s[i] < ' ')
            buf_addf(out, "\\u%04x", (unsigned)s[i]);
        else
            buf_addc(out, s[i]);
    }
}

static void encode_uri(const char *s, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++)
        if ((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
            memchr("-_.~", s[i], 4))
            buf_addc(out, s[i]);
        else
            buf_addf(out, "%%%02X", (unsigned char)s[i]);
}

static void encode_xml(const char *s, size_t len, struct buf *out)
{
    buf_add_xml(out, s, len);
}

static void encode_trim_quotes(const char *s, size_t len, struct buf *out)
{
    if (len > 8 && s[0] == '"' && s[len - 1] == '"')
        buf_add(out, s + 1, len - 2);
}

static void encode_before_ampersand(const char *s, size_t len, struct buf *out)
{
    const char *plus = memmem(s, len, "&+", 2), *last = memrchr(s, '&', len);
    size_t part = plus ? (size_t)(plus - s) + 2 : last ? (size_t)(last - s) + 1 : 0;

    if (part >= least_part)
        buf_add(out, s, part);
}

static void encode_after_ampersand(const char *s, size_t len, struct buf *out)
{
    const char *plus = memmem(s, len, "&+", 2), *last = memrchr(s, '&', len);
    /* Behind "&+" one character more is printed in another colour. */
    size_t from = plus ? (size_t)(plus - s) + 3 : last ? (size_t)(last - s) + 1 : len;

    if (from < len && len - from >= least_part)
        buf_add(out, s + from, len - from);
}

static int add_base64(const struct buf *text, size_t from, size_t to,
                      int (*add)(void *, const char *, size_t), void *data)
{
    _buf_ struct buf url = BUF_INIT;

    if (from >= to)
        return 0;
    int r = add(data, text->ptr + from, to - from);
    if (r < 0)
        return r;
    buf_add(&url, text->ptr + from, to - from);
    if (!buf_ok(&url))
        return -ENOMEM;
    for (size_t i = 0; i < url.len; i++)
        url.ptr[i] = url.ptr[i] == '+' ? '-' : url.ptr[i] == '/' ? '_' : url.ptr[i];
    return add(data, url.ptr, url.len);
}

/*
 * Base64 of the value's end from each of the three places at which a group may begin, without the padding: as
 * it looks where the value ends the data. And, where enough is left, as it looks with anything before and
 * behind: the characters that no neighbour has a bit in.
 */
static int add_base64_forms(const char *s, size_t len, int (*add)(void *, const char *, size_t), void *data)
{
    int r = 0;

    for (size_t shift = 0; r == 0 && shift < 3 && shift < len; shift++) {
        _buf_ struct buf tail = BUF_INIT, padded = BUF_INIT, middle = BUF_INIT;
        size_t bytes = len - shift, first = shift ? shift + 1 : 0, last = (shift + len) * 8 / 6;

        buf_add_base64(&tail, s + shift, bytes);
        buf_add(&padded, "\0\0", shift);
        buf_add(&padded, s, len);
        buf_add_base64(&middle, buf_str(&padded), padded.len);
        if (!buf_ok(&tail) || !buf_ok(&padded) || !buf_ok(&middle))
            return -ENOMEM;
        r = add_base64(&tail, 0, (bytes * 8 + 5) / 6, add, data);
        if (r == 0 && last >= first + least_base64)
            r = add_base64(&middle, first, last, add, data);
    }
    return r;
}

int mask_forms(const char *secret, size_t len, int (*add)(void *, const char *, size_t), void *data)
{
    static void (*const encoders[])(const char *, size_t, struct buf *) = {
        encode_expression,  encode_argument,         encode_json,           encode_uri, encode_xml,
        encode_trim_quotes, encode_before_ampersand, encode_after_ampersand};
    int r = add(data, secret, len);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(encoders); i++) {
        _buf_ struct buf form = BUF_INIT;
        encoders[i](secret, len, &form);
        if (!buf_ok(&form))
            return -ENOMEM;
        if (form.len > 0)
            r = add(data, form.ptr, form.len);
    }
    return r == 0 ? add_base64_forms(secret, len, add, data) : r;
}
