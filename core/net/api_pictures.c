/* Pictures of a run by HTTP: the same documents as runs/N/timeline.svg and graph.svg in the mount. */
#include "api_internal.h"
#include "runfs/picture.h"

typedef int picture_fn(struct store *st, int64_t run_id, struct buf *ret);

static void reply_picture(struct http_request *r, picture_fn *picture)
{
    struct server *s = http_data(r);
    _buf_ struct buf svg = BUF_INIT;
    uint64_t id = 0;

    if (parse_u64(http_param(r, "id"), &id) < 0 || id > INT64_MAX) {
        api_not_found(r);
        return;
    }
    int code = picture(s->store, (int64_t)id, &svg);
    if (code == -ENOENT) {
        api_not_found(r);
    } else if (code < 0 || !buf_ok(&svg)) {
        api_fail(r, 500, "the picture cannot be drawn");
    } else {
        /* opened as a page of its own it may do nothing but look as it does */
        http_add_header(r, "Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; sandbox");
        http_reply(r, 200, "image/svg+xml", buf_str(&svg), svg.len);
    }
}

void run_timeline(struct http_request *r)
{
    reply_picture(r, picture_timeline);
}

void run_graph(struct http_request *r)
{
    reply_picture(r, picture_graph);
}
