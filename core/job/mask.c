/*
 * Masking. Output is much and secrets are few: a table of the byte pairs with which a secret may begin passes
 * over nearly all of a text, and only where a pair is in it are the secrets themselves looked at.
 */
#include "runfs/mask.h"

#include <pthread.h>

#include "mask_forms.h"
#include "runfs/str.h"

enum {
    BUCKETS = 4096,
    SUMS = 2048,
    BLOCK = 256,          /* of a form: what is compared at once */
    WORK_FREE = 20000000, /* comparisons: a moment */
    WORK_OF_BYTE = 16,
};

struct mask {
    pthread_mutex_t lock;
    struct form {
        char *text; /* owned */
        size_t len;
        size_t next;     /* in its bucket, plus one; 0: the last */
        size_t next_sum; /* in its bucket of `sums`, likewise */
    } * forms;           /* owned */
    size_t n, cap, longest;
    size_t bytes;           /* of all forms */
    size_t max, max_bytes;  /* of forms, while some are added */
    uint64_t work, scanned; /* comparisons, and bytes of text */
    bool exhausted;
    size_t buckets[BUCKETS];    /* by the first two bytes: a form, plus one */
    size_t sums[SUMS];          /* by all bytes, likewise: many forms may begin alike */
    uint64_t pairs[65536 / 64]; /* bit (first | second << 8): a form may begin so */
    bool single[256];           /* a form is this byte alone */
    bool first[256];            /* a form of two bytes and more begins so */
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

/* --------------------------------------------------------------------------------------------- adding */

static size_t pair_at(const char *s)
{
    return (size_t)(unsigned char)s[0] | (size_t)(unsigned char)s[1] << 8;
}

static size_t *bucket_of(struct mask *m, const char *s)
{
    size_t pair = pair_at(s);

    return &m->buckets[(pair ^ pair >> 4) % BUCKETS];
}

static void mark_pair(struct mask *m, size_t pair)
{
    m->pairs[pair / 64] |= (uint64_t)1 << pair % 64;
}

static void add_single(struct mask *m, unsigned char c)
{
    m->single[c] = true;
    for (size_t second = 0; second < 256; second++)
        mark_pair(m, c | second << 8);
}

static size_t *sum_of(struct mask *m, const char *text, size_t len)
{
    uint32_t sum = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (unsigned char)text[i]) * 16777619u;
    return &m->sums[(sum ^ sum >> 16) % SUMS];
}

static int mask_add_form(void *data, const char *text, size_t len)
{
    struct mask *m = data;

    if (m->n >= m->max || len > m->max_bytes || m->bytes > m->max_bytes - len)
        return -E2BIG;
    size_t *bucket = len > 1 ? bucket_of(m, text) : NULL, *sum = sum_of(m, text, len);

    for (size_t i = bucket ? *sum : 0; i; i = m->forms[i - 1].next_sum)
        if (m->forms[i - 1].len == len && memcmp(m->forms[i - 1].text, text, len) == 0)
            return 0;
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 16;
        struct form *more = reallocarray(m->forms, cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        m->forms = more;
        m->cap = cap;
    }
    if (len > m->longest)
        m->longest = len;
    if (!bucket) {
        add_single(m, (unsigned char)text[0]);
        return 0;
    }
    char *copy = malloc(len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, len);
    m->forms[m->n] = (struct form){copy, len, *bucket, *sum};
    *bucket = *sum = ++m->n;
    m->bytes += len;
    m->first[(unsigned char)text[0]] = true;
    mark_pair(m, pair_at(text));
    return 0;
}

static int add(struct mask *m, const char *secret, size_t max, size_t max_bytes)
{
    size_t len = strlen(secret);
    int r;

    if (len == 0)
        return 0;
    pthread_mutex_lock(&m->lock);
    m->max = max;
    m->max_bytes = max_bytes;
    r = mask_forms(secret, len, mask_add_form, m);
    for (const char *line = secret; r == 0 && *line;) {
        size_t n = strcspn(line, "\r\n");
        if (n > 0 && n < len)
            r = mask_forms(line, n, mask_add_form, m);
        line += n;
        line += strspn(line, "\r\n");
    }
    pthread_mutex_unlock(&m->lock);
    return r;
}

int mask_add(struct mask *m, const char *secret)
{
    return add(m, secret, SIZE_MAX, SIZE_MAX);
}

int mask_add_said(struct mask *m, const char *secret)
{
    return add(m, secret, MASK_FORMS_MAX, MASK_BYTES_MAX);
}

/* ------------------------------------------------------------------------------------------- scanning */

/* The next place at or after i where a form may begin; len - 1 is always taken for one, as its pair is not
 * known. */
static size_t next_place(const struct mask *m, const char *text, size_t i, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    const uint64_t *pairs = m->pairs;

#define HIT(k) (pairs[(p[(k)] | (unsigned)p[(k) + 1] << 8) / 64] >> (p[(k)] % 64) & 1)
    for (; i + 5 <= len; i += 4)
        if (HIT(i) | HIT(i + 1) | HIT(i + 2) | HIT(i + 3))
            break;
    for (; i + 2 <= len; i++)
        if (HIT(i))
            return i;
#undef HIT
    return i;
}

