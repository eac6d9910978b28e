/* One call of a language model: https://platform.openai.com/docs/api-reference/chat */
#include "engine_internal.h"
#include "runfs/http_client.h"
#include "runfs/proposal.h"
#include "runfs/str.h"

enum { ANSWER_MAX = 4 * 1024 * 1024, TIMEOUT_S = 120 };

static const char prompt[] =
    "You turn a description of a continuous integration job into one JSON object of the given schema, and "
    "say "
    "nothing else. Each step's command is a script for bash on Linux, which starts in an empty working "
    "directory or in the repository's checkout. Use no expressions of GitHub Actions, no secrets and no "
    "fences "
    "of Markdown. trigger says what starts it: push, pull_request, workflow_dispatch, or schedule: CRON. "
    "setup_commands run before the steps, cleanup_commands after them whatever came of them.";

/* What an endpoint is and how it is asked. */
struct endpoint {
    struct buf url, model, token;
    int64_t timeout_s;
};

/* ------------------------------------------------------------------------------------------------- settings
 */

void llm_setting(struct engine *e, const char *key, const char *fallback, struct buf *ret)
{
    if (store_setting(e->store, SETTING_CONFIG, key, ret) < 0 || !ret->len) {
        buf_reset(ret);
        buf_adds(ret, fallback);
    }
}

bool llm_is_set(struct engine *e)
{
    _buf_ struct buf url = BUF_INIT;

    llm_setting(e, "llm/url", "", &url);
    return url.len > 0;
}

/* The address of a server, of its API, or of the function itself. */
static void read_endpoint(struct engine *e, struct endpoint *ret)
{
    static const char function[] = "/chat/completions";

    llm_setting(e, "llm/url", "", &ret->url);
    llm_setting(e, "llm/model", "default", &ret->model);
    llm_setting(e, "llm/token", "", &ret->token);
    ret->timeout_s = config_number(e->store, "llm/timeout", TIMEOUT_S);
    while (ret->url.len && ret->url.ptr[ret->url.len - 1] == '/')
        ret->url.ptr[--ret->url.len] = '\0';
    const char *path = strstr(buf_str(&ret->url), "://");
    if (path && !strchr(path + 3, '/'))
        buf_adds(&ret->url, "/v1");
    if (!str_ends(buf_str(&ret->url), function))
        buf_adds(&ret->url, function);
}

static void endpoint_release(struct endpoint *p)
{
    if (p->token.ptr)
        explicit_bzero(p->token.ptr, p->token.len);
    buf_release(&p->url);
    buf_release(&p->model);
    buf_release(&p->token);
}

/* ---------------------------------------------------------------------------------------------- the request
 */

static json_t *request(const struct endpoint *p, const struct buf *text, bool with_schema)
{
    json_t *body = json_pack("{s:s, s:b, s:[{s:s, s:s}, {s:s, s:s%}]}", "model", buf_str(&p->model), "stream",
                             0, "messages", "role", "system", "content", prompt, "role", "user", "content",
                             buf_str(text), text->len);

    if (body && with_schema)
        (void)json_object_set_new(body, "response_format",
                                  json_pack("{s:s, s:{s:s, s:o}}", "type", "json_schema", "json_schema",
                                            "name", "workflow", "schema", proposal_schema()));
    return body;
}

static int call(const struct llm_call *c, const struct endpoint *p, const struct buf *text, bool with_schema,
                struct http_answer *ret, struct err *err)
{
    _json_ json_t *body = request(p, text, with_schema);
    _free_ char *sent = body ? json_dumps(body, JSON_COMPACT) : NULL;
    _buf_ struct buf authorization = BUF_INIT;

    if (!sent)
        return err_set(err, -EINVAL, "it is no UTF-8 text");
    if (p->token.len)
        buf_addf(&authorization, "Authorization: Bearer %s", buf_str(&p->token));
    const char *const headers[] = {"Content-Type: application/json", "Accept: application/json",
                                   p->token.len ? buf_str(&authorization) : NULL, NULL};
    int r = http_call(&(struct http_call){.method = "POST",
                                          .url = buf_str(&p->url),
                                          .headers = headers,
                                          .body = sent,
                                          .len = strlen(sent),
                                          .max = ANSWER_MAX,
                                          .timeout_ms = (int)p->timeout_s * 1000,
                                          .unwanted = c->unwanted,
                                          .data = c->data},
                      ret, err);
    if (authorization.ptr)
        explicit_bzero(authorization.ptr, authorization.len);
    return r;
}

static int refused(const struct endpoint *p, const struct http_answer *a, struct err *err)
{
    _json_ json_t *body = json_loadb(buf_str(&a->body), a->body.len, 0, NULL);
    _buf_ struct buf words = BUF_INIT;

    llm_words(body, buf_str(&a->body), &words);
    return err_set(err, -EREMOTEIO, "%s answered %d%s%s", buf_str(&p->url), a->status, words.len ? ": " : "",
                   buf_str(&words));
}

static int ask(const struct llm_call *c, const struct endpoint *p, json_t **ret, struct err *err)
{
    _http_answer_ struct http_answer answer = {0}, again = {0};
    int r = call(c, p, c->text, true, &answer, err);
    const struct http_answer *a = &answer;

    if (r == 0 && (answer.status == 400 || answer.status == 422)) { /* it may know no schemas */
        r = call(c, p, c->text, false, &again, err);
        a = &again;
    }
    if (r == 0 && a->status != 200)
        r = refused(p, a, err);
    return r == 0 ? llm_answer(&a->body, ret, err) : r;
}

int llm_call(struct engine *e, const struct llm_call *c, struct buf *ret_model, json_t **ret, struct err *err)
{
    struct endpoint p = {0};

    read_endpoint(e, &p);
    int r =
        llm_is_set(e) ? ask(c, &p, ret, err) : err_set(err, -ENOENT, "config/llm/url is not set any more");
    buf_adds(ret_model, buf_str(&p.model));
    endpoint_release(&p);
    return r;
}
