/* Twirp's JSON: what is common to the calls of both services. https://twitchtv.github.io/twirp/docs/spec_v7
 */
#include "results_internal.h"
#include "runfs/log.h"
#include "runfs/str.h"

static const struct {
    int code; /* -errno */
    unsigned status;
    const char *name, *reason;
} failures[] = {
    {-EINVAL, 400, "invalid_argument", "invalid_argument"},
    {-ENOENT, 404, "not_found", "not_found"},
    {-EEXIST, 409, "already_exists", "already_exists"},
    {-EACCES, 403, "permission_denied", "permission_denied"},
    {-EKEYREJECTED, 401, "unauthenticated", "unauthenticated"},
    {-EFBIG, 400, "invalid_argument", "too large"},
    {-E2BIG, 429, "resource_exhausted", "too many"},
    {-EDQUOT, 412, "failed_precondition", "no room"}, /* clients do not ask again */
    {-ENOSPC, 429, "resource_exhausted", "no space"},
};

void twirp_fail(struct http_request *req, int code, const char *msg)
{
    size_t i = 0;

    while (i < ARRAY_LEN(failures) && failures[i].code != code)
        i++;
    bool known = i < ARRAY_LEN(failures);
    if (!known)
        log_error("results", "%s: %s", http_path(req), msg);
    http_reply_json(req, known ? failures[i].status : 500,
                    json_pack("{s:s, s:s}", "code", known ? failures[i].name : "internal", "msg", msg));
}

/* workflow_run_backend_id, where a call has one, must be that of the token. */
static bool own_run(const struct results_job *job, json_t *body)
{
    const char *run = twirp_text(body, "workflow_run_backend_id");
    uint64_t id;

    return !*run || (parse_u64(run, &id) == 0 && (int64_t)id == job->run_id);
}

struct results_job *twirp_begin(struct http_request *req, json_t **ret_body)
{
    struct results_job *job = token_job(http_data(req), http_header(req, "Authorization"));
    const struct buf *text = http_body(req);

    if (!job) {
        twirp_fail(req, -EKEYREJECTED, "the token is not valid, or its job has ended");
        return NULL;
    }
    json_t *body = json_loadb(buf_str(text), text->len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(body) && own_run(job, body)) {
        *ret_body = body;
        return job;
    }
    if (json_is_object(body))
        twirp_fail(req, -EACCES, "the token is of another workflow run");
    else
        twirp_fail(req, -EINVAL, "the body is no JSON object");
    json_decref(body);
    results_job_unref(job);
    return NULL;
}

json_t *twirp_member(json_t *body, const char *name)
{
    json_t *value = json_object_get(body, name);
    char camel[64];
    size_t n = 0;

    for (const char *p = name; *p && n + 1 < sizeof(camel); p++)
        if (*p == '_' && p[1])
            camel[n++] = (char)(*++p - 'a' + 'A');
        else
            camel[n++] = *p;
    camel[n] = '\0';
    if (!value)
        value = json_object_get(body, camel);
    return json_is_null(value) ? NULL : value;
}

const char *twirp_text(json_t *body, const char *name)
{
    const char *text = json_string_value(twirp_member(body, name));

    return text ? text : "";
}

int64_t twirp_i64(json_t *body, const char *name, int64_t none)
{
    json_t *value = twirp_member(body, name);
    uint64_t n;

    if (json_is_integer(value))
        return json_integer_value(value);
    return json_is_string(value) && parse_u64(json_string_value(value), &n) == 0 && n <= INT64_MAX
               ? (int64_t)n
               : none;
}

json_t *twirp_id(int64_t id)
{
    return json_sprintf("%lld", (long long)id);
}
