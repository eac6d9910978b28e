/* GitHub's REST API: runs and jobs. GitHub documentation, "REST API endpoints for workflow runs". */
#include <time.h>

#include "api_internal.h"
#include "runfs/io.h"

/* ------------------------------------------------------------------------------------------------- listing
 */

/* "Z", "+02:00", "-0200": what follows it, and how many seconds it is ahead of UTC. In a query that was not
 * encoded the plus has become a space. */
static const char *parse_zone(const char *text, int64_t *ret_ahead)
{
    static const char digits[] = "0123456789";
    size_t n = *text ? strspn(text + 1, digits) : 0;
    bool apart = n == 2 && text[3] == ':' && strspn(text + 4, digits) == 2;
    int hours = 0, minutes = 0;

    *ret_ahead = 0;
    if (*text == 'Z' || *text == 'z')
        return text + 1;
    if (!*text || !strchr("+- ", *text) || (n != 4 && !apart))
        return text;
    (void)sscanf(text + 1, apart ? "%2d:%2d" : "%2d%2d", &hours, &minutes);
    *ret_ahead = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return text + (apart ? 6 : 5);
}

/* A day, a minute or a second, as ISO 8601 writes it: its first and its last nanosecond. Returns what follows
 * it; NULL: it is none. */
static const char *parse_moment(const char *text, int64_t *ret_first, int64_t *ret_last)
{
    static const struct {
        const char *format;
        int64_t length;
    } forms[] = {{"%Y-%m-%dT%H:%M:%S", 1}, {"%Y-%m-%dT%H:%M", 60}, {"%Y-%m-%d", 86400}};
    const char *end = NULL;
    int64_t length = 0, ahead = 0;
    struct tm tm;

    for (size_t i = 0; i < ARRAY_LEN(forms) && !end; i++) {
        tm = (struct tm){0};
        length = forms[i].length;
        end = strptime(text, forms[i].format, &tm);
    }
    if (!end)
        return NULL;
    if (length == 1 && *end == '.' && end[1] != '.') /* runs have no time between two seconds */
        end += 1 + strspn(end + 1, "0123456789");
    if (length < 86400)
        end = parse_zone(end, &ahead);
    const time_t at = timegm(&tm) - ahead;
    int64_t first = timespec_ns((struct timespec){.tv_sec = at}),
            behind = timespec_ns((struct timespec){.tv_sec = at + length});
    *ret_first = first > 0 ? first : 0; /* no run is older, and there are years that have no number here */
    *ret_last = behind > 0 ? behind - 1 : 0;
    return end;
}

/* GitHub documentation, "Understanding the search syntax": >=D, >D, <D, <=D, D..D, D..*, *..D, D. */
static bool parse_created(const char *text, int64_t *from, int64_t *to)
{
    bool more = *text == '>', less = *text == '<', equal;
    int64_t first, last;
    const char *end;

    text += more || less;
    equal = (more || less) && *text == '=';
    text += equal;
    if (!more && !less && str_starts(text, "*..")) {
        less = equal = true;
        text += 3;
    }
    if (!(end = parse_moment(text, &first, &last)))
        return false;
    if (more || less) {
        *(more ? from : to) = more ? (equal ? first : last + 1) : (equal ? last : first - 1);
        return !*end;
    }
    *from = first;
    *to = last;
    if (!str_starts(end, ".."))
        return !*end;
    *to = INT64_MAX;
    if (str_eq(end + 2, "*"))
        return true;
    end = parse_moment(end + 2, &first, to);
    return end && !*end;
}

