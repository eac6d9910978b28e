/* GitHub's REST API: replies, pages, addresses, and what the segments of a path name. */
#include <stdarg.h>
#include <time.h>

#include "api_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"

enum { PER_PAGE_MAX = 100 };

/* ------------------------------------------------------------------------------------------------ replies */

void api_fail(struct http_request *r, unsigned status, const char *message)
{
    http_fail(r, status, message);
}

void api_not_found(struct http_request *r)
{
    api_fail(r, 404, "Not Found");
}

void api_fail_err(struct http_request *r, const struct err *err, unsigned status_busy)
{
    switch (err->code) {
    case -ENOENT:
        api_not_found(r);
        return;
    case -EPERM:
        api_fail(r, 403, err->msg);
        return;
    case -EINVAL:
    case -EBUSY:
        api_fail(r, status_busy ? status_busy : 422, err->msg);
        return;
    case -EFBIG:
        api_fail(r, 422, err->msg);
        return;
    default:
        log_error("http", "%s: %s", http_path(r), err->msg);
        api_fail(r, err->code == -ENOSPC ? 507 : 500, err->msg);
    }
}

void api_no_content(struct http_request *r)
{
    http_reply(r, 204, "application/json", "", 0);
}

/* -------------------------------------------------------------------------------------------- addresses */

/* gh speaks TLS to an enterprise's host, but for a unix socket, and refuses other addresses from it. In front
 * of TCP may be a proxy that does. */
static bool speaks_tls(struct http_request *r)
{
    const char *said = http_header(r, "X-Forwarded-Proto");

    if (http_over_tls(r))
        return true;
    return http_peer(r).is_unix ? http_prefixed(r) : said && str_eq_ascii_nocase(said, "https");
}

static void add_host(struct http_request *r, struct buf *ret)
{
    const char *host = http_header(r, "Host");
    bool good = !str_empty(host) && strlen(host) < 256;

    for (const char *p = host; good && *p; p++)
        good = strchr(".-:[]", *p) || (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z');
    buf_addf(ret, "%s://%s", speaks_tls(r) ? "https" : "http", good ? host : "localhost");
}

void api_base(struct http_request *r, struct buf *ret)
{
    add_host(r, ret);
    buf_adds(ret, http_prefixed(r) ? "/api/v3" : "");
}

json_t *api_url(struct http_request *r, const char *fmt, ...)
{
    _buf_ struct buf url = BUF_INIT;
    va_list ap;

    api_base(r, &url);
    if (http_param(r, "owner"))
        buf_addf(&url, "/repos/%s/%s", http_param(r, "owner"), http_param(r, "repo"));
    va_start(ap, fmt);
    buf_addv(&url, fmt, ap);
    va_end(ap);
    return json_string(buf_str(&url));
}

void api_web_base(struct http_request *r, struct buf *ret)
{
    const char *host = http_header(r, "Host");

    /* gh names a host that is none, by a socket or with this server for its proxy: no browser finds that */
    bool by_gh = http_peer(r).is_unix || (host && str_eq_ascii_nocase(host, "api.github.localhost"));
    if (!by_gh || !server_browse(http_data(r), ret))
        add_host(r, ret);
}

json_t *api_web_url(struct http_request *r, const char *fmt, ...)
{
    _buf_ struct buf url = BUF_INIT;
    va_list ap;

    api_web_base(r, &url);
    if (http_param(r, "owner"))
        buf_addf(&url, "/%s/%s", http_param(r, "owner"), http_param(r, "repo"));
    va_start(ap, fmt);
    buf_addv(&url, fmt, ap);
    va_end(ap);
    return json_string(buf_str(&url));
}

/* RFC 3986, 2.3: but what is unreserved, or one of `also`, is percent-encoded. */
static void add_encoded(struct buf *b, const char *text, const char *also)
{
    for (const char *p = text; *p; p++)
        if (strchr("-._~", *p) || strchr(also, *p) || (*p >= '0' && *p <= '9') ||
            ((*p | 32) >= 'a' && (*p | 32) <= 'z'))
            buf_addc(b, *p);
        else
            buf_addf(b, "%%%02X", (unsigned char)*p);
}

json_t *api_contents_url(struct http_request *r, const char *path, const char *ref)
{
    _buf_ struct buf file = BUF_INIT;

    add_encoded(&file, path, "/");
    if (*ref) {
        buf_adds(&file, "?ref=");
        add_encoded(&file, ref, "/");
    }
    return api_url(r, "/contents/%s", buf_str(&file));
}

json_t *api_web_file(struct http_request *r, const char *ref, const char *path)
{
    _buf_ struct buf file = BUF_INIT;

    add_encoded(&file, path, "/");
    return api_web_url(r, "/blob/%s/%s", ref, buf_str(&file));
}

/* In whole seconds, as GitHub has them: some clients read nothing else. */
json_t *api_time(int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000LL);
    struct tm tm;
    char text[32];

    if (wall_ns == 0 || !gmtime_r(&seconds, &tm) ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return json_null();
    return json_string(text);
}

/* -------------------------------------------------------------------------------------------------- body */

json_t *api_body(struct http_request *r)
{
    const struct buf *body = http_body(r);
    json_t *json = NULL;

    if (body->len == 0)
        return json_object();
    json = json_loadb(buf_str(body), body->len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    api_fail(r, 400, "Problems parsing JSON");
    return NULL;
}

const char *api_text(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));

    return text ? text : "";
}

