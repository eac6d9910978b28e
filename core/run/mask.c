/*
 * Masking. Secrets are few and output is much, so a text is scanned with memmem() for each form (glibc's is
 * vectorised and linear), and the hits are merged.
 */
#include "mask.h"

#include <pthread.h>

#include "runfs/str.h"

struct mask {
    pthread_mutex_t lock;
    struct form {
        char *text; /* owned */
        size_t len;
    } * forms; /* owned */
    size_t n, cap, longest;
};

struct hit {
    size_t from, to;
};

struct mask *mask_new(void)
{
    struct mask *m = calloc(1, sizeof(*m));

    if (m)
        pthread_mutex_init(&m->lock, NULL);
    return m;
}

void mask_free(struct mask *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        explicit_bzero(m->forms[i].text, m->forms[i].len);
        free(m->forms[i].text);
    }
    free(m->forms);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static int mask_add_form(struct mask *m, const char *text, size_t len)
{
    if (len == 0)
        return 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->forms[i].len == len && memcmp(m->forms[i].text, text, len) == 0)
            return 0;
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 16;
        struct form *more = reallocarray(m->forms, cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        m->forms = more;
        m->cap = cap;
    }
    char *copy = malloc(len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, len);
    copy[len] = '\0';
    m->forms[m->n++] = (struct form){copy, len};
    if (len > m->longest)
        m->longest = len;
    return 0;
}

/* ----------------------------------------------------------------------------------------- the encoders */

/*
 * Base64 of the value as it looks in the middle of other data: the characters that do not depend on the
 * neighbours, for each of the three positions that it may have in a group of three bytes.
 */
static void encode_base64(const char *s, size_t len, int shift, struct buf *out)
{
    _buf_ struct buf padded = BUF_INIT, all = BUF_INIT;
    static const size_t clean_start[] = {0, 2, 3};

    buf_add(&padded, "\0\0", (size_t)shift);
    buf_add(&padded, s, len);
    buf_add_base64(&all, padded.ptr, padded.len);
    size_t end = padded.len / 3 * 4 + (padded.len % 3 ? padded.len % 3 : 0);
    if (buf_ok(&all) && end > clean_start[shift])
        buf_add(out, all.ptr + clean_start[shift], end - clean_start[shift]);
}

static void encode_json(const char *s, struct buf *out)
{
    _json_ json_t *text = json_string(s);
    _free_ char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
    size_t len = quoted ? strlen(quoted) : 0;

    if (len > 2)
        buf_add(out, quoted + 1, len - 2);
}

static void encode_uri(const char *s, struct buf *out)
{
    for (; *s; s++)
        if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
            strchr("-_.~", *s))
            buf_addc(out, *s);
        else
            buf_addf(out, "%%%02X", (unsigned char)*s);
}

static void encode_xml(const char *s, struct buf *out)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            buf_adds(out, "&amp;");
            break;
        case '<':
            buf_adds(out, "&lt;");
            break;
        case '>':
            buf_adds(out, "&gt;");
            break;
        case '"':
            buf_adds(out, "&quot;");
            break;
        case '\'':
            buf_adds(out, "&apos;");
            break;
        default:
            buf_addc(out, *s);
        }
}

/* As an argument within double quotes: every quote with a backslash before it. */
static void encode_argument(const char *s, struct buf *out)
{
    for (; *s; s++) {
        if (*s == '"')
            buf_addc(out, '\\');
        buf_addc(out, *s);
    }
}

/* As a .NET Uri leaves it: reserved characters stay, others are escaped. */
static void encode_uri_loose(const char *s, struct buf *out)
{
    for (; *s; s++)
        if ((unsigned char)*s > ' ' && (unsigned char)*s < 0x7f && !strchr("\"<>\\^`{|}%", *s))
            buf_addc(out, *s);
        else
            buf_addf(out, "%%%02X", (unsigned char)*s);
}

static void encode_trim_quotes(const char *s, struct buf *out)
{
    size_t len = strlen(s);

    if (len > 2 && s[0] == '"' && s[len - 1] == '"')
        buf_add(out, s + 1, len - 2);
}

