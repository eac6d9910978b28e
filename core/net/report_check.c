/* A run as a check run: one for each attempt. GitHub documentation, "REST API endpoints for check runs"; only
 * the token of a GitHub App may make them, and Gitea has none. */
#include "report_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

/* What a check run can have come to. */
static const char *conclusion_of(const char *state)
{
    static const char *const known[] = {"success", "failure", "cancelled", "skipped", "timed_out"};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(state, known[i]))
            return known[i];
    return str_eq(state, "interrupted") ? "cancelled" : "failure";
}

static void external_id(struct telling *t, struct buf *ret)
{
    buf_addf(ret, "%s-%d", t->word->mark, t->attempt);
}

/* "ATTEMPT:ID": its number, if it is of this attempt. 0: there is none. */
static int64_t number_of(const struct telling *t)
{
    char *rest;
    long attempt = strtol(buf_str(&t->remote), &rest, 10);

    return attempt == t->attempt && *rest == ':' ? strtoll(rest + 1, NULL, 10) : 0;
}

static void keep_number(struct telling *t, const json_t *one)
{
    json_int_t id = json_integer_value(json_object_get(one, "id"));

    if (id > 0) {
        buf_reset(&t->remote);
        buf_addf(&t->remote, "%d:%lld", t->attempt, (long long)id);
    }
}

static bool is_ours(struct telling *t, const json_t *one, void *mark)
{
    const char *its = json_string_value(json_object_get(one, "external_id"));
    bool ours = its && str_eq(its, buf_str(mark));

    if (ours)
        keep_number(t, one);
    return ours && number_of(t);
}

static enum verdict check_look(struct telling *t, bool *ret_found)
{
    _buf_ struct buf title = BUF_INIT, mark = BUF_INIT, path = BUF_INIT;
    bool seen;

    (void)ret_found; /* it may be there and say what was before: it is edited */
    text_title(t, &title);
    external_id(t, &mark);
    buf_addf(&path, "/repos/%s/commits/%s/check-runs?filter=all&check_name=", t->word->target, t->word->sha);
    text_percent(&path, buf_str(&title));
    return number_of(t) ? TOLD : github_find(t, buf_str(&path), is_ours, &mark, &seen);
}

static void add_time(json_t *body, const char *key, int64_t at)
{
    _buf_ struct buf time = BUF_INIT;

    buf_add_time(&time, at);
    if (time.len)
        (void)json_object_set_new(body, key, json_string(buf_str(&time)));
}

static json_t *body_of(struct telling *t)
{
    _buf_ struct buf title = BUF_INIT, mark = BUF_INIT, words = BUF_INIT, page = BUF_INIT, link = BUF_INIT;
    bool ended = !str_eq(t->state, "queued") && !str_eq(t->state, "in_progress");

    text_title(t, &title);
    external_id(t, &mark);
    text_outcome(t, &words);
    text_page(t, &page);
    if (!buf_ok(&title) || !buf_ok(&words) || !buf_ok(&page))
        return NULL;
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s}}", "name", buf_str(&title), "external_id",
                  buf_str(&mark), "head_sha", t->word->sha, "status", ended ? "completed" : t->state,
                  "output", "title", buf_str(&words), "summary", buf_str(&page));
    add_time(body, "started_at", t->run->started_at);
    if (ended) {
        add_time(body, "completed_at", t->run->completed_at);
        (void)json_object_set_new(body, "conclusion", json_string(conclusion_of(t->state)));
    }
    if (t->link.len) {
        buf_addf(&link, "%s%lld", buf_str(&t->link), (long long)t->run->id);
        (void)json_object_set_new(body, "details_url", json_string(buf_str(&link)));
    }
    return body;
}

static enum verdict check_say(struct telling *t)
{
    _buf_ struct buf path = BUF_INIT;
    _json_ json_t *body = body_of(t), *made = NULL;
    int64_t id = number_of(t);

    if (!body) {
        buf_adds(&t->problem, "no memory");
        return LATER;
    }
    buf_addf(&path, "/repos/%s/check-runs", t->word->target);
    if (id) {
        buf_addf(&path, "/%lld", (long long)id);
        (void)json_object_del(body, "head_sha");
    }
    enum verdict v = github_call(t, id ? "PATCH" : "POST", buf_str(&path), body, &made);
    if (v == TOLD && !id)
        keep_number(t, made);
    return number_of(t) || v != TOLD ? v : github_no_number(t);
}

const struct word_kind word_check = {"check", NULL, github_ready, check_look, check_say, NULL};
