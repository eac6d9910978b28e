/*
 * Comparing text without regard to case, as .NET's OrdinalIgnoreCase does: characters are mapped to upper
 * case by Unicode's simple case mapping (UnicodeData.txt, field 12; Unicode 14), one to one, whatever the
 * locale. The two mappings into ASCII, of U+0131 (dotless i) and U+017F (long s), are left out, as .NET
 * leaves them out.
 */
#include "expr_internal.h"

enum { SHORT_TEXT = 64 };

/* Every step-th character from first to last is delta away from its upper case. */
struct case_range {
    uint32_t first, last;
    int step, delta;
};

/* clang-format off */
static const struct case_range case_ranges[] = {
    {0x00b5, 0x00b5, 1, 743}, {0x00e0, 0x00f6, 1, -32}, {0x00f8, 0x00fe, 1, -32}, {0x00ff, 0x00ff, 1, 121},
    {0x0101, 0x012f, 2, -1}, {0x0133, 0x0137, 2, -1}, {0x013a, 0x0148, 2, -1}, {0x014b, 0x0177, 2, -1},
    {0x017a, 0x017e, 2, -1}, {0x0180, 0x0180, 1, 195}, {0x0183, 0x0185, 2, -1}, {0x0188, 0x0188, 1, -1},
    {0x018c, 0x018c, 1, -1}, {0x0192, 0x0192, 1, -1}, {0x0195, 0x0195, 1, 97}, {0x0199, 0x0199, 1, -1},
    {0x019a, 0x019a, 1, 163}, {0x019e, 0x019e, 1, 130}, {0x01a1, 0x01a5, 2, -1}, {0x01a8, 0x01a8, 1, -1},
    {0x01ad, 0x01ad, 1, -1}, {0x01b0, 0x01b0, 1, -1}, {0x01b4, 0x01b6, 2, -1}, {0x01b9, 0x01b9, 1, -1},
    {0x01bd, 0x01bd, 1, -1}, {0x01bf, 0x01bf, 1, 56}, {0x01c5, 0x01c5, 1, -1}, {0x01c6, 0x01c6, 1, -2},
    {0x01c8, 0x01c8, 1, -1}, {0x01c9, 0x01c9, 1, -2}, {0x01cb, 0x01cb, 1, -1}, {0x01cc, 0x01cc, 1, -2},
    {0x01ce, 0x01dc, 2, -1}, {0x01dd, 0x01dd, 1, -79}, {0x01df, 0x01ef, 2, -1}, {0x01f2, 0x01f2, 1, -1},
    {0x01f3, 0x01f3, 1, -2}, {0x01f5, 0x01f5, 1, -1}, {0x01f9, 0x021f, 2, -1}, {0x0223, 0x0233, 2, -1},
    {0x023c, 0x023c, 1, -1}, {0x023f, 0x0240, 1, 10815}, {0x0242, 0x0242, 1, -1}, {0x0247, 0x024f, 2, -1},
    {0x0250, 0x0250, 1, 10783}, {0x0251, 0x0251, 1, 10780}, {0x0252, 0x0252, 1, 10782}, {0x0253, 0x0253, 1, -210},
    {0x0254, 0x0254, 1, -206}, {0x0256, 0x0257, 1, -205}, {0x0259, 0x0259, 1, -202}, {0x025b, 0x025b, 1, -203},
    {0x025c, 0x025c, 1, 42319}, {0x0260, 0x0260, 1, -205}, {0x0261, 0x0261, 1, 42315}, {0x0263, 0x0263, 1, -207},
    {0x0265, 0x0265, 1, 42280}, {0x0266, 0x0266, 1, 42308}, {0x0268, 0x0268, 1, -209}, {0x0269, 0x0269, 1, -211},
    {0x026a, 0x026a, 1, 42308}, {0x026b, 0x026b, 1, 10743}, {0x026c, 0x026c, 1, 42305}, {0x026f, 0x026f, 1, -211},
    {0x0271, 0x0271, 1, 10749}, {0x0272, 0x0272, 1, -213}, {0x0275, 0x0275, 1, -214}, {0x027d, 0x027d, 1, 10727},
    {0x0280, 0x0280, 1, -218}, {0x0282, 0x0282, 1, 42307}, {0x0283, 0x0283, 1, -218}, {0x0287, 0x0287, 1, 42282},
    {0x0288, 0x0288, 1, -218}, {0x0289, 0x0289, 1, -69}, {0x028a, 0x028b, 1, -217}, {0x028c, 0x028c, 1, -71},
    {0x0292, 0x0292, 1, -219}, {0x029d, 0x029d, 1, 42261}, {0x029e, 0x029e, 1, 42258}, {0x0345, 0x0345, 1, 84},
    {0x0371, 0x0373, 2, -1}, {0x0377, 0x0377, 1, -1}, {0x037b, 0x037d, 1, 130}, {0x03ac, 0x03ac, 1, -38},
    {0x03ad, 0x03af, 1, -37}, {0x03b1, 0x03c1, 1, -32}, {0x03c2, 0x03c2, 1, -31}, {0x03c3, 0x03cb, 1, -32},
    {0x03cc, 0x03cc, 1, -64}, {0x03cd, 0x03ce, 1, -63}, {0x03d0, 0x03d0, 1, -62}, {0x03d1, 0x03d1, 1, -57},
    {0x03d5, 0x03d5, 1, -47}, {0x03d6, 0x03d6, 1, -54}, {0x03d7, 0x03d7, 1, -8}, {0x03d9, 0x03ef, 2, -1},
    {0x03f0, 0x03f0, 1, -86}, {0x03f1, 0x03f1, 1, -80}, {0x03f2, 0x03f2, 1, 7}, {0x03f3, 0x03f3, 1, -116},
    {0x03f5, 0x03f5, 1, -96}, {0x03f8, 0x03f8, 1, -1}, {0x03fb, 0x03fb, 1, -1}, {0x0430, 0x044f, 1, -32},
    {0x0450, 0x045f, 1, -80}, {0x0461, 0x0481, 2, -1}, {0x048b, 0x04bf, 2, -1}, {0x04c2, 0x04ce, 2, -1},
    {0x04cf, 0x04cf, 1, -15}, {0x04d1, 0x052f, 2, -1}, {0x0561, 0x0586, 1, -48}, {0x10d0, 0x10fa, 1, 3008},
    {0x10fd, 0x10ff, 1, 3008}, {0x13f8, 0x13fd, 1, -8}, {0x1c80, 0x1c80, 1, -6254}, {0x1c81, 0x1c81, 1, -6253},
    {0x1c82, 0x1c82, 1, -6244}, {0x1c83, 0x1c84, 1, -6242}, {0x1c85, 0x1c85, 1, -6243}, {0x1c86, 0x1c86, 1, -6236},
    {0x1c87, 0x1c87, 1, -6181}, {0x1c88, 0x1c88, 1, 35266}, {0x1d79, 0x1d79, 1, 35332}, {0x1d7d, 0x1d7d, 1, 3814},
    {0x1d8e, 0x1d8e, 1, 35384}, {0x1e01, 0x1e95, 2, -1}, {0x1e9b, 0x1e9b, 1, -59}, {0x1ea1, 0x1eff, 2, -1},
    {0x1f00, 0x1f07, 1, 8}, {0x1f10, 0x1f15, 1, 8}, {0x1f20, 0x1f27, 1, 8}, {0x1f30, 0x1f37, 1, 8},
    {0x1f40, 0x1f45, 1, 8}, {0x1f51, 0x1f57, 2, 8}, {0x1f60, 0x1f67, 1, 8}, {0x1f70, 0x1f71, 1, 74},
    {0x1f72, 0x1f75, 1, 86}, {0x1f76, 0x1f77, 1, 100}, {0x1f78, 0x1f79, 1, 128}, {0x1f7a, 0x1f7b, 1, 112},
    {0x1f7c, 0x1f7d, 1, 126}, {0x1f80, 0x1f87, 1, 8}, {0x1f90, 0x1f97, 1, 8}, {0x1fa0, 0x1fa7, 1, 8},
    {0x1fb0, 0x1fb1, 1, 8}, {0x1fb3, 0x1fb3, 1, 9}, {0x1fbe, 0x1fbe, 1, -7205}, {0x1fc3, 0x1fc3, 1, 9},
    {0x1fd0, 0x1fd1, 1, 8}, {0x1fe0, 0x1fe1, 1, 8}, {0x1fe5, 0x1fe5, 1, 7}, {0x1ff3, 0x1ff3, 1, 9},
    {0x214e, 0x214e, 1, -28}, {0x2170, 0x217f, 1, -16}, {0x2184, 0x2184, 1, -1}, {0x24d0, 0x24e9, 1, -26},
    {0x2c30, 0x2c5f, 1, -48}, {0x2c61, 0x2c61, 1, -1}, {0x2c65, 0x2c65, 1, -10795}, {0x2c66, 0x2c66, 1, -10792},
    {0x2c68, 0x2c6c, 2, -1}, {0x2c73, 0x2c73, 1, -1}, {0x2c76, 0x2c76, 1, -1}, {0x2c81, 0x2ce3, 2, -1},
    {0x2cec, 0x2cee, 2, -1}, {0x2cf3, 0x2cf3, 1, -1}, {0x2d00, 0x2d25, 1, -7264}, {0x2d27, 0x2d27, 1, -7264},
    {0x2d2d, 0x2d2d, 1, -7264}, {0xa641, 0xa66d, 2, -1}, {0xa681, 0xa69b, 2, -1}, {0xa723, 0xa72f, 2, -1},
    {0xa733, 0xa76f, 2, -1}, {0xa77a, 0xa77c, 2, -1}, {0xa77f, 0xa787, 2, -1}, {0xa78c, 0xa78c, 1, -1},
    {0xa791, 0xa793, 2, -1}, {0xa794, 0xa794, 1, 48}, {0xa797, 0xa7a9, 2, -1}, {0xa7b5, 0xa7c3, 2, -1},
    {0xa7c8, 0xa7ca, 2, -1}, {0xa7d1, 0xa7d1, 1, -1}, {0xa7d7, 0xa7d9, 2, -1}, {0xa7f6, 0xa7f6, 1, -1},
    {0xab53, 0xab53, 1, -928}, {0xab70, 0xabbf, 1, -38864}, {0xff41, 0xff5a, 1, -32}, {0x10428, 0x1044f, 1, -40},
    {0x104d8, 0x104fb, 1, -40}, {0x10597, 0x105a1, 1, -39}, {0x105a3, 0x105b1, 1, -39}, {0x105b3, 0x105b9, 1, -39},
    {0x105bb, 0x105bc, 1, -39}, {0x10cc0, 0x10cf2, 1, -64}, {0x118c0, 0x118df, 1, -32}, {0x16e60, 0x16e7f, 1, -32},
    {0x1e922, 0x1e943, 1, -34},
};
/* clang-format on */

