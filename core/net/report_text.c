/* Texts about runs for others: what comes out of workflows is taken for hostile. */
#include "report_internal.h"
#include "runfs/plain.h"
#include "runfs/str.h"

static void clean(struct telling *t, const char *text, size_t len, bool one_line, struct buf *ret)
{
    if (!t->mask)
        t->mask = plain_mask(t->lane->reporter->store);
    plain_text(t->mask, text, len, one_line, ret);
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
