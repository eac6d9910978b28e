/* GitHub's REST API: what a client asks first, to see who it is and whom it speaks to. */
#include "api_internal.h"
#include "runfs/io.h"

/* gh looks for scopes of classic tokens, and complains about those that it misses. What leads nowhere here is
 * left out, but where GitHub's schema has it. */
void api_root(struct http_request *r)
{
    static const struct {
        const char *name, *path;
    } urls[] = {
        {"current_user", "/user"},
        {"authorizations", "/authorizations"},
        {"code_search", "/search/code?q={query}{&page,per_page,sort,order}"},
        {"commit_search", "/search/commits?q={query}{&page,per_page,sort,order}"},
        {"current_user_repositories", "/user/repos{?type,page,per_page,sort}"},
        {"emails", "/user/emails"},
        {"emojis", "/emojis"},
        {"events", "/events"},
        {"feeds", "/feeds"},
        {"followers", "/user/followers"},
        {"following", "/user/following{/target}"},
        {"gists", "/gists{/gist_id}"},
        {"issue_search", "/search/issues?q={query}{&page,per_page,sort,order}"},
        {"issues", "/issues"},
        {"keys", "/user/keys"},
        {"label_search", "/search/labels?q={query}&repository_id={repository_id}{&page,per_page}"},
        {"notifications", "/notifications"},
        {"organization", "/orgs/{org}"},
        {"organization_repositories", "/orgs/{org}/repos{?type,page,per_page,sort}"},
        {"organization_teams", "/orgs/{org}/teams"},
        {"public_gists", "/gists/public"},
        {"rate_limit", "/rate_limit"},
        {"repository", "/repos/{owner}/{repo}"},
        {"repository_search", "/search/repositories?q={query}{&page,per_page,sort,order}"},
        {"starred", "/user/starred{/owner}{/repo}"},
        {"starred_gists", "/gists/starred"},
        {"user", "/users/{user}"},
        {"user_organizations", "/user/orgs"},
        {"user_repositories", "/users/{user}/repos{?type,page,per_page,sort}"},
        {"user_search", "/search/users?q={query}{&page,per_page,sort,order}"},
    };
    json_t *json = json_pack("{s:s, s:s, s:o}", "name", "runfs", "version", RUNFS_VERSION,
                             "current_user_authorizations_html_url",
                             api_link_to(r, true, "/settings/connections/applications{/client_id}"));
    char key[64];

    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        snprintf(key, sizeof(key), "%s_url", urls[i].name);
        json_object_set_new(json, key, api_link_to(r, false, "%s", urls[i].path));
    }
    http_add_header(r, "X-OAuth-Scopes", "repo, read:org, workflow");
    http_reply_json(r, 200, json);
}

void api_meta(struct http_request *r)
{
    /* a version of GitHub Enterprise Server whose API is the one that is served */
    http_reply_json(
        r, 200,
        json_pack("{s:b, s:s}", "verifiable_password_authentication", 0, "installed_version", "3.12.0"));
}

/* Of what a run has none. */
void api_none(struct http_request *r)
{
    const struct run_row *run = api_run(r);

    if (run)
        http_reply_json(r, 200, json_array());
    run_row_unref(run);
}

/* Nobody waits to be let in: what the event's filters take runs. */
void api_approve(struct http_request *r)
{
    const struct run_row *run = api_run(r);

    if (run)
        api_fail(r, 403, "This run is not waiting for approval: none ever does here");
    run_row_unref(run);
}

void api_review_deployments(struct http_request *r)
{
    const struct run_row *run = api_run(r);

    if (run)
        api_fail(r, 422, "No pending deployment requests to approve or reject: no environment is protected");
    run_row_unref(run);
}

void api_zen(struct http_request *r)
{
    static const char text[] = "Everything is a file.";

    http_reply(r, 200, "text/plain; charset=utf-8", text, strlen(text));
}

/* Of GitHub's limits there are none: what a client asks of before it slows itself down. */
void api_rate_limit(struct http_request *r)
{
    int64_t reset = now_ns() / 1000000000 + 3600;
    json_t *core = json_pack("{s:i, s:i, s:i, s:I, s:s}", "limit", RATE_LIMIT, "used", 0, "remaining",
                             RATE_LIMIT, "reset", (json_int_t)reset, "resource", "core");

    json_t *json =
        json_pack("{s:{s:O, s:O, s:O}}", "resources", "core", core, "search", core, "graphql", core);
    if (!api_version_is_since(r, API_VERSION_2026))
        json_object_set(json, "rate", core);
    json_decref(core);
    http_reply_json(r, 200, json);
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
