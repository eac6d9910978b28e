/* runs/N/timeline.svg: a row for each job, its steps along the time, those that ran at once one below the
 * other. */
#include <math.h>

#include "picture.h"
#include "runfs/str.h"

enum {
    NAMES = 220,
    PLOT = 680,
    RIGHT = 110,
    TOP = 64,
    ROW = 26,
    BAR = 14,
    BOTTOM = 36,
    NAME_LETTERS = 32,
    STEPS_MAX = 4000,
    LANES = 4, /* so many at once are told apart */
};

struct timeline {
    struct store *st;
    struct buf *out;
    int64_t from, span; /* what the width of the plot stands for */
    size_t steps; /* that were drawn: at most STEPS_MAX, so that a run of thousands is still a picture */
};

static double x_of(const struct timeline *t, int64_t at)
{
    return NAMES + (double)(at - t->from) / (double)t->span * PLOT;
}

/* About eight lines, at round distances. */
static void axis(const struct timeline *t, double bottom)
{
    double seconds = (double)t->span / 1e9, step = pow(10, floor(log10(seconds / 8)));

    while (seconds / step > 12)
        step *= step * 2 > seconds / 12 || fmod(log10(step), 1) == 0 ? 2 : 2.5;
    for (int i = 0; i * step <= seconds; i++) {
        double x = NAMES + i * step / seconds * PLOT;
        buf_addf(t->out,
                 "<path class=\"line\" d=\"M%.1f %d V%.1f\"/><text class=\"faint\" x=\"%.1f\" y=\"%.1f\" "
                 "text-anchor=\"middle\">",
                 x, TOP - 6, bottom, x, bottom + 18);
        svg_duration(t->out, (int64_t)(i * step * 1e9));
        buf_adds(t->out, "</text>\n");
    }
}

static void bar(const struct timeline *t, double y, double height, int64_t from, int64_t to,
                const char *class, const char *what)
{
    double x = x_of(t, from), width = x_of(t, to) - x;

    buf_addf(t->out,
             "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\"><title>",
             class, x, y, width < 1 ? 1 : width, height);
    svg_text(t->out, what);
    buf_adds(t->out, ": ");
    svg_duration(t->out, to - from);
    buf_adds(t->out, "</title></rect>\n");
}

static int64_t end_of(const struct pictured_run *run, const struct step_row *step)
{
    return step->completed_at ? step->completed_at : run->now;
}

static int by_start(const void *a, const void *b)
{
    const struct step_row *x = *(const struct step_row *const *)a, *y = *(const struct step_row *const *)b;

    return x->started_at != y->started_at ? (x->started_at < y->started_at ? -1 : 1)
                                          : (x->number > y->number) - (x->number < y->number);
}

/* Steps in the order in which they began; each takes the first lane that is free by then. */
static void draw_steps(const struct timeline *t, const struct pictured_run *run,
                       const struct step_row **steps, size_t n, double y)
{
    _free_ unsigned char *lane = malloc(n + 1);
    int64_t until[LANES] = {0};
    unsigned used = 1;

    qsort(steps, n, sizeof(*steps), by_start);
    for (size_t i = 0; lane && i < n; i++) {
        for (lane[i] = 0; lane[i] < LANES - 1 && until[lane[i]] > steps[i]->started_at;)
            lane[i]++;
        until[lane[i]] = end_of(run, steps[i]);
        used = lane[i] + 1u > used ? lane[i] + 1u : used;
    }
    double height = (double)BAR / used;
    for (size_t i = 0; lane && i < n; i++)
        bar(t, y + lane[i] * height, height, steps[i]->started_at, end_of(run, steps[i]),
            svg_class(steps[i]->status, steps[i]->conclusion), steps[i]->name);
}

static void step_bars(struct timeline *t, const struct pictured_run *run, const struct pictured *job,
                      double y)
{
    int64_t ids[64], after = 0, id = job->row->log_job_id ? job->row->log_job_id : job->row->id;
    const struct step_row **steps = NULL, **more;
    size_t taken = 0;
    ssize_t n;

    while (t->steps < STEPS_MAX && (n = store_list_steps(t->st, id, after, ids, ARRAY_LEN(ids))) > 0 &&
           (more = reallocarray(steps, taken + (size_t)n, sizeof(*more)))) {
        steps = more;
        for (ssize_t i = 0; i < n; i++) {
            const struct step_row *step = store_get_step(t->st, ids[i]);
            if (step && step->started_at && !str_eq(step->conclusion, "skipped"))
                steps[taken++] = step;
            else
                step_row_unref(step);
        }
        t->steps += (size_t)n;
        after = ids[n - 1];
    }
    if (taken)
        draw_steps(t, run, steps, taken, y);
    while (taken)
        step_row_unref(steps[--taken]);
    free(steps);
}