static void list_runs(struct http_request *r, int64_t repo_id, int64_t workflow_id)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 30);
    struct run_query q = {.repo_id = repo_id,
                          .workflow_id = workflow_id,
                          .branch = query_text(r, "branch"),
                          .event = query_text(r, "event"),
                          .actor = query_text(r, "actor"),
                          .status = query_text(r, "status"),
                          .sha = query_text(r, "head_sha"),
                          .created_from = 0,
                          .created_to = INT64_MAX,
                          .skip = (page.page - 1) * page.per_page};
    const char *created = query_text(r, "created"), *suite = query_text(r, "check_suite_id");
    uint64_t id = 0;
    _json_ json_t *list = json_array();
    int64_t ids[100];

    if (*created && !parse_created(created, &q.created_from, &q.created_to)) {
        api_fail(r, 422, "created is no date, and no range of dates");
        return;
    }
    if (*suite) /* a run is one, under its own number */
        q.id = parse_u64(suite, &id) == 0 && id && id <= INT64_MAX ? (int64_t)id : -1;
    int64_t total = store_count_query(s->store, &q);
    ssize_t n = store_query_runs(s->store, &q, ids, (size_t)page.per_page);
    for (ssize_t i = 0; i < n; i++) {
        const struct run_row *run = store_get_run(s->store, ids[i]);
        if (run)
            json_array_append_new(list, api_run_json(r, run, run->attempt));
        run_row_unref(run);
    }
    api_link(r, page, total);
    http_reply_json(r, 200, json_pack("{s:I, s:O}", "total_count", (json_int_t)total, "workflow_runs", list));
}

void api_list_runs(struct http_request *r)
{
    struct repository repo;

    if (api_repository(r, &repo))
        list_runs(r, repo.repo_id, 0);
}

void api_list_runs_of(struct http_request *r)
{
    struct repository repo;
    const struct workflow_row *w = api_workflow(r, &repo);

    if (w)
        list_runs(r, repo.repo_id, w->id);
    workflow_row_unref(w);
}

/* The attempt that the path names, else the newest; 0: there is no such one. */
static int attempt_of(struct http_request *r, const struct run_row *run)
{
    const char *text = http_param(r, "attempt");
    uint64_t n;

    if (!text)
        return run->attempt;
    return parse_u64(text, &n) == 0 && n >= 1 && n <= (uint64_t)run->attempt ? (int)n : 0;
}

void api_get_run(struct http_request *r)
{
    const struct run_row *run = api_run(r);
    int attempt = run ? attempt_of(r, run) : 0;

    if (attempt)
        http_reply_json(r, 200, api_run_json(r, run, attempt));
    else if (run)
        api_not_found(r);
    run_row_unref(run);
}

/* --------------------------------------------------------------------------------------------------- jobs */

struct listing {
    struct http_request *r;
    json_t *list;
    int64_t from, to, at;
};

static int add_job(void *data, const struct job_row *job)
{
    struct listing *l = data;

    if (l->at >= l->from && l->at < l->to)
        json_array_append_new(l->list, api_job_json(l->r, job));
    l->at++;
    return 0;
}

/* gh asks for no page here, and reads the first only: 100 at once. */
void api_list_jobs(struct http_request *r)
{
    struct server *s = http_data(r);
    struct api_page page = api_page(r, 100);
    struct listing l = {.r = r,
                        .list = json_array(),
                        .from = (page.page - 1) * page.per_page,
                        .to = page.page * page.per_page};
    const struct run_row *run = api_run(r);
    int attempt = run ? attempt_of(r, run) : 0;
    bool all = !http_param(r, "attempt") && str_eq(query_text(r, "filter"), "all");

    if (attempt) {
        for (int of = attempt; of > (all ? 0 : attempt - 1); of--)
            (void)api_each_job(s->store, run->id, of, add_job, &l);
        api_link(r, page, l.at);
        http_reply_json(r, 200, json_pack("{s:I, s:O}", "total_count", (json_int_t)l.at, "jobs", l.list));
    } else if (run) {
        api_not_found(r);
    }
    json_decref(l.list);
    run_row_unref(run);
}

void api_get_job(struct http_request *r)
{
    const struct job_row *job = api_job(r);

    if (job)
        http_reply_json(r, 200, api_job_json(r, job));
    job_row_unref(job);
}

struct annotating {
    struct http_request *r;
    json_t *list; /* owned */
    int64_t job_id, from, to, at;
};

static json_t *annotation_json(const struct annotating *x, const struct annotation_row *a)
{
    const char *path = *a->file ? a->file : ".github";
    json_t *column = a->col ? json_integer(a->col) : json_null();

    return json_pack("{s:s, s:o, s:i, s:i, s:O, s:o, s:s, s:s, s:s, s:n}", "path", path, "blob_href",
                     api_web_url(x->r, "/blob/HEAD/%s", path), "start_line", a->line, "end_line", a->line,
                     "start_column", column, "end_column", column, "annotation_level",
                     str_eq(a->level, "error") ? "failure" : a->level, "title", a->title, "message",
                     a->message, "raw_details");
}

