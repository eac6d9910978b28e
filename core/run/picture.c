/* What the pictures of a run share: its jobs, and SVG. */
#include "picture.h"

#include "runfs/io.h"
#include "runfs/str.h"

/* ------------------------------------------------------------------------------------------------ the run */

void pictured_run_release(struct pictured_run *p)
{
    for (size_t i = 0; i < p->n; i++) {
        job_row_unref(p->jobs[i].row);
        json_decref(p->jobs[i].needs);
    }
    free(p->jobs);
    run_row_unref(p->row);
    *p = (struct pictured_run){0};
}

static int add_job(struct pictured_run *p, const struct job_row *row_take)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        struct pictured *more = reallocarray(p->jobs, cap, sizeof(*more));
        if (!more) {
            job_row_unref(row_take);
            return -ENOMEM;
        }
        p->jobs = more;
        p->cap = cap;
    }
    bool ran = row_take->started_at != 0;
    p->jobs[p->n++] =
        (struct pictured){.row = row_take,
                          .needs = json_loads(row_take->needs, JSON_DECODE_ANY, NULL),
                          .carried = row_take->log_job_id && row_take->log_job_id != row_take->id,
                          .from = row_take->started_at,
                          .to = !ran                     ? 0
                                : row_take->completed_at ? row_take->completed_at
                                                         : p->now};
    return 0;
}

bool pictured_same(const struct pictured *a, const struct pictured *b)
{
    return str_eq(a->row->job_id, b->row->job_id) && str_eq(a->row->caller, b->row->caller);
}

bool pictured_needs(const struct pictured *job, const struct pictured *other)
{
    json_t *id;
    size_t i;

    if (*job->row->caller && str_eq(job->row->caller, other->row->key))
        return json_array_size(job->needs) == 0;
    if (!str_eq(job->row->caller, other->row->caller))
        return false;
    json_array_foreach(job->needs, i, id) if (str_eq(json_string_value(id), other->row->job_id)) return true;
    return false;
}

/* Combinations of a matrix stand together, where the first of them is: the others got their rows later. */
static void bring_together(struct pictured_run *p)
{
    for (size_t i = 1; i < p->n; i++) {
        struct pictured moved = p->jobs[i];
        size_t to = i;
        while (to > 0 && !pictured_same(&p->jobs[to - 1], &moved))
            to--;
        if (to == 0 || to == i)
            continue;
        memmove(&p->jobs[to + 1], &p->jobs[to], (i - to) * sizeof(moved));
        p->jobs[to] = moved;
    }
}

/* Whether it takes part in the attempt's time. */
static bool took_time(const struct pictured *job)
{
    return job->to && !job->carried;
}

/* What at waited for last: a job that it needs, the one that calls it, or, where none of these kept it for
 * long enough to be seen, the one that had the slot. */
static struct pictured *waited_for(struct pictured_run *p, const struct pictured *at, int64_t span)
{
    struct pictured *before = NULL;
    int64_t since = p->row->started_at;

    for (size_t i = 0; i < p->n; i++) {
        struct pictured *job = &p->jobs[i];
        int64_t until = job->to > at->from ? job->from : job->to; /* what calls it goes on */
        if (job != at && took_time(job) && pictured_needs(at, job) && (!before || until > since)) {
            before = job;
            since = until;
        }
    }
    if (at->from - since < span / 100)
        return before;
    for (size_t i = 0; i < p->n; i++) {
        struct pictured *job = &p->jobs[i];
        if (took_time(job) && !*job->row->uses && job->to <= at->from && job->to > since) {
            before = job;
            since = job->to;
        }
    }
    return before;
}

/* Back from the job that ended last, always over the one that was waited for longest. */
static void mark_critical(struct pictured_run *p)
{
    struct pictured *at = NULL;

    for (size_t i = 0; i < p->n; i++)
        if (took_time(&p->jobs[i]) && !*p->jobs[i].row->uses && (!at || p->jobs[i].to > at->to))
            at = &p->jobs[i];
    int64_t span = at ? at->to - p->row->started_at : 0;
    while (at && !at->critical) {
        at->critical = true;
        at = waited_for(p, at, span);
    }
}

