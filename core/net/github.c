/*
 * GitHub's REST API as a client, and Gitea's, which is its twin in what is asked here. GitHub documentation,
 * "Rate limits for the REST API", "Best practices for using the REST API".
 */
#include "report_internal.h"
#include "runfs/http_client.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/mask.h"
#include "runfs/str.h"

enum { ANSWER_MAX = 16 * 1024 * 1024, TIMEOUT_MS = 30000, SAID_MAX = 300 };
enum {
    PAGE = 100,
    PAGE_LEAST = 30, /* some give no more, whatever is asked */
    PAGES_MAX = 10,
};
static const int64_t second = 1000000000, limit_max = 6 * 3600;

static bool is_token(const char *token)
{
    for (const char *p = token; *p; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return false;
    return *token;
}

/* By the names that it has there, or by GitHub's. */
static void read_token(struct store *st, const char *url, struct buf *ret)
{
    static const char *const names[] = {"GITEA_TOKEN", "FORGEJO_TOKEN", "GITHUB_TOKEN"};

    for (size_t i = str_ends(url, "/api/v1") ? 0 : ARRAY_LEN(names) - 1; i < ARRAY_LEN(names) && !ret->len;
         i++)
        (void)store_setting(st, SETTING_SECRET, names[i], ret);
}

enum verdict github_ready(struct telling *t)
{
    struct store *st = t->lane->reporter->store;
    _buf_ struct buf report = BUF_INIT;

    (void)store_setting(st, SETTING_CONFIG, "github/report", &report);
    (void)store_setting(st, SETTING_CONFIG, "github/api_url", &t->url);
    (void)store_setting(st, SETTING_CONFIG, "github/link", &t->link);
    while (t->url.len && t->url.ptr[t->url.len - 1] == '/')
        t->url.ptr[--t->url.len] = '\0';
    read_token(st, buf_str(&t->url), &t->token);
    if (!config_word(buf_str(&report), t->word->kind))
        buf_adds(&t->problem, "config/github/report does not ask for it now");
    else if (!t->url.len)
        buf_adds(&t->problem, "config/github/api_url says no address");
    else if (!is_token(buf_str(&t->token)))
        buf_adds(&t->problem, t->token.len ? "secrets/GITHUB_TOKEN is no token: it has blanks or other"
                                             " characters that none has"
                                           : "secrets/GITHUB_TOKEN is not set");
    return t->problem.len ? PARKED : TOLD;
}

static bool unwanted(void *data)
{
    const struct reporter *p = data;

    return atomic_load(&p->ending);
}

/* ------------------------------------------------------------------------------------------------ answers */

static bool number_of(const struct http_answer *a, const char *header, uint64_t *ret)
{
    _buf_ struct buf value = BUF_INIT;

    return http_answer_header(a, header, &value) == 0 && parse_u64(buf_str(&value), ret) == 0;
}

/* Until when the peer asks to be left alone, by the wall clock; 0: it does not. No peer is believed more than
 * some hours. */
static int64_t limited_until(const struct http_answer *a, const char *message)
{
    int64_t now = now_ns();
    uint64_t after, left, reset;
    bool status = a->status == 403 || a->status == 429;

    if (status || a->status == 503) {
        if (number_of(a, "Retry-After", &after))
            return now + (int64_t)(after < (uint64_t)limit_max ? after : (uint64_t)limit_max) * second;
    }
    if (number_of(a, "X-RateLimit-Remaining", &left) && left == 0 && (status || a->status < 300) &&
        number_of(a, "X-RateLimit-Reset", &reset)) {
        int64_t most = now / second + limit_max;
        int64_t at = reset > (uint64_t)most ? most : (int64_t)reset;
        return (at + 1) * second > now ? (at + 1) * second : 0; /* + 1: its clock is not ours */
    }
    /* a limit of which nothing else is told: a minute at least */
    return a->status == 429 || (a->status == 403 && strcasestr(message, "rate limit")) ? now + 60 * second
                                                                                       : 0;
}

static void limit(struct telling *t, int64_t until)
{
    struct reporter *p = t->lane->reporter;

    t->lane->not_before = until;
    (void)store_delay_words(p->store, t->lane->which, until, NULL);
    log_info("report", "%s takes nothing more for %lld s", buf_str(&t->url),
             (long long)((until - now_ns()) / second));
}

static enum verdict judge(struct telling *t, const char *method, const char *path,
                          const struct http_answer *a, const json_t *json)
{
    const char *message = json_string_value(json_object_get(json, "message"));
    int64_t until = limited_until(a, message ? message : "");
    int status = a->status;

    if (until)
        limit(t, until);
    if (status >= 200 && status < 300)
        return TOLD;
    buf_addf(&t->problem, "%s %s answered %d", method, path, status);
    if (message) {
        buf_adds(&t->problem, ": ");
        text_clean(t, message, SAID_MAX, &t->problem);
    }
    if (until && (status == 403 || status == 429 || status == 503)) {
        t->until = until;
        return LIMITED;
    }
    if (status == 401)
        return PARKED;
    if (status >= 500)
        return TOLD_MAYBE;
    return status == 408 || status == 409 || status == 425 ? LATER : REFUSED;
}

enum verdict github_call(struct telling *t, const char *method, const char *path, const json_t *body,
                         json_t **ret)
{
    _free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    _buf_ struct buf url = BUF_INIT, authorization = BUF_INIT;
    _http_answer_ struct http_answer answer = {0};
    struct err err = {0};

    buf_addf(&url, "%s%s", buf_str(&t->url), path);
    buf_addf(&authorization, "Authorization: Bearer %s", buf_str(&t->token));
    if ((body && !text) || !buf_ok(&url) || !buf_ok(&authorization)) {
        buf_adds(&t->problem, "no memory");
        return LATER;
    }
    int r =
        http_call(&(struct http_call){.method = method,
                                      .url = buf_str(&url),
                                      .headers = (const char *const[]){"Accept: application/vnd.github+json",
                                                                       "Content-Type: application/json",
                                                                       "X-GitHub-Api-Version: 2022-11-28",
                                                                       "User-Agent: runfs",
                                                                       buf_str(&authorization), NULL},
                                      .body = text,
                                      .len = text ? strlen(text) : 0,
                                      .max = ANSWER_MAX,
                                      .timeout_ms = TIMEOUT_MS,
                                      .unwanted = unwanted,
                                      .data = t->lane->reporter},
                  &answer, &err);
    explicit_bzero(authorization.ptr, authorization.len);
    if (r < 0) {
        text_clean(t, err.msg, 2 * SAID_MAX, &t->problem);
        /* nothing was sent where nobody could be reached */
        return r == -ECONNREFUSED || r == -EHOSTUNREACH || r == -EPROTO || r == -EINVAL ? LATER : TOLD_MAYBE;
    }
    json_t *json = json_loadb(buf_str(&answer.body), answer.body.len, 0, NULL);
    enum verdict v = judge(t, method, path, &answer, json);
    if (ret && v == TOLD)
        *ret = json;
    else
        json_decref(json);
    return v;
}

enum verdict github_no_number(struct telling *t)
{
    buf_adds(&t->problem, "the answer does not say what was made");
    return TOLD_MAYBE;
}

static const json_t *list_in(json_t *answer)
{
    const char *key;
    json_t *value;

    json_object_foreach(answer, key, value)
    {
        if (json_is_array(value))
            return value;
    }
    return answer;
}

enum verdict github_find(struct telling *t, const char *path, github_is_it *is_it, void *data,
                         bool *ret_found)
{
    enum verdict v = TOLD;
    size_t n = PAGE_LEAST;

    *ret_found = false;
    for (int page = 1; v == TOLD && n >= PAGE_LEAST && page <= PAGES_MAX && !*ret_found; page++) {
        _buf_ struct buf whole = BUF_INIT;
        _json_ json_t *answer = NULL;
        buf_addf(&whole, "%s%cper_page=%d&limit=%d&page=%d", path, strchr(path, '?') ? '&' : '?', PAGE, PAGE,
                 page);
        v = github_call(t, "GET", buf_str(&whole), NULL, &answer);
        const json_t *list = list_in(answer);
        n = json_array_size(list);
        for (size_t i = 0; i < n && !*ret_found; i++)
            *ret_found = is_it(t, json_array_get(list, i), data);
    }
    return v;
}
