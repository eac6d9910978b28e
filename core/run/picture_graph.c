/* runs/N/graph.svg: jobs in columns, each right of what it needs. */
#include <math.h>

#include "picture.h"
#include "runfs/str.h"

enum { BOX = 200, BOX_HEIGHT = 46, GAP_X = 64, GAP_Y = 18, MARGIN = 24, TOP = 56, NAME_LETTERS = 24 };

/* A box: a job, or all combinations of a matrix. */
struct box {
    const struct pictured *first;
    size_t n, done, failed;
    int column, row;
    int64_t from, to;
    bool critical, anew; /* anew: one of it ran in this attempt; from and to are of those that did */
};

struct graph {
    const struct pictured_run *run;
    struct box *boxes; /* owned */
    size_t n;
    int columns, rows; /* rows of the highest column */
};

static int make_boxes(struct graph *g)
{
    g->boxes = calloc(g->run->n + 1, sizeof(*g->boxes));
    if (!g->boxes)
        return -ENOMEM;
    for (size_t i = 0; i < g->run->n; i++) {
        const struct pictured *job = &g->run->jobs[i];
        size_t k = 0;
        while (k < g->n && !pictured_same(g->boxes[k].first, job))
            k++;
        struct box *box = &g->boxes[k];
        if (k == g->n)
            g->boxes[g->n++].first = job;
        box->n++;
        box->done += str_eq(job->row->status, "completed");
        box->failed += *job->row->conclusion && !str_eq(job->row->conclusion, "success") &&
                       !str_eq(job->row->conclusion, "skipped");
        box->critical |= job->critical;
        if (job->carried && box->anew)
            continue;
        if (!job->carried && !box->anew) {
            box->anew = true;
            box->from = box->to = 0;
        }
        if (job->from && (!box->from || job->from < box->from))
            box->from = job->from;
        box->to = job->to > box->to ? job->to : box->to;
    }
    return 0;
}

/* As many columns to the right as the longest way to it; `needs` has no cycles, and what calls comes before.
 */
static void lay_out(struct graph *g)
{
    bool moved = true;

    for (size_t rounds = 0; moved && rounds <= g->n; rounds++) {
        moved = false;
        for (size_t i = 0; i < g->n; i++)
            for (size_t k = 0; k < g->n; k++)
                if (pictured_needs(g->boxes[i].first, g->boxes[k].first) &&
                    g->boxes[i].column <= g->boxes[k].column) {
                    g->boxes[i].column = g->boxes[k].column + 1;
                    moved = true;
                }
    }
    for (size_t i = 0; i < g->n; i++) {
        for (size_t k = 0; k < i; k++)
            g->boxes[i].row += g->boxes[k].column == g->boxes[i].column;
        if (g->boxes[i].column >= g->columns)
            g->columns = g->boxes[i].column + 1;
        if (g->boxes[i].row >= g->rows)
            g->rows = g->boxes[i].row + 1;
    }
}

static double x_of(const struct box *box)
{
    return MARGIN + box->column * (BOX + GAP_X);
}

static double y_of(const struct box *box)
{
    return TOP + box->row * (BOX_HEIGHT + GAP_Y);
}

static void draw_edge(struct buf *b, const struct box *from, const struct box *to)
{
    double x = x_of(from) + BOX, y = y_of(from) + BOX_HEIGHT / 2.0, x2 = x_of(to),
           y2 = y_of(to) + BOX_HEIGHT / 2.0;
    bool critical = from->critical && to->critical;

    buf_addf(b, "<path class=\"%s\" d=\"M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f\"/>\n",
             critical ? "critical" : "edge", x, y, x + GAP_X / 2.0, y, x2 - GAP_X / 2.0, y2, x2 - 1, y2);
}

static const char *box_class(const struct box *box)
{
    const struct job_row *row = box->first->row;

    if (box->n == 1)
        return svg_class(row->status, row->conclusion);
    return box->failed ? "failure" : box->done == box->n ? "success" : box->from ? "in_progress" : "queued";
}

static void draw_box(struct buf *b, const struct box *box)
{
    const struct job_row *row = box->first->row;
    double x = x_of(box), y = y_of(box);

    /* by its id, whoever shows the picture finds the job */
    buf_addf(b, "<g id=\"job-%lld\"><title>", (long long)row->id);
    svg_text(b, row->name);
    buf_addf(b, "</title><rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"6\"/>", x,
             y, BOX, BOX_HEIGHT);
    if (box->critical)
        buf_addf(b, "<rect class=\"critical\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"6\"/>", x,
                 y, BOX, BOX_HEIGHT);
    buf_addf(b, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/><text x=\"%.1f\" y=\"%.1f\">",
             box_class(box), x + 18, y + BOX_HEIGHT / 2.0, x + 34, y + 20);
    svg_clipped(b, box->n > 1 ? row->job_id : row->name, NAME_LETTERS);
    buf_addf(b, "</text><text class=\"faint\" x=\"%.1f\" y=\"%.1f\">", x + 34, y + 37);
    if (box->n > 1)
        buf_addf(b, "%zu of %zu, %zu failed", box->done, box->n, box->failed);
    else
        buf_adds(b, *row->conclusion ? row->conclusion : row->status);
    if (box->to > box->from && box->from) {
        buf_adds(b, ", ");
        svg_duration(b, box->to - box->from);
    }
    buf_adds(b, "</text></g>\n");
}

int picture_graph(struct store *st, int64_t run_id, struct buf *ret)
{
    _cleanup_(pictured_run_release) struct pictured_run run = {0};
    struct graph g = {.run = &run};
    int r = pictured_run_read(st, run_id, &run);

    if (r < 0)
        return r;
    r = make_boxes(&g);
    if (r < 0)
        return r;
    lay_out(&g);
    double width = MARGIN * 2 + g.columns * (BOX + GAP_X) - GAP_X,
           height = TOP + g.rows * (BOX_HEIGHT + GAP_Y) + 8;
    svg_begin(ret, fmax(width, 420), height, run.row->title);
    buf_addf(ret, "<text class=\"head\" x=\"%d\" y=\"26\">", MARGIN);
    svg_clipped(ret, run.row->title, 50);
    buf_addf(ret, "</text><text class=\"faint\" x=\"%d\" y=\"44\">run %lld: %s</text>\n", MARGIN,
             (long long)run.row->id, *run.row->conclusion ? run.row->conclusion : run.row->status);
    for (size_t i = 0; i < g.n; i++)
        for (size_t k = 0; k < g.n; k++)
            if (pictured_needs(g.boxes[i].first, g.boxes[k].first))
                draw_edge(ret, &g.boxes[k], &g.boxes[i]);
    for (size_t i = 0; i < g.n; i++)
        draw_box(ret, &g.boxes[i]);
    buf_adds(ret, "</svg>\n");
    free(g.boxes);
    return buf_ok(ret) ? 0 : -ENOMEM;
}
