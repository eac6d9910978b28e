/* Texts about runs for others: what comes out of workflows is taken for hostile. */
#include "report_internal.h"
#include "runfs/mask.h"
#include "runfs/str.h"

static int load_secrets(struct telling *t)
{
    struct store *st = t->lane->reporter->store;
    int64_t id = 0;
    int r = 0;

    t->mask = mask_new();
    while (r == 0 && t->mask && store_list_settings(st, SETTING_SECRET, "", id, &id, 1) == 1) {
        const struct setting_row *row = store_get_setting(st, SETTING_SECRET, id);
        r = row ? mask_add(t->mask, row->value) : 0;
        setting_row_unref(row);
    }
    return t->mask && r == 0 ? 0 : -ENOMEM;
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
static void clean(struct telling *t, const char *text, size_t len, bool one_line, struct buf *ret)
{
    _buf_ struct buf plain = BUF_INIT;
    const char *end = text + len;

    if (!t->mask && load_secrets(t) < 0) { /* rather nothing than a secret */
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
    mask_apply(t->mask, buf_str(&plain), plain.len, ret);
}

void text_lines(struct telling *t, const char *text, size_t len, struct buf *ret)
{
    clean(t, text, len, false, ret);
}

void text_clean(struct telling *t, const char *text, size_t max, struct buf *ret)
{
    _buf_ struct buf line = BUF_INIT;

    clean(t, text, strlen(text), true, &line);
    buf_add(ret, buf_str(&line),
            line.len > max ? utf8_valid_prefix(buf_str(&line), max > 3 ? max - 3 : 0) : line.len);
    buf_adds(ret, line.len > max ? "..." : "");
}

void text_duration(int64_t ns, struct buf *ret)
{
    int64_t ms = ns > 0 ? ns / 1000000 : 0, s = ms / 1000;

    if (ms < 1000)
        buf_addf(ret, "%lld ms", (long long)ms);
    else if (s < 60)
        buf_addf(ret, "%lld.%lld s", (long long)s, (long long)(ms % 1000 / 100));
    else if (s < 3600)
        buf_addf(ret, "%lld min %lld s", (long long)(s / 60), (long long)(s % 60));
    else
        buf_addf(ret, "%lld h %lld min", (long long)(s / 3600), (long long)(s % 3600 / 60));
}

void text_title(struct telling *t, struct buf *ret)
{
    text_clean(t, t->run->name, 150, ret);
    buf_addf(ret, " (%.40s)", t->run->event);
}

void text_outcome(struct telling *t, struct buf *ret)
{
    buf_addf(ret, "Run %lld", (long long)t->run->id);
    if (t->attempt > 1)
        buf_addf(ret, ", attempt %d", t->attempt);
    if (str_eq(t->state, "queued") || str_eq(t->state, "in_progress")) {
        buf_adds(ret, " has not ended yet");
        return;
    }
    buf_addf(ret, ": %s", t->state);
    if (str_eq(t->state, t->run->conclusion) && t->run->started_at) {
        buf_adds(ret, " after ");
        text_duration(t->run->completed_at - t->run->started_at, ret);
    }
}

void text_percent(struct buf *ret, const char *text)
{
    for (const char *p = text; *p; p++)
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
            strchr("-._~", *p))
            buf_addc(ret, *p);
        else
            buf_addf(ret, "%%%02X", (unsigned char)*p);
}
