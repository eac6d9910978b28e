/* Strings and small texts. */
#include "runfs/str.h"
#include "runfs/late_crypto.h"

bool str_eq_ascii_nocase(const char *a, const char *b)
{
    for (;; a++, b++) {
        unsigned char x = (unsigned char)*a, y = (unsigned char)*b;
        if (x >= 'A' && x <= 'Z')
            x += 'a' - 'A';
        if (y >= 'A' && y <= 'Z')
            y += 'a' - 'A';
        if (x != y)
            return false;
        if (!x)
            return true;
    }
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t len = strlen(s), end = strlen(suffix);

    return len >= end && memcmp(s + len - end, suffix, end) == 0;
}

void strv_free(char **v)
{
    for (char **p = v; p && *p; p++)
        free(*p);
    free(v);
}

int strv_add(char ***v, size_t *n, char *s)
{
    char **more = s ? reallocarray(*v, *n + 2, sizeof(*more)) : NULL;

    if (!more) {
        free(s);
        return -ENOMEM;
    }
    *v = more;
    more[(*n)++] = s;
    more[*n] = NULL;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(char **v, size_t n)
{
    qsort(v, n, sizeof(*v), compare);
}

bool str_empty(const char *s)
{
    return !s || !*s;
}

/* Length of the character at s, 0 when it is not valid (the table of RFC 3629, section 4). */
static size_t utf8_char(const unsigned char *s, size_t len)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t need;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        need = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        need = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        need = 4;
    else
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (len < need || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return need;
}

size_t utf8_valid_prefix(const char *s, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t step = utf8_char((const unsigned char *)s + at, len - at);
        if (!step)
            break;
        at += step;
    }
    return at;
}

void buf_add_base64(struct buf *b, const void *data, size_t len)
{
    char *to = len > SIZE_MAX / 8 ? NULL : buf_reserve(b, (len + 2) / 3 * 4 + 1);

    if (!to) {
        b->failed = true;
        return;
    }
    b->len += (size_t)EVP_EncodeBlock((unsigned char *)to, data, (int)len);
    b->ptr[b->len] = '\0';
}

void buf_add_xml(struct buf *b, const char *s, size_t len)
{
    for (const char *end = s + len; s < end; s++)
        switch (*s) {
        case '&':
            buf_adds(b, "&amp;");
            break;
        case '<':
            buf_adds(b, "&lt;");
            break;
        case '>':
            buf_adds(b, "&gt;");
            break;
        case '"':
            buf_adds(b, "&quot;");
            break;
        case '\'':
            buf_adds(b, "&apos;");
            break;
        default:
            buf_addc(b, *s);
        }
}

void buf_add_shell_word(struct buf *b, const char *word)
{
    buf_addc(b, '\'');
    for (const char *quote; (quote = strchr(word, '\'')); word = quote + 1) {
        buf_add(b, word, (size_t)(quote - word));
        buf_adds(b, "'\\''");
    }
    buf_adds(b, word);
    buf_addc(b, '\'');
}

void buf_add_slug(struct buf *b, const char *text, size_t max)
{
    size_t start = b->len;

    for (; *text && b->len - start < max; text++) {
        char c = *text;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
        if (plain)
            buf_addc(b, c);
        else if (b->len > start && b->ptr[b->len - 1] != '-')
            buf_addc(b, '-');
        if (b->failed)
            return;
    }
    while (b->len > start && (b->ptr[b->len - 1] == '-' || b->ptr[b->len - 1] == '.'))
        b->ptr[--b->len] = '\0';
    if (b->len == start)
        buf_adds(b, "_");
}

int name_check(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || str_eq(name, ".") || str_eq(name, "..") || !utf8_valid(name, len))
        return -EINVAL;
    if (len > 255)
        return -ENAMETOOLONG;
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f || *p == '/')
            return -EINVAL;
    return 0;
}

int parse_u64(const char *s, uint64_t *ret)
{
    uint64_t value = 0;

    if (!*s)
        return -EINVAL;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
            return -ERANGE;
    }
    *ret = value;
    return 0;
}

uint64_t str_hash_on(uint64_t hash, const char *s)
{
    for (; *s; s++)
        hash = (hash ^ (unsigned char)*s) * 0x100000001b3u;
    return hash;
}