static bool is_exhausted(struct mask *m)
{
    m->exhausted |= m->work > WORK_FREE + WORK_OF_BYTE * m->scanned;
    return m->exhausted;
}

static bool begins_alike(struct mask *m, const char *a, const char *b, size_t len)
{
    for (size_t at = 0; at < len; at += BLOCK) {
        m->work++;
        if (memcmp(a + at, b + at, len - at < BLOCK ? len - at : BLOCK) != 0)
            return false;
    }
    return true;
}

/* The longest form that stands at text; *partial: a form begins there that the text is too short to tell. */
static size_t match_at(struct mask *m, const char *text, size_t len, bool *partial)
{
    size_t longest = m->single[(unsigned char)*text];

    if (len == 1) {
        *partial = m->first[(unsigned char)*text];
        return longest;
    }
    *partial = false;
    for (size_t i = *bucket_of(m, text); i; i = m->forms[i - 1].next) {
        const struct form *f = &m->forms[i - 1];
        m->work++;
        if (f->len <= longest || !begins_alike(m, text, f->text, f->len < len ? f->len : len))
            continue;
        if (f->len > len)
            *partial = true;
        else
            longest = f->len;
    }
    return longest;
}

/*
 * Appends the masked text as far as it is certain and returns how far that is: all of it at the end, else up
 * to the first place where a form may have begun. *masked, the end of the last `***` (-1: none touches the
 * start), counts from the start of text, and from the returned place afterwards.
 */
static size_t mask_scan(struct mask *m, const char *text, size_t len, bool end, ssize_t *masked,
                        struct buf *out)
{
    size_t given = *masked > 0 ? (size_t)*masked : 0, i = m->longest ? 0 : len;
    ssize_t until = *masked;

    m->scanned += len;
    while (i < len) {
        bool partial;
        i = next_place(m, text, i, len);
        size_t match = match_at(m, text + i, len - i, &partial);
        if (is_exhausted(m)) { /* nobody knows what else stands in it */
            buf_adds(out, "***");
            *masked = -1;
            return len;
        }
        if (match && (ssize_t)i > until) {
            buf_add(out, text + given, i - given);
            buf_adds(out, "***");
        }
        if (match && (ssize_t)(i + match) > until) {
            until = (ssize_t)(i + match);
            given = i + match;
        }
        if (partial && !end)
            break;
        i++;
    }
    if (i > given)
        buf_add(out, text + given, i - given);
    *masked = until < (ssize_t)i ? -1 : until - (ssize_t)i;
    return i;
}

void mask_apply(struct mask *m, const char *text, size_t len, struct buf *out)
{
    ssize_t masked = -1;

    pthread_mutex_lock(&m->lock);
    mask_scan(m, text, len, true, &masked, out);
    pthread_mutex_unlock(&m->lock);
}

bool mask_matches(struct mask *m, const char *text, size_t len)
{
    bool found = false, partial;

    pthread_mutex_lock(&m->lock);
    m->scanned += len;
    for (size_t i = m->longest ? 0 : len; i < len && !found; i++) {
        i = next_place(m, text, i, len);
        found = match_at(m, text + i, len - i, &partial) > 0 || is_exhausted(m);
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

bool mask_exhausted(struct mask *m)
{
    pthread_mutex_lock(&m->lock);
    bool is = is_exhausted(m);
    pthread_mutex_unlock(&m->lock);
    return is;
}

/* ------------------------------------------------------------------------------------------- streaming */

void mask_stream_release(struct mask_stream *s)
{
    if (s->held.ptr)
        explicit_bzero(s->held.ptr, s->held.cap);
    buf_release(&s->held);
}

static size_t stream_scan(struct mask_stream *s, const char *text, size_t len, bool end, struct buf *out)
{
    pthread_mutex_lock(&s->mask->lock);
    size_t done = mask_scan(s->mask, text, len, end, &s->masked, out);
    pthread_mutex_unlock(&s->mask->lock);
    return done;
}

void mask_stream_feed(struct mask_stream *s, const char *text, size_t len, struct buf *out)
{
    size_t had = s->held.len, done;

    if (len == 0)
        return;
    if (had == 0) {
        done = stream_scan(s, text, len, false, out);
        buf_add(&s->held, text + done, len - done);
    } else {
        buf_add(&s->held, text, len);
        done = buf_ok(&s->held) ? stream_scan(s, s->held.ptr, s->held.len, false, out) : 0;
        buf_drop(&s->held, done);
    }
    if (buf_ok(&s->held))
        return;
    buf_adds(out, "***");
    buf_reset(&s->held);
    s->masked = -1;
}

void mask_stream_flush(struct mask_stream *s, struct buf *out)
{
    if (s->held.len > 0)
        stream_scan(s, s->held.ptr, s->held.len, true, out);
    buf_reset(&s->held);
}