static int mask_add_encodings(struct mask *m, const char *s, size_t len)
{
    static void (*const encoders[])(const char *, struct buf *) = {
        encode_json, encode_uri, encode_uri_loose, encode_xml, encode_argument, encode_trim_quotes};
    int r = mask_add_form(m, s, len);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(encoders); i++) {
        _buf_ struct buf form = BUF_INIT;
        encoders[i](s, &form);
        r = buf_ok(&form) ? mask_add_form(m, buf_str(&form), form.len) : -ENOMEM;
    }
    for (int shift = 0; r == 0 && shift < 3; shift++) {
        _buf_ struct buf form = BUF_INIT;
        encode_base64(s, len, shift, &form);
        /* Of a very short secret so little is left that it would mask ordinary words. */
        if (form.len >= 3)
            r = buf_ok(&form) ? mask_add_form(m, buf_str(&form), form.len) : -ENOMEM;
    }
    return r;
}

int mask_add(struct mask *m, const char *secret)
{
    size_t len = strlen(secret);
    int r;

    if (len == 0)
        return 0;
    pthread_mutex_lock(&m->lock);
    r = mask_add_encodings(m, secret, len);
    for (const char *line = secret; r == 0 && *line;) {
        size_t n = strcspn(line, "\r\n");
        if (n > 0 && n < len) {
            _free_ char *copy = strndup(line, n);
            r = copy ? mask_add_encodings(m, copy, n) : -ENOMEM;
        }
        line += n;
        line += strspn(line, "\r\n");
    }
    pthread_mutex_unlock(&m->lock);
    return r;
}

/* ------------------------------------------------------------------------------------------- applying */

static int hit_order(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

/* All places of all forms, in order. */
static size_t mask_find(const struct mask *m, const char *text, size_t len, struct hit **ret, bool *failed)
{
    struct hit *hits = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < m->n; i++) {
        const char *at = text;
        while ((at = memmem(at, len - (size_t)(at - text), m->forms[i].text, m->forms[i].len))) {
            if (n == cap) {
                cap = cap ? cap * 2 : 16;
                struct hit *more = reallocarray(hits, cap, sizeof(*more));
                if (!more) {
                    *failed = true;
                    goto out;
                }
                hits = more;
            }
            hits[n++] = (struct hit){(size_t)(at - text), (size_t)(at - text) + m->forms[i].len};
            at++;
        }
    }
    if (n > 1)
        qsort(hits, n, sizeof(*hits), hit_order);
out:
    *ret = hits;
    return n;
}

void mask_apply(struct mask *m, const char *text, size_t len, struct buf *out)
{
    _free_ struct hit *hits = NULL;
    bool failed = false;
    size_t done = 0;

    pthread_mutex_lock(&m->lock);
    size_t n = mask_find(m, text, len, &hits, &failed);
    pthread_mutex_unlock(&m->lock);
    if (failed) { /* never show what could not be checked */
        buf_adds(out, "***");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (hits[i].from >= done) {
            if (hits[i].from > done || done == 0)
                buf_add(out, text + done, hits[i].from - done);
            /* a hit that touches the one before belongs to it */
            if (hits[i].from > done || done == 0)
                buf_adds(out, "***");
        }
        if (hits[i].to > done)
            done = hits[i].to;
    }
    buf_add(out, text + done, len - done);
}

bool mask_matches(struct mask *m, const char *text, size_t len)
{
    bool found = false;

    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n && !found; i++)
        found = memmem(text, len, m->forms[i].text, m->forms[i].len) != NULL;
    pthread_mutex_unlock(&m->lock);
    return found;
}

size_t mask_holdback(struct mask *m, const char *text, size_t len)
{
    size_t held = 0;

    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n; i++) {
        const struct form *f = &m->forms[i];
        size_t most = f->len - 1 < len ? f->len - 1 : len;
        for (size_t n = most; n > held; n--)
            if (memcmp(text + len - n, f->text, n) == 0) {
                held = n;
                break;
            }
    }
    pthread_mutex_unlock(&m->lock);
    return held;
}
