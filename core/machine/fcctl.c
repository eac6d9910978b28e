/*
 * Virtual machines of a server that speaks fcctl-web's API: `fcctl`, or `fcctl:TYPE`. Where it is and what
 * it is shown say config/fcctl/url and config/fcctl/token, else FIRECRACKER_API_URL and
 * FIRECRACKER_AUTH_TOKEN. That API runs a script and answers when it has ended; a thread here speaks for the
 * agent that is not there (fcctl_agent.c).
 */
#include "core/machine/fcctl.h"

#include <sodium.h>
#include <sys/socket.h>

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/machine_rows.h" /* and the settings of the store */
#include "runfs/str.h"

static const char default_url[] = "http://127.0.0.1:8080";

enum {
    ANSWER_MS = 30000, /* of requests that run nothing */
    SNAPSHOT_MS = 120000,
    READY_S = 120,      /* until a machine runs */
    POLL_FIRST_MS = 20, /* how often it is looked at: each time */
    POLL_MAX_MS = 2000, /* half as long again, up to this */
    EXPIRES_SOON_S = 60,
};

/* ---------------------------------------------------------------------------------------------- settings */

static void setting(struct machines *ms, const char *key, const char *variable, struct buf *ret)
{
    const char *text;

    if (ms->store && store_setting(ms->store, SETTING_CONFIG, key, ret) == 0 && ret->len)
        return;
    buf_reset(ret);
    if ((text = getenv(variable)))
        buf_adds(ret, text);
}

