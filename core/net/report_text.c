/* Texts about runs for others: what comes out of workflows is taken for hostile. */
#include "core/run/mask.h"
#include "report_internal.h"
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

void text_clean(struct telling *t, const char *text, size_t max, struct buf *ret)
{
    _buf_ struct buf masked = BUF_INIT, line = BUF_INIT;

    if (!t->mask && load_secrets(t) < 0) { /* rather nothing than a secret */
        buf_adds(ret, "***");
        return;
    }
    mask_apply(t->mask, text, strlen(text), &masked);
    for (const char *p = buf_str(&masked); *p; p++) {
        size_t skip = unseen(p);
        if (skip)
            p += skip - 1;
        else
            buf_addc(&line, (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p);
    }
    if (line.len > max) {
        size_t len = utf8_valid_prefix(buf_str(&line), max > 3 ? max - 3 : 0);
        buf_add(ret, buf_str(&line), len);
        buf_adds(ret, "...");
    } else {
        buf_add(ret, buf_str(&line), utf8_valid_prefix(buf_str(&line), line.len));
    }
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
