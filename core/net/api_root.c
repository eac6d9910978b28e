/* GitHub's REST API: what a client asks first, to see who it is and whom it speaks to. */
#include "api_internal.h"
#include "runfs/io.h"

/* gh looks for scopes of classic tokens, and complains about those that it misses. */
void api_root(struct http_request *r)
{
    http_add_header(r, "X-OAuth-Scopes", "repo, read:org, workflow");
    http_reply_json(r, 200, json_pack("{s:s, s:s}", "name", "runfs", "version", RUNFS_VERSION));
}

void api_meta(struct http_request *r)
{
    /* a version of GitHub Enterprise Server whose API is the one that is served */
    http_reply_json(
        r, 200,
        json_pack("{s:b, s:s}", "verifiable_password_authentication", 0, "installed_version", "3.12.0"));
}

void api_versions(struct http_request *r)
{
    http_reply_json(r, 200, json_pack("[s]", "2022-11-28"));
}

/* Of what a run has none. */
void api_none(struct http_request *r)
{
    const struct run_row *run = api_run(r);

    if (run)
        http_reply_json(r, 200, json_array());
    run_row_unref(run);
}

/* Of GitHub's limits there are none: what a client asks of before it slows itself down. */
void api_rate_limit(struct http_request *r)
{
    int64_t reset = now_ns() / 1000000000 + 3600;
    json_t *core = json_pack("{s:i, s:i, s:i, s:I}", "limit", 15000, "used", 0, "remaining", 15000, "reset",
                             (json_int_t)reset);

    http_reply_json(r, 200, json_pack("{s:{s:O}, s:o}", "resources", "core", core, "rate", core));
}

void api_user(struct http_request *r)
{
    _buf_ struct buf who = BUF_INIT;

    access_login(r, &who);
    http_add_header(r, "X-OAuth-Scopes", "repo, read:org, workflow");
    http_reply_json(r, 200, api_user_json(r, buf_str(&who)));
}

void metrics(struct http_request *r)
{
    struct server *s = http_data(r);
    _buf_ struct buf text = BUF_INIT;

    engine_metrics(s->engine, &text);
    http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&text), text.len);
}

void health(struct http_request *r)
{
    struct server *s = http_data(r);
    struct engine_status status;

    engine_status(s->engine, &status);
    http_reply_json(r, 200,
                    json_pack("{s:s, s:s, s:i, s:i}", "status", "ok", "version", RUNFS_VERSION, "active_runs",
                              status.active_runs, "queued_jobs", status.queued_jobs));
}