int pictured_run_read(struct store *st, int64_t run_id, struct pictured_run *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n;
    int r = 0;

    *ret = (struct pictured_run){.row = store_get_run(st, run_id), .now = now_ns()};
    if (!ret->row)
        return -ENOENT;
    while (r == 0 && (n = store_list_jobs(st, run_id, ret->row->attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; r == 0 && i < n; i++) {
            const struct job_row *row = store_get_job(st, ids[i]);
            r = row ? add_job(ret, row) : 0;
        }
        after = ids[n - 1];
    }
    if (r < 0) {
        pictured_run_release(ret);
        return r;
    }
    bring_together(ret);
    mark_critical(ret);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- SVG */

static const char style[] =
    "<style>"
    "svg{--ink:#1f2328;--faint:#656d76;--line:#d0d7de;--box:#ffffff;--paper:#f6f8fa}"
    "@media(prefers-color-scheme:dark){svg{--ink:#e6edf3;--faint:#8d96a0;--line:#3d444d;--box:#1c2128;--"
    "paper:#0d1117}}"
    "text{font:12px system-ui,sans-serif;fill:var(--ink)}"
    ".faint{fill:var(--faint)}.head{font-weight:600;font-size:14px}"
    ".paper{fill:var(--paper)}.box{fill:var(--box);stroke:var(--line)}"
    ".line{stroke:var(--line);fill:none}.edge{stroke:var(--faint);fill:none}"
    ".success{fill:#2da44e}.failure{fill:#cf222e}.cancelled,.skipped{fill:#8c959f}.interrupted{fill:#bc4c00}"
    ".in_progress{fill:#bf8700}.queued{fill:#b6bec7}"
    ".critical{stroke:#8250df;stroke-width:2;fill:none}"
    "</style>";

void svg_begin(struct buf *b, double width, double height, const char *title)
{
    buf_addf(
        b,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
        "role=\"img\">\n<title>",
        width, height, width, height);
    svg_text(b, title);
    buf_addf(b, "</title>\n%s\n<rect class=\"paper\" width=\"100%%\" height=\"100%%\" rx=\"6\"/>\n", style);
}

void svg_text(struct buf *b, const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            buf_addc(b, ' ');
        else
            buf_add_xml(b, text, 1);
}

void svg_clipped(struct buf *b, const char *text, size_t most)
{
    _buf_ struct buf part = BUF_INIT;
    const char *p = text;
    size_t n = 0;

    for (; *p && n < most; p++)
        n += ((unsigned char)p[1] & 0xc0) != 0x80;
    while (((unsigned char)*p & 0xc0) == 0x80)
        p++;
    buf_add(&part, text, (size_t)(p - text));
    svg_text(b, buf_str(&part));
    if (*p)
        buf_adds(b, "\xe2\x80\xa6");
}

const char *svg_class(const char *status, const char *conclusion)
{
    static const char *const known[] = {"success", "failure", "cancelled", "skipped", "interrupted"};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(conclusion, known[i]))
            return known[i];
    return str_eq(status, "in_progress") ? "in_progress" : str_eq(status, "completed") ? "failure" : "queued";
}

void svg_duration(struct buf *b, int64_t ns)
{
    int64_t ms = ns / 1000000, s = ms / 1000;

    if (ms < 1000)
        buf_addf(b, "%lld ms", (long long)ms);
    else if (s < 60)
        buf_addf(b, "%.1f s", (double)ms / 1000);
    else if (s < 3600)
        buf_addf(b, "%lld m %02lld s", (long long)(s / 60), (long long)(s % 60));
    else
        buf_addf(b, "%lld h %02lld m", (long long)(s / 3600), (long long)(s / 60 % 60));
}