bool api_wants(struct http_request *r, const char *word)
{
    const char *at = http_header(r, "Accept");
    size_t len = strlen(word);

    http_add_header(r, "Vary", "Accept");
    while (at && (at = strstr(at, "application/vnd.github"))) {
        const char *end = at + strcspn(at, ",; ");
        for (at = strchr(at, '.'); at && at < end; at = strchr(at + 1, '.'))
            if (strncmp(at + 1, word, len) == 0 && (at + 1 + len == end || strchr(".+", at[1 + len])))
                return true;
        at = end;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------- pages */

/* What the value begins with, as GitHub reads it: PyGithub puts a second '?' behind it on its way back from
 * the last page. */
static int64_t number(struct http_request *r, const char *name, int64_t fallback)
{
    const char *text = http_query(r, name);
    int64_t n = 0;

    for (; text && *text >= '0' && *text <= '9' && n <= 1000000; text++)
        n = n * 10 + (*text - '0');
    return n >= 1 && n <= 1000000 ? n : fallback;
}

struct api_page api_page(struct http_request *r, int64_t fallback)
{
    struct api_page p = {number(r, "per_page", fallback), number(r, "page", 1)};

    if (p.per_page > PER_PAGE_MAX)
        p.per_page = PER_PAGE_MAX;
    return p;
}

static void add_query(void *data, const char *name, const char *value)
{
    struct buf *b = data;

    if (str_eq(name, "page"))
        return;
    add_encoded(b, name, "");
    buf_addc(b, '=');
    add_encoded(b, value, "");
    buf_addc(b, '&');
}

static void add_link(struct http_request *r, struct buf *link, int64_t page, const char *rel)
{
    buf_adds(link, link->len ? ", <" : "<");
    api_base(r, link);
    add_encoded(link, http_path(r), "/:@");
    buf_addc(link, '?');
    http_each_query(r, add_query, link);
    buf_addf(link, "page=%lld>; rel=\"%s\"", (long long)page, rel);
}

void api_link(struct http_request *r, struct api_page page, int64_t total)
{
    _buf_ struct buf link = BUF_INIT;

    int64_t last = total > 0 ? (total - 1) / page.per_page + 1 : 1;

    if (page.page > 1) {
        add_link(r, &link, page.page - 1 < last ? page.page - 1 : last, "prev");
        add_link(r, &link, 1, "first");
    }
    if (page.page < last) {
        add_link(r, &link, page.page + 1, "next");
        add_link(r, &link, last, "last");
    }
    if (link.len && buf_ok(&link))
        http_add_header(r, "Link", buf_str(&link));
}

void api_link_more(struct http_request *r, struct api_page page, bool more)
{
    _buf_ struct buf link = BUF_INIT;

    if (page.page > 1) {
        add_link(r, &link, page.page - 1, "prev");
        add_link(r, &link, 1, "first");
    }
    if (more)
        add_link(r, &link, page.page + 1, "next");
    if (link.len && buf_ok(&link))
        http_add_header(r, "Link", buf_str(&link));
}

/* ----------------------------------------------------------------------------------------------- objects */

bool api_repository(struct http_request *r, struct repository *ret)
{
    struct server *s = http_data(r);
    _buf_ struct buf name = BUF_INIT;

    buf_addf(&name, "%s/%s", http_param(r, "owner"), http_param(r, "repo"));
    if (engine_find_repository(s->engine, buf_str(&name), ret) == 0)
        return true;
    api_not_found(r);
    return false;
}

bool api_git(struct http_request *r, struct repository *ret_repo, struct buf *ret_path)
{
    struct server *s = http_data(r);

    if (!api_repository(r, ret_repo))
        return false;
    (void)engine_repository_path(s->engine, ret_repo, ret_path);
    return true;
}

bool api_resolve(struct http_request *r, const struct repository *repo, const char *ref, struct buf *ret)
{
    struct server *s = http_data(r);
    _buf_ struct buf branch = BUF_INIT;

    if (!*ref)
        engine_default_branch(s->engine, repo, &branch);
    return engine_resolve_ref(s->engine, repo, *ref ? ref : buf_str(&branch), ret) == 0;
}

static int64_t id_of(struct http_request *r)
{
    const char *text = http_param(r, "id");
    uint64_t id;

    return text && parse_u64(text, &id) == 0 && id <= INT64_MAX ? (int64_t)id : -1;
}

/* The page's own routes name no repository: what :id names may be of any. */
static bool of_any(struct http_request *r)
{
    return !http_param(r, "owner");
}

/* By its number or its file's name. */
const struct workflow_row *api_workflow(struct http_request *r, struct repository *ret)
{
    struct server *s = http_data(r);
    int64_t id = id_of(r);

    if (of_any(r)) {
        const struct workflow_row *any = id > 0 ? store_get_workflow(s->store, id) : NULL;
        if (any)
            ret->repo_id = any->repo_id;
        else
            api_not_found(r);
        return any;
    }
    if (!api_repository(r, ret))
        return NULL;
    if (id < 0)
        id = store_find_workflow(s->store, ret->repo_id, http_param(r, "id"), false);
    const struct workflow_row *w = id > 0 ? store_get_workflow(s->store, id) : NULL;
    if (w && w->repo_id == ret->repo_id)
        return w;
    workflow_row_unref(w);
    api_not_found(r);
    return NULL;
}

/* Runs belong to the repository of their workflow; those of `runfs run`, and of no workflow any more, to the
 * dropped ones. */
bool api_run_is_of(struct server *s, int64_t run_id, int64_t repo_id)
{
    const struct run_row *run = store_get_run(s->store, run_id);
    const struct workflow_row *w =
        run && run->workflow_id ? store_get_workflow(s->store, run->workflow_id) : NULL;
    bool is = run && (w ? w->repo_id : 0) == repo_id;

    workflow_row_unref(w);
    run_row_unref(run);
    return is;
}

const struct run_row *api_run(struct http_request *r)
{
    struct server *s = http_data(r);
    struct repository repo = {0};

    if (!of_any(r) && !api_repository(r, &repo))
        return NULL;
    const struct run_row *run = store_get_run(s->store, id_of(r));
    if (run && (of_any(r) || api_run_is_of(s, run->id, repo.repo_id)))
        return run;
    run_row_unref(run);
    api_not_found(r);
    return NULL;
}

const struct job_row *api_job(struct http_request *r)
{
    struct server *s = http_data(r);
    struct repository repo = {0};

    if (!of_any(r) && !api_repository(r, &repo))
        return NULL;
    const struct job_row *job = store_get_job(s->store, id_of(r));
    if (job && (of_any(r) || api_run_is_of(s, job->run_id, repo.repo_id)))
        return job;
    job_row_unref(job);
    api_not_found(r);
    return NULL;
}

void api_workflow_label(struct server *s, const struct workflow_row *w, struct buf *ret)
{
    const struct repo_row *repo = w->repo_id ? store_get_repo(s->store, w->repo_id) : NULL;

    if (repo)
        buf_addf(ret, "%s:", repo->name);
    buf_adds(ret, w->name);
    repo_row_unref(repo);
}

const char *query_text(struct http_request *r, const char *name)
{
    const char *text = http_query(r, name);

    return text ? text : "";
}
