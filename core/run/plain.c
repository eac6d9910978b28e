/* Text of jobs for others, plain and masked. */
#include "runfs/plain.h"

#include "runfs/str.h"

struct mask *plain_mask(struct store *st)
{
    struct mask *mask = mask_new();
    int64_t id = 0;
    int r = 0;

    while (r == 0 && mask && store_list_all_secrets(st, id, &id, 1) == 1) {
        const struct setting_row *row = store_get_setting(st, SETTING_SECRET, id);
        r = row ? mask_add(mask, row->value) : 0;
        setting_row_unref(row);
    }
    if (r == 0)
        return mask;
    mask_free(mask);
    return NULL;
}

/* U+200B-200F, 202A-202E, 2060-206F, FEFF: what is not seen, and turns around what is. */
static size_t unseen(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;

    if (u[0] == 0xe2 && u[1] == 0x80 && ((u[2] >= 0x8b && u[2] <= 0x8f) || (u[2] >= 0xa8 && u[2] <= 0xae)))
        return 3;
    if (u[0] == 0xe2 && u[1] == 0x81 && u[2] >= 0xa0 && u[2] <= 0xaf)
        return 3;
    return u[0] == 0xef && u[1] == 0xbb && u[2] == 0xbf ? 3 : 0;
}

/* How long an escape sequence of a terminal at s is; 0: none. */
static size_t colour(const char *s, const char *end)
{
    const char *p = s + 1;

    if (*s != '\033')
        return 0;
    if (p < end && *p == '[')
        for (p++; p < end && (unsigned char)*p < 0x40; p++)
            ;
    else if (p < end && *p == ']')
        for (; p < end && *p != '\a' && *p != '\033' && *p != '\n'; p++)
            ;
    return (size_t)(p < end && *p != '\n' ? p + 1 - s : p - s);
}

/* How many bytes the character at s has; 0: it is none of UTF-8. */
static size_t character(const char *s, const char *end)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    return n <= (size_t)(end - s) && utf8_valid(s, n) ? n : 0;
}

/* Secrets are masked last: whatever is taken out, or made a blank, may have stood within one. */
void plain_text(struct mask *mask, const char *text, size_t len, bool one_line, struct buf *ret)
{
    _buf_ struct buf plain = BUF_INIT;
    const char *end = text + len;

    if (!mask) { /* rather nothing than a secret */
        buf_adds(ret, "***");
        return;
    }
    while (text < end) {
        size_t skip = colour(text, end), len_of = character(text, end);
        bool newline = *text == '\n' && !one_line;
        if (!skip && len_of == 3)
            skip = unseen(text);
        if (!skip && len_of <= 1)
            buf_addc(&plain, !len_of ? '?' : newline || (*text >= ' ' && *text != 0x7f) ? *text : ' ');
        else if (!skip)
            buf_add(&plain, text, len_of);
        text += skip ? skip : len_of ? len_of : 1;
    }
    mask_apply(mask, buf_str(&plain), plain.len, ret);
}
