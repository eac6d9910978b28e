/*
 * The log of a job as it grows, in events for the live page: {"step", "next", "text"}, where `next` is how
 * far the step's log is told then. Who is far behind is told of the end only, and how many lines were passed
 * over: {"step", "next", "lines"}.
 */
#include "live_internal.h"

enum {
    BATCH = 256 * 1024, /* of text, in one go */
    CHUNK = 32 * 1024,
    BEHIND_MAX = 16 * 1024 * 1024, /* more than that, and a page is told the last */
    TOLD_OF_IT = 4 * 1024 * 1024,
};

/* As a string of JSON, whatever bytes they are. */
static void add_json_text(struct buf *ret, const char *text, size_t len)
{
    buf_addc(ret, '"');
    for (size_t at = 0; at < len;) {
        size_t valid = at + utf8_valid_prefix(text + at, len - at);
        size_t from = at;
        for (; at < valid; at++) {
            unsigned char c = (unsigned char)text[at];
            if (c >= ' ' && c != '"' && c != '\\')
                continue;
            buf_add(ret, text + from, at - from);
            from = at + 1;
            if (c == '\n')
                buf_adds(ret, "\\n");
            else if (c >= ' ')
                buf_add(ret, (char[]){'\\', (char)c}, 2);
            else
                buf_addf(ret, "\\u%04x", c);
        }
        buf_add(ret, text + from, at - from);
        if (at < len) {
            buf_adds(ret, "\xef\xbf\xbd"); /* U+FFFD */
            at++;
        }
    }
    buf_addc(ret, '"');
}

/* How much of it can be told now: all but a character whose end is still to come. */
static size_t whole_characters(const char *text, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = (unsigned char)text[len - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return need > back ? len - back : len;
    }
    return len;
}

/* -------------------------------------------------------------------------------------------------- a step
 */

/* Goes to the beginning of a line near the end, and says how many were passed over. */
static int pass_over(struct live_tail *t, int64_t size, char *chunk, struct buf *ret)
{
    int64_t target = size - TOLD_OF_IT, at = t->at;
    long long lines = 0;

    while (at < size) {
        ssize_t n = log_view_read(t->view, chunk, CHUNK, at);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        const char *from = chunk, *end = chunk + n, *newline;
        while ((newline = memchr(from, '\n', (size_t)(end - from)))) {
            lines++;
            from = newline + 1;
            if (at + (from - chunk) < target)
                continue;
            t->at = at + (from - chunk);
            buf_addf(ret, "event: passed\ndata: {\"step\":%lld,\"next\":%lld,\"lines\":%lld}\n\n",
                     (long long)t->step_id, (long long)t->at, lines);
            return 0;
        }
        at += n;
    }
    return 0; /* one line as long as that: it is told */
}

/* 1: there is more at once. */
static int tail_more(struct live_tail *t, bool complete, char *chunk, struct buf *ret)
{
    int64_t size = log_view_size(t->view);
    int code = size - t->at > BEHIND_MAX ? pass_over(t, size, chunk, ret) : 0;

    while (code == 0 && t->at < size && ret->len < BATCH) {
        ssize_t n = log_view_read(t->view, chunk, CHUNK, t->at);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        bool last = t->at + n >= size;
        size_t whole = last && complete ? (size_t)n : whole_characters(chunk, (size_t)n);
        if (whole == 0)
            return 0;
        t->at += (int64_t)whole;
        buf_addf(ret, "event: log\ndata: {\"step\":%lld,\"next\":%lld,\"text\":", (long long)t->step_id,
                 (long long)t->at);
        add_json_text(ret, chunk, whole);
        buf_adds(ret, "}\n\n");
        if (last)
            break;
    }
    if (code == 0 && complete && t->at >= size) {
        log_view_close(t->view);
        t->view = NULL;
        t->done = true;
    }
    return code < 0 ? code : t->at < size && ret->len >= BATCH;
}

/* --------------------------------------------------------------------------------------------------- a job
 */

/* How much of a step the page says that it has. */
static int64_t has_already(const char *from, int64_t step_id)
{
    while (from && *from) {
        char *end;
        long long id = strtoll(from, &end, 10);
        long long at = *end == '.' ? strtoll(end + 1, &end, 10) : 0;
        if (id == step_id && at > 0)
            return at;
        from = strchr(end, ',');
        from = from ? from + 1 : NULL;
    }
    return 0;
}

static struct live_tail *tail_of(struct live_log *l, int64_t step_id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->tails[i].step_id == step_id)
            return &l->tails[i];
    struct live_tail *more = reallocarray(l->tails, l->n + 1, sizeof(*more));
    if (!more)
        return NULL;
    l->tails = more;
    more[l->n] = (struct live_tail){.step_id = step_id, .at = has_already(l->from, step_id)};
    return &more[l->n++];
}

struct pumping {
    struct live_log *log;
    struct buf *ret;
    char *chunk;
    bool more;
};

/* Whether the step has ended is known before its log is looked at: then all of it is there. */
static int pump_step(void *data, int number, const struct step_row *step)
{
    struct pumping *p = data;
    bool complete = str_eq(step->status, "completed");
    struct live_tail *t = tail_of(p->log, step->id);
    struct log_select select = {.run_id = step->run_id, .step_id = step->id, .streams = LOG_OF_STEP};

    (void)number;
    if (!t)
        return -ENOMEM;
    if (t->done || step->started_at == 0)
        return 0;
    if (p->ret->len >= BATCH) {
        p->more = true;
        return 0;
    }
    if (!t->view) {
        int code = log_view_open(p->log->store, &select, &t->view, NULL);
        if (code < 0)
            return code;
        if (t->at > log_view_size(t->view))
            t->at = 0; /* it never was */
    }
    int more = tail_more(t, complete, p->chunk, p->ret);
    p->more |= more > 0;
    return more < 0 ? more : 0;
}

int live_log_more(struct live_log *l, struct buf *ret)
{
    _free_ char *chunk = malloc(CHUNK);
    struct pumping p = {.log = l, .ret = ret, .chunk = chunk};
    const struct job_row *job = store_get_job(l->store, l->job_id);

    if (!job)
        return 0; /* it has been deleted */
    int code = !chunk ? -ENOMEM : job->run_id != l->run_id ? 0 : api_each_step(l->store, job, pump_step, &p);
    job_row_unref(job);
    return code < 0 ? code : p.more;
}

void live_log_release(struct live_log *l)
{
    for (size_t i = 0; i < l->n; i++)
        log_view_close(l->tails[i].view);
    free(l->tails);
    free(l->from);
}