static uint32_t fold_wide(uint32_t c)
{
    size_t low = 0, high = ARRAY_LEN(case_ranges);

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct case_range *r = &case_ranges[mid];
        if (c > r->last)
            low = mid + 1;
        else if (c < r->first)
            high = mid;
        else
            return (c - r->first) % (uint32_t)r->step ? c : (uint32_t)((int)c + r->delta);
    }
    return c;
}

static inline unsigned char fold_ascii(unsigned char c)
{
    return c >= 'a' && c <= 'z' ? (unsigned char)(c - 'a' + 'A') : c;
}

static uint32_t utf8_next(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *p = *at;
    size_t left = (size_t)(end - p);

    *at = p + 1;
    if (p[0] < 0x80)
        return p[0];
    if (p[0] >= 0xc2 && p[0] < 0xe0 && left >= 2) {
        *at = p + 2;
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    }
    if (p[0] >= 0xe0 && p[0] < 0xf0 && left >= 3) {
        *at = p + 3;
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    }
    if (p[0] >= 0xf0 && p[0] < 0xf5 && left >= 4) {
        *at = p + 4;
        return (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 |
               (p[3] & 0x3f);
    }
    return 0xfffd;
}

static uint32_t fold_next(const unsigned char **at, const unsigned char *end)
{
    if (**at < 0x80)
        return fold_ascii(*(*at)++);
    return fold_wide(utf8_next(at, end));
}

/* UTF-16 puts characters beyond the first plane (surrogates, from 0xd800) before U+E000 to U+FFFF. */
static uint32_t utf16_order(uint32_t c)
{
    return c >= 0x10000 ? c - 0x10000 + 0xe000 : c >= 0xe000 ? c + 0x200000 : c;
}

/* Walks both texts while they agree. Returns <0, 0 or >0 for the first difference, 0 too when one ends. */
static int fold_walk(const unsigned char **a, const unsigned char *a_end, const unsigned char **b,
                     const unsigned char *b_end)
{
    while (*a < a_end && *b < b_end) {
        uint32_t x = fold_next(a, a_end), y = fold_next(b, b_end);
        if (x != y)
            return utf16_order(x) < utf16_order(y) ? -1 : 1;
    }
    return 0;
}

int fold_compare(struct slice a, struct slice b)
{
    const unsigned char *x = (const unsigned char *)a.s, *y = (const unsigned char *)b.s;
    const unsigned char *x_end = x + a.len, *y_end = y + b.len;
    int order = fold_walk(&x, x_end, &y, y_end);

    return order ? order : (x < x_end) - (y < y_end);
}

bool fold_equal(struct slice a, struct slice b)
{
    return fold_compare(a, b) == 0;
}

bool fold_starts(struct slice text, struct slice prefix)
{
    const unsigned char *x = (const unsigned char *)text.s, *y = (const unsigned char *)prefix.s;
    const unsigned char *y_end = y + prefix.len;

    return fold_walk(&x, x + text.len, &y, y_end) == 0 && y == y_end;
}

/* The last `count` characters of text; all of it when it is shorter. */
static struct slice utf8_tail(struct slice text, size_t count)
{
    size_t at = text.len;

    while (at > 0 && count > 0)
        if (((unsigned char)text.s[--at] & 0xc0) != 0x80)
            count--;
    return (struct slice){text.s + at, text.len - at};
}

bool fold_ends(struct slice text, struct slice suffix)
{
    size_t chars = 0;

    for (size_t i = 0; i < suffix.len; i++)
        chars += ((unsigned char)suffix.s[i] & 0xc0) != 0x80;
    return fold_equal(utf8_tail(text, chars), suffix);
}

void utf8_put(struct buf *b, uint32_t c)
{
    char s[4];
    size_t n = 0;

    if (c < 0x800) {
        s[n++] = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        s[n++] = (char)(0xe0 | c >> 12);
        s[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        s[n++] = (char)(0xf0 | c >> 18);
        s[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        s[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    s[n++] = (char)(0x80 | (c & 0x3f));
    buf_add(b, s, n);
}

void fold_append(struct buf *b, struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.s, *end = at + text.len;

    while (at < end) {
        unsigned char *to = (unsigned char *)buf_reserve(b, (size_t)(end - at));
        if (!to)
            return;
        size_t n = 0;
        while (at < end && *at < 0x80)
            to[n++] = fold_ascii(*at++);
        b->len += n;
        b->ptr[b->len] = '\0';
        if (at < end)
            utf8_put(b, fold_wide(utf8_next(&at, end)));
    }
}

/* Short texts are compared in place, at each of their characters. */
static bool short_contains(struct slice text, struct slice part)
{
    const unsigned char *at = (const unsigned char *)text.s, *end = at + text.len;

    while (at < end) {
        if (fold_starts((struct slice){(const char *)at, (size_t)(end - at)}, part))
            return true;
        utf8_next(&at, end);
    }
    return false;
}

/* Long ones as folded copies and by memmem: linear, however hostile the two texts are. */
int fold_contains(struct slice text, struct slice part, bool *ret)
{
    _buf_ struct buf a = BUF_INIT, b = BUF_INIT;

    if (part.len == 0 || text.len <= SHORT_TEXT) {
        *ret = part.len == 0 || short_contains(text, part);
        return 0;
    }
    fold_append(&a, text);
    fold_append(&b, part);
    if (!buf_ok(&a) || !buf_ok(&b))
        return -ENOMEM;
    *ret = memmem(buf_str(&a), a.len, buf_str(&b), b.len) != NULL;
    return 0;
}

size_t ascii_prefix(struct slice text)
{
    size_t i = 0;

    for (uint64_t word; i + sizeof(word) <= text.len; i += sizeof(word)) {
        memcpy(&word, text.s + i, sizeof(word));
        if (word & 0x8080808080808080u)
            break;
    }
    return i;
}

size_t utf16_length(struct slice text)
{
    size_t units = ascii_prefix(text);

    for (size_t i = units; i < text.len; i++) {
        unsigned char c = (unsigned char)text.s[i];
        units += ((c & 0xc0) != 0x80) + (c >= 0xf0);
    }
    return units;
}

/* What .NET's Char.IsWhiteSpace takes for one. */
size_t space_length(const char *s, const char *end)
{
    const unsigned char *p = (const unsigned char *)s;

    if (*p < 0x80)
        return *p == ' ' || (*p >= '\t' && *p <= '\r');
    uint32_t c = utf8_next(&p, (const unsigned char *)end);
    bool space = c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
                 c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
    return space ? (size_t)(p - (const unsigned char *)s) : 0;
}