static void job_row(struct timeline *t, const struct pictured_run *run, const struct pictured *job, double y)
{
    const struct job_row *row = job->row;
    const char *class = svg_class(row->status, row->conclusion);
    double middle = y + BAR - 3;

    buf_addf(t->out, "<circle class=\"%s\" cx=\"16\" cy=\"%.1f\" r=\"4\"/><text x=\"28\" y=\"%.1f\">", class,
             y + BAR / 2.0, middle);
    svg_clipped(t->out, row->name, NAME_LETTERS - 4);
    buf_adds(t->out, "</text>\n");
    if (!job->from) {
        buf_addf(t->out, "<text class=\"faint\" x=\"%d\" y=\"%.1f\">%s</text>\n", NAMES + 4, middle,
                 *row->conclusion ? row->conclusion : row->status);
        return;
    }
    if (job->carried) {
        buf_addf(t->out, "<text class=\"faint\" x=\"%d\" y=\"%.1f\">", NAMES + 4, middle);
        svg_duration(t->out, job->to - job->from);
        buf_adds(t->out, ", in an attempt before</text>\n");
        return;
    }
    if (row->created_at && row->created_at < job->from && row->created_at >= t->from)
        buf_addf(t->out, "<path class=\"line\" stroke-dasharray=\"2 3\" d=\"M%.1f %.1f H%.1f\"/>\n",
                 x_of(t, row->created_at), y + BAR / 2.0, x_of(t, job->from));
    bar(t, y, BAR, job->from, job->to, *row->uses ? class : "queued", row->name);
    step_bars(t, run, job, y);
    if (job->critical)
        buf_addf(t->out,
                 "<rect class=\"critical\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"3\"/>\n",
                 x_of(t, job->from) - 2, y - 2, fmax(x_of(t, job->to) - x_of(t, job->from), 1) + 4, BAR + 4);
    buf_addf(t->out, "<text class=\"faint\" x=\"%.1f\" y=\"%.1f\">", x_of(t, job->to) + 8, middle);
    svg_duration(t->out, job->to - job->from);
    buf_adds(t->out, "</text>\n");
}

static void heading(const struct timeline *t, const struct run_row *row, int64_t took)
{
    buf_addf(t->out, "<text class=\"head\" x=\"16\" y=\"26\">");
    svg_clipped(t->out, row->title, 70);
    buf_addf(t->out, "</text><text class=\"faint\" x=\"16\" y=\"46\">run %lld, ", (long long)row->id);
    svg_clipped(t->out, row->name, 60);
    buf_addf(t->out, ": %s", *row->conclusion ? row->conclusion : row->status);
    if (took) {
        buf_adds(t->out, " after ");
        svg_duration(t->out, took);
        buf_adds(t->out, "; framed: what its duration is due to");
    }
    buf_adds(t->out, "</text>\n");
}

int picture_timeline(struct store *st, int64_t run_id, struct buf *ret)
{
    _cleanup_(pictured_run_release) struct pictured_run run = {0};
    struct timeline t = {.st = st, .out = ret};
    int r = pictured_run_read(st, run_id, &run);
    int64_t to = 0;

    if (r < 0)
        return r;
    for (size_t i = 0; i < run.n; i++) {
        if (run.jobs[i].carried)
            continue;
        if (run.jobs[i].from && (!t.from || run.jobs[i].from < t.from))
            t.from = run.jobs[i].from;
        if (run.jobs[i].to > to)
            to = run.jobs[i].to;
    }
    if (run.row->started_at && (!t.from || run.row->started_at < t.from))
        t.from = run.row->started_at;
    t.span = to > t.from ? to - t.from : 1000000;
    double bottom = TOP + (double)run.n * ROW;
    svg_begin(ret, NAMES + PLOT + RIGHT, bottom + BOTTOM, run.row->title);
    heading(&t, run.row, to > t.from ? to - t.from : 0);
    axis(&t, bottom);
    for (size_t i = 0; i < run.n; i++)
        job_row(&t, &run, &run.jobs[i], TOP + (double)i * ROW + (ROW - BAR) / 2.0);
    buf_adds(ret, "</svg>\n");
    return buf_ok(ret) ? 0 : -ENOMEM;
}