static int add_annotation(void *data, const struct annotation_row *a)
{
    struct annotating *x = data;

    if (a->job_id != x->job_id)
        return 0;
    if (x->at >= x->from && x->at < x->to)
        json_array_append_new(x->list, annotation_json(x, a));
    x->at++;
    return 0;
}

void api_annotations(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct job_row *job = api_job(r);
    struct api_page page = api_page(r, 30);
    struct annotating x = {.r = r,
                           .list = json_array(),
                           .job_id = job ? job->id : 0,
                           .from = (page.page - 1) * page.per_page,
                           .to = page.page * page.per_page};

    if (job) {
        (void)store_each_annotation(s->store, job->run_id, job->attempt, add_annotation, &x);
        api_link(r, page, x.at);
        http_reply_json(r, 200, json_incref(x.list));
    }
    json_decref(x.list);
    job_row_unref(job);
}

/* --------------------------------------------------------------------------------------------------- verbs
 */

/* {} behind what was done: gh wants JSON of every answer but 204. */
static void answer(struct http_request *r, int code, const struct err *err, unsigned status, unsigned busy)
{
    if (code < 0)
        api_fail_err(r, err, busy);
    else
        http_reply_json(r, status, json_object());
}

void api_cancel(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct run_row *run = api_run(r);
    struct err err = {0};

    if (run)
        answer(r, engine_cancel_run(s->engine, run->id, &err), &err, 202, 409);
    run_row_unref(run);
}

/* Whether debug logging is asked for. False: a reply was made. */
static bool read_debug(struct http_request *r, bool *ret)
{
    _json_ json_t *body = api_body(r);

    *ret = json_is_true(json_object_get(body, "enable_debug_logging"));
    return body != NULL;
}

/* What asks to be let alone is ended, too. */
void api_force_cancel(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct run_row *run = api_run(r);
    struct err err = {0};
    int code = run ? engine_cancel_run(s->engine, run->id, &err) : 0;

    if (run && code == 0)
        (void)engine_cancel_run(s->engine, run->id, NULL); /* asked again: at once */
    if (run)
        answer(r, code, &err, 202, 409);
    run_row_unref(run);
}

/* Minutes are never charged for here. */
void api_run_timing(struct http_request *r)
{
    const struct run_row *run = api_run(r);

    if (run)
        http_reply_json(
            r, 200,
            json_pack("{s:{}, s:I}", "billable", "run_duration_ms",
                      (json_int_t)(run->completed_at ? (run->completed_at - run->started_at) / 1000000 : 0)));
    run_row_unref(run);
}

static void rerun(struct http_request *r, bool failed_only)
{
    struct server *s = http_data(r);
    const struct run_row *run = api_run(r);
    _buf_ struct buf actor = BUF_INIT;
    struct err err = {0};
    bool debug;

    access_login(r, &actor);
    if (run && read_debug(r, &debug))
        answer(r, engine_rerun(s->engine, run->id, failed_only, debug, buf_str(&actor), &err), &err, 201,
               403);
    run_row_unref(run);
}

void api_rerun(struct http_request *r)
{
    rerun(r, false);
}

void api_rerun_failed(struct http_request *r)
{
    rerun(r, true);
}

void api_rerun_job(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct job_row *job = api_job(r);
    _buf_ struct buf actor = BUF_INIT;
    struct err err = {0};
    bool debug;

    access_login(r, &actor);
    if (job && read_debug(r, &debug))
        answer(r, engine_rerun_job(s->engine, job->id, debug, buf_str(&actor), &err), &err, 201, 403);
    job_row_unref(job);
}

void api_delete_run(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct run_row *run = api_run(r);
    struct err err = {0};

    if (run && engine_delete_run(s->engine, run->id, &err) < 0)
        api_fail_err(r, &err, 409);
    else if (run)
        api_no_content(r);
    run_row_unref(run);
}

void api_delete_logs(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct run_row *run = api_run(r);
    struct err err = {0};

    if (run && engine_delete_logs(s->engine, run->id, &err) < 0)
        api_fail_err(r, &err, 403);
    else if (run)
        api_no_content(r);
    run_row_unref(run);
}
