/* Pictures of a run by HTTP, the same documents as runs/N/timeline.svg and graph.svg in the mount, and badges
 * of workflows. */
#include "api_internal.h"
#include "runfs/picture.h"

typedef int picture_fn(struct store *st, int64_t run_id, struct buf *ret);

static void reply_svg(struct http_request *r, int code, const struct buf *svg)
{
    if (code == -ENOENT) {
        api_not_found(r);
    } else if (code < 0 || !buf_ok(svg)) {
        api_fail(r, 500, "the picture cannot be drawn");
    } else {
        /* opened as a page of its own it may do nothing but look as it does */
        http_add_header(r, "Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; sandbox");
        http_reply(r, 200, "image/svg+xml", buf_str(svg), svg->len);
    }
}

static void reply_picture(struct http_request *r, picture_fn *picture)
{
    struct server *s = http_data(r);
    _buf_ struct buf svg = BUF_INIT;
    uint64_t id = 0;

    if (parse_u64(http_param(r, "id"), &id) < 0 || id > INT64_MAX) {
        api_not_found(r);
        return;
    }
    reply_svg(r, picture(s->store, (int64_t)id, &svg), &svg);
}

void run_timeline(struct http_request *r)
{
    reply_picture(r, picture_timeline);
}

void run_graph(struct http_request *r)
{
    reply_picture(r, picture_graph);
}

/* The newest run that has ended, of `branch` (else of the default one, where there are branches) and `event`.
 * GitHub documentation, "Adding a workflow status badge". */
void workflow_badge(struct http_request *r)
{
    struct server *s = http_data(r);
    _buf_ struct buf branch = BUF_INIT, svg = BUF_INIT;
    struct repository repo;
    int64_t id = 0;
    const struct workflow_row *w = api_workflow(r, &repo);

    if (!w)
        return;
    buf_adds(&branch, query_text(r, "branch"));
    if (!branch.len && repo.repo_id)
        engine_default_branch(s->engine, &repo, &branch);
    struct run_query q = {.repo_id = repo.repo_id,
                          .workflow_id = w->id,
                          .branch = buf_str(&branch),
                          .event = query_text(r, "event"),
                          .actor = "",
                          .sha = "",
                          .status = "completed",
                          .created_to = INT64_MAX};
    const struct run_row *run =
        store_query_runs(s->store, &q, &id, 1) == 1 ? store_get_run(s->store, id) : NULL;
    http_add_header(r, "Cache-Control", "no-cache");
    reply_svg(r, picture_badge(w->title, run, &svg), &svg);
    run_row_unref(run);
    workflow_row_unref(w);
}