/* When a JWT expires, by its own word, which is for the server to check; 0: it does not say. */
static int64_t expiry_of(const char *token)
{
    const char *body = strchr(token, '.');
    const char *end = body ? strchr(body + 1, '.') : NULL;
    char text[8192];
    size_t len = 0;

    if (!end || sodium_base642bin((unsigned char *)text, sizeof(text), body + 1, (size_t)(end - body - 1),
                                  "=", &len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return 0;
    _json_ json_t *claims = json_loadb(text, len, 0, NULL);
    return (int64_t)json_number_value(json_object_get(claims, "exp"));
}

static int check_expiry(const char *token, int64_t *ret_left, struct err *err)
{
    int64_t now = now_ns() / 1000000000LL, expires = expiry_of(token);
    _buf_ struct buf when = BUF_INIT;

    *ret_left = expires ? expires - now : INT64_MAX;
    if (*ret_left > 0)
        return 0;
    buf_add_time(&when, expires * 1000000000LL);
    return err_set(err, -EKEYEXPIRED,
                   "the token expired at %s: write a new one to config/fcctl/token, or set "
                   "FIRECRACKER_AUTH_TOKEN",
                   buf_str(&when));
}

/* Where the server is and what it is shown; -EKEYEXPIRED and the like with words. *ret_left: seconds until
 * the token expires, INT64_MAX where it does not say. */
static int fcctl_settings(struct machines *ms, struct buf *ret_url, struct buf *ret_token, int64_t *ret_left,
                          struct err *err)
{
    setting(ms, "fcctl/url", "FIRECRACKER_API_URL", ret_url);
    setting(ms, "fcctl/token", "FIRECRACKER_AUTH_TOKEN", ret_token);
    if (!ret_url->len && !ret_token->len)
        return err_set(err, -ENOTSUP,
                       "it is not set up: write the address of a server that speaks fcctl-web's API to "
                       "config/fcctl/url and a token to config/fcctl/token, or set FIRECRACKER_API_URL and "
                       "FIRECRACKER_AUTH_TOKEN");
    if (!ret_url->len)
        buf_adds(ret_url, default_url);
    while (ret_url->len && ret_url->ptr[ret_url->len - 1] == '/')
        ret_url->ptr[--ret_url->len] = '\0';
    if (!buf_ok(ret_url) || !buf_ok(ret_token))
        return err_errno(err, -ENOMEM, "fcctl");
    if (!str_starts(ret_url->ptr, "http://") && !str_starts(ret_url->ptr, "https://"))
        return err_set(err, -EINVAL, "'%.200s' is no http:// or https:// address of a server", ret_url->ptr);
    if (strpbrk(buf_str(ret_token), "\r\n"))
        return err_set(err, -EINVAL, "the token has several lines");
    return check_expiry(buf_str(ret_token), ret_left, err);
}

/* ---------------------------------------------------------------------------------------------- requests */

/* What the server says, as an error. Servers say it under different names, or as plain text. */
static int refused(const char *method, const char *url, const struct http_answer *a, json_t *body,
                   struct err *err)
{
    static const char *const names[] = {"error", "message", "detail", "fault_message"};
    const char *words = NULL;
    int code = a->status == 404                       ? -ENOENT
               : a->status == 401 || a->status == 403 ? -EACCES
               : a->status == 409                     ? -EBUSY
                                                      : -EREMOTEIO;

    for (size_t i = 0; i < ARRAY_LEN(names) && !words; i++)
        words = json_string_value(json_object_get(body, names[i]));
    if (!words)
        words = buf_str(&a->body);
    size_t len = utf8_valid_prefix(words, strcspn(words, "\r\n"));
    return err_set(err, code, "%s %s: %d%s%.*s", method, url, a->status, len ? ": " : "",
                   (int)(len < 600 ? len : utf8_valid_prefix(words, 600)), words);
}

int fcctl_call(struct machines *ms, struct fcctl_vm *t, const char *method, const char *path,
               json_t *body_take, int timeout_ms, json_t **ret, int *ret_status, struct err *err)
{
    _json_ json_t *body = body_take;
    _buf_ struct buf url = BUF_INIT, token = BUF_INIT, header = BUF_INIT;
    _http_answer_ struct http_answer answer = {0};
    _free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int64_t left;
    int r = body && !text ? err_errno(err, -ENOMEM, "fcctl") : fcctl_settings(ms, &url, &token, &left, err);

    if (ret_status)
        *ret_status = 0;
    if (r < 0)
        return r;
    buf_adds(&url, path);
    buf_addf(&header, "Authorization: Bearer %s", buf_str(&token));
    if (!buf_ok(&url) || !buf_ok(&header))
        return err_errno(err, -ENOMEM, "fcctl");
    const char *const headers[] = {"Content-Type: application/json", token.len ? header.ptr : NULL, NULL};
    r = http_call(&(struct http_call){.method = method,
                                      .url = url.ptr,
                                      .headers = headers,
                                      .body = text,
                                      .len = text ? strlen(text) : 0,
                                      .max = FCCTL_ANSWER_MAX,
                                      .timeout_ms = timeout_ms,
                                      .unwanted = t && !t->deaf ? fcctl_unwanted : NULL,
                                      .data = t,
                                      .wake = t && !t->deaf ? &t->fd : NULL},
                  &answer, err);
    explicit_bzero(header.ptr, header.len);
    if (r < 0)
        return r;
    if (ret_status)
        *ret_status = answer.status;
    _json_ json_t *got = json_loadb(buf_str(&answer.body), answer.body.len, JSON_ALLOW_NUL, NULL);
    if (answer.status < 200 || answer.status > 299)
        return refused(method, url.ptr, &answer, got, err);
    if (ret)
        *ret = TAKE(got);
    return 0;
}

/* -------------------------------------------------------------------------------------------- a machine */

/* It goes into paths. */
static bool good_id(const char *id)
{
    return id && *id && strlen(id) < FCCTL_ID_MAX && *id != '.' &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(id);
}

static int create(struct fcctl_vm *t, const struct machine_spec *spec, struct err *err)
{
    _json_ json_t *answer = NULL;
    json_t *body = json_pack("{s:s, s:s}", "name", spec->name, "vm_type",
                             spec->image ? spec->image : "terraphim-minimal");
    int r = fcctl_call(t->ms, NULL, "POST", "/api/vms", body, ANSWER_MS, &answer, NULL, err);
    const char *id = json_string_value(json_object_get(answer, "id"));

    if (r == 0 && !good_id(id))
        return err_set(err, -EREMOTEIO, "POST /api/vms: the server's answer has no `id` that could be one");
    if (r == 0)
        snprintf(t->id, sizeof(t->id), "%s", id);
    return r;
}

/* 1: it runs; 0: not yet. A server that is busy may fail to answer now and then. */
static int look(struct fcctl_vm *t, char *ret_status, size_t size, struct err *err)
{
    _json_ json_t *answer = NULL;
    char path[FCCTL_ID_MAX + 16];
    int http;

    snprintf(path, sizeof(path), "/api/vms/%s", t->id);
    int r = fcctl_call(t->ms, NULL, "GET", path, NULL, ANSWER_MS, &answer, &http, err);
    if (r < 0)
        return r == -EKEYEXPIRED || (http >= 400 && http < 500 && http != 429) ? r : 0;
    const char *status = json_string_value(json_object_get(answer, "status"));
    const char *why = json_string_value(json_object_get(answer, "error"));
    snprintf(ret_status, size, "%.60s", status ? status : "(none)");
    if (str_eq_ascii_nocase(ret_status, "running"))
        return 1;
    static const char *const ends[] = {"failed", "error", "stopped", "terminated", "deleted"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (str_eq_ascii_nocase(ret_status, ends[i]))
            return err_set(err, -EREMOTEIO, "the server's machine %s did not start: %s%s%.500s", t->id,
                           ret_status, why ? ": " : "", why ? why : "");
    return 0;
}

static int wait_until_ready(struct fcctl_vm *t, const struct machine_spec *spec, struct err *err)
{
    int64_t until = mono_ns() + READY_S * 1000000000LL;
    char status[64] = "(no answer)";
    int pause_ms = POLL_FIRST_MS, r;

    while ((r = look(t, status, sizeof(status), err)) == 0) {
        if (mono_ns() > until)
            return err_set(err, -ETIMEDOUT,
                           "the server's machine %s is not running after %d s: its status is %s", t->id,
                           READY_S, status);
        if (spec_cancelled(spec, err))
            return -ECANCELED;
        usleep((useconds_t)pause_ms * 1000);
        pause_ms = pause_ms * 3 / 2 < POLL_MAX_MS ? pause_ms * 3 / 2 : POLL_MAX_MS;
    }
    return r < 0 ? r : 0;
}

static int make_dirs_there(struct machine *m, struct fcctl_vm *t, struct err *err)
{
    const char *const dirs[] = {m->paths.workspace, m->paths.files, m->paths.tool_cache, m->paths.home};
    _buf_ struct buf script = BUF_INIT;
    struct fcctl_result result = {0};

    buf_adds(&script, "mkdir -p --");
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        buf_addc(&script, ' ');
        fcctl_add_word(&script, dirs[i]);
    }
    int r = buf_ok(&script) ? fcctl_step(t, script.ptr, &result, err) : err_errno(err, -ENOMEM, "fcctl");
    fcctl_result_release(&result);
    return r;
}

static int start_agent(struct machine *m, struct fcctl_vm *t, struct err *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, -errno, "cannot make a socket");
    t->fd = pair[1];
    int r = agent_client_open(&m->client, pair[0], -1, err);
    if (r == 0 && (r = -pthread_create(&t->thread, NULL, fcctl_agent, t)) < 0)
        err_errno(err, r, "cannot start a thread");
    t->running = r == 0;
    return r == 0 ? agent_client_hello(&m->client, 10000, err) : r;
}

/* A job may run for longer than its token is good. */
static void note_expiry(struct machine *m, int64_t left)
{
    if (left < 6 * 3600)
        snprintf(m->note, sizeof(m->note),
                 "The token for the server of this machine expires in %lld minutes: write a new one to "
                 "config/fcctl/token before, it is used from then on",
                 (long long)left / 60);
}

static int fcctl_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                         struct err *err)
{
    _buf_ struct buf url = BUF_INIT, token = BUF_INIT;
    int64_t left = 0;
    int r = fcctl_settings(ms, &url, &token, &left, err);

    if (r == 0 && left < EXPIRES_SOON_S)
        r = err_set(err, -EKEYEXPIRED, "the token expires in %lld seconds, before anything could run",
                    (long long)left);
    if (r == 0)
        r = machine_set_paths(m, "", spec->workspace, err);
    struct fcctl_vm *t = r == 0 ? calloc(1, sizeof(*t)) : NULL;
    if (r < 0)
        return r;
    if (!t)
        return err_errno(err, -ENOMEM, "fcctl");
    m->own = t;
    t->ms = ms;
    t->fd = -1;
    snprintf(t->session, sizeof(t->session), "workflow-executor-%.40s", m->id);
    note_expiry(m, left);
    r = create(t, spec, err);
    if (r == 0)
        r = wait_until_ready(t, spec, err);
    if (r == 0)
        r = make_dirs_there(m, t, err);
    return r == 0 ? start_agent(m, t, err) : r;
}

static void fcctl_end(struct machine *m)
{
    struct fcctl_vm *t = m->own;
    char path[FCCTL_ID_MAX + 16];
    struct err err = {0};

    agent_client_close(&m->client); /* the thread's request ends with it */
    if (t->running)
        pthread_join(t->thread, NULL);
    cleanup_close(&t->fd);
    snprintf(path, sizeof(path), "/api/vms/%s", t->id);
    if (*t->id) {
        int r = fcctl_call(t->ms, NULL, "DELETE", path, NULL, ANSWER_MS, NULL, NULL, &err);
        if (r < 0 && r != -ENOENT)
            log_warning("machine", "a machine is left on its server: %s", err.msg);
    }
    buf_release(&t->in);
    buf_release(&t->puts);
    buf_release(&t->file);
    free(t->path);
    free(t);
}

/* --------------------------------------------------------------------------------------------- snapshots */

static int fcctl_snapshot(struct machine *m, const char *name, struct buf *ret_handle, struct err *err)
{
    struct fcctl_vm *t = m->own;
    _json_ json_t *answer = NULL;
    char path[FCCTL_ID_MAX + 32];

    snprintf(path, sizeof(path), "/api/vms/%s/snapshots", t->id);
    int r = fcctl_call(t->ms, NULL, "POST", path,
                       json_pack("{s:s, s:s}", "name", name, "description", "taken by runfs"), SNAPSHOT_MS,
                       &answer, NULL, err);
    const char *id = json_string_value(json_object_get(answer, "snapshot_id"));
    if (r == 0 && !good_id(id))
        return err_set(err, -EREMOTEIO, "POST %s: the answer has no `snapshot_id` that could be one", path);
    if (r == 0)
        buf_adds(ret_handle, id);
    return r;
}

static int fcctl_rollback(struct machine *m, const char *handle, struct err *err)
{
    struct fcctl_vm *t = m->own;
    char path[2 * FCCTL_ID_MAX + 32];

    snprintf(path, sizeof(path), "/api/vms/%s/rollback/%s", t->id, handle);
    int r = fcctl_call(t->ms, NULL, "POST", path, json_object(), SNAPSHOT_MS, NULL, NULL, err);
    return r == 0 ? wait_until_ready(t, &m->spec, err) : r;
}

/* ---------------------------------------------------------------------------------------------- the kind */

static int fcctl_check_label(const struct machine_label *l, struct err *err)
{
    const struct machine_limits *n = &l->limits;

    if (l->image && !good_id(l->image))
        return err_set(err, -EINVAL, "'%s' cannot be a type of fcctl-web's machines", l->image);
    if (l->network != MACHINE_NET_DEFAULT || n->memory || n->disk || n->cpu || n->pids || n->files)
        return err_set(err, -EINVAL,
                       "what a machine of fcctl may use, and its network, is its type's: `fcctl:TYPE` takes "
                       "output= only");
    return 0;
}

static int fcctl_probe(struct machines *ms, struct err *err)
{
    return fcctl_call(ms, NULL, "GET", "/health", NULL, 900, NULL, NULL, err);
}

static void fcctl_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    _buf_ struct buf url = BUF_INIT, token = BUF_INIT;
    int64_t left;

    (void)fcctl_settings((struct machines *)ms, &url, &token, &left, NULL);
    if (why)
        snprintf(words, size, "%s", why->msg);
    else
        snprintf(words, size, "virtual machines of %.300s, which answers", buf_str(&url));
}

const struct machine_ops machine_fcctl = {.name = "fcctl",
                                          .isolates = true,
                                          .elsewhere = true,
                                          .remote = true,
                                          .images = true,
                                          .one_command = true,
                                          .acquire = fcctl_acquire,
                                          .end = fcctl_end,
                                          .snapshot = fcctl_snapshot,
                                          .rollback = fcctl_rollback,
                                          .check_label = fcctl_check_label,
                                          .probe = fcctl_probe,
                                          .explain = fcctl_explain};
