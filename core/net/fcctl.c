/* The server of fcctl-web's API: its routes, who may use them, and how it refuses. */
#include "fcctl_internal.h"

#include <strings.h>

#include "jwt.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { SMALL_MAX = 64 * 1024, CODE_MAX = 64 * 1024 * 1024, CONNECTIONS_MAX = 64, IDLE_SECONDS = 30 };

/* ----------------------------------------------------------------------------------------------- replies */

void fcctl_refuse(struct http_request *r, unsigned status, const char *fmt, ...)
{
    _buf_ struct buf words = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_addv(&words, fmt, ap);
    va_end(ap);
    http_reply_json(r, status, json_pack("{s:s}", "error", buf_str(&words)));
}

json_t *fcctl_body(struct http_request *r)
{
    const struct buf *text = http_body(r);
    json_error_t why;
    json_t *body = json_loadb(buf_str(text), text->len, JSON_REJECT_DUPLICATES, &why);

    if (!json_is_object(body)) {
        fcctl_refuse(r, 400, "the body is a JSON object%s%s", body ? "" : ": ", body ? "" : why.text);
        json_decref(body);
        return NULL;
    }
    return body;
}

const char *fcctl_text(struct http_request *r, json_t *body, const char *name, size_t max,
                       const char *fallback)
{
    json_t *value = json_object_get(body, name);

    if ((!value || json_is_null(value)) && fallback)
        return fallback;
    if (!json_is_string(value)) {
        fcctl_refuse(r, 400, "`%s` is a string%s", name, value ? "" : ", and is missing");
        return NULL;
    }
    if (json_string_length(value) > max) {
        fcctl_refuse(r, 413, "`%s` is longer than %zu bytes", name, max);
        return NULL;
    }
    return json_string_value(value);
}

/* ------------------------------------------------------------------------------------------------ tokens */

int fcctl_token(const void *key, size_t key_len, int64_t seconds, struct buf *ret)
{
    int64_t now = now_ns() / 1000000000LL;
    jwt_t *jwt = NULL;

    if (jwt_new(&jwt) != 0)
        return -ENOMEM;
    if (jwt_add_grant(jwt, "iss", "runfs") != 0 || jwt_add_grant_int(jwt, "iat", (long)now) != 0 ||
        jwt_add_grant_int(jwt, "exp", (long)(now + seconds)) != 0) {
        jwt_free(jwt);
        return -ENOMEM;
    }
    return jwt_sign(jwt, key, key_len, ret);
}

static void refuse_token(struct http_request *r, const char *words)
{
    http_add_header(r, "WWW-Authenticate", "Bearer");
    fcctl_refuse(r, 401, "%s", words);
}

static void admit(struct http_request *r)
{
    const struct fcctl *f = http_data(r);
    const char *given = http_header(r, "Authorization");
    int64_t now = now_ns() / 1000000000LL;

    if (str_eq(http_path(r), "/health"))
        return;
    if (!given || strncasecmp(given, "Bearer ", 7) != 0) {
        refuse_token(r, "a token is needed: Authorization: Bearer TOKEN (`runfs fcctl-serve --token` makes "
                        "one)");
        return;
    }
    jwt_t *jwt = jwt_of_bearer(given, f->key, f->key_len);
    if (!jwt)
        refuse_token(r, "the token is none of this server: it is a JWT, signed with HS256 and this server's "
                        "key");
    else if (jwt_get_grant_int(jwt, "exp") <= now)
        refuse_token(r, "the token has expired");
    else if (jwt_get_grant_int(jwt, "nbf") > now)
        refuse_token(r, "the token is not valid yet");
    jwt_free(jwt);
}

static void say_health(struct http_request *r)
{
    http_reply_json(r, 200, json_pack("{s:s, s:s}", "status", "healthy", "version", RUNFS_VERSION));
}

static const struct http_route routes[] = {
    {"GET", "/health", 0, NULL, say_health, "whether it is there", 0},
    {"GET", "/api/vms", 0, NULL, fcctl_list, "all machines", 0},
    {"POST", "/api/vms", SMALL_MAX, NULL, fcctl_create, "makes one", 0},
    {"GET", "/api/vms/:id", 0, NULL, fcctl_show, "one machine", 0},
    {"DELETE", "/api/vms/:id", SMALL_MAX, NULL, fcctl_delete, "removes it", 0},
    {"POST", "/api/vms/:id/snapshots", SMALL_MAX, NULL, fcctl_snapshot, "takes one", 0},
    {"POST", "/api/vms/:id/rollback/:snapshot", SMALL_MAX, NULL, fcctl_rollback, "goes back to one", 0},
    {"POST", "/api/llm/execute", CODE_MAX, NULL, fcctl_execute, "runs a script", 0},
    {0},
};

/* -------------------------------------------------------------------------------------------------- life */

int fcctl_start(const struct fcctl_opts *opts, struct fcctl **ret, struct err *err)
{
    _machine_label_ struct machine_label label = {0};
    struct machine_spec spec;
    int r = label_spec(opts->store, opts->label, &label, &spec, err);
    struct fcctl *f = r == 0 ? calloc(1, sizeof(*f)) : NULL;

    if (r < 0)
        return r;
    if (!f || !(f->label = strdup(opts->label))) {
        free(f);
        return err_errno(err, -ENOMEM, "fcctl");
    }
    f->store = opts->store;
    f->machines = opts->machines;
    f->max_machines = opts->max_machines;
    f->key_len = opts->key_len < sizeof(f->key) ? opts->key_len : sizeof(f->key);
    memcpy(f->key, opts->key, f->key_len);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    const struct http_opts http = {.address = opts->address,
                                   .port = opts->port,
                                   .routes = routes,
                                   .data = f,
                                   .admit = admit,
                                   .max_connections = CONNECTIONS_MAX,
                                   .idle_seconds = IDLE_SECONDS};
    r = -pthread_create(&f->watcher, NULL, fcctl_watch, f);
    f->has_watcher = r == 0;
    r = r < 0 ? err_errno(err, r, "fcctl") : http_start(&http, &f->http, err);
    if (r < 0) {
        fcctl_stop(f);
        return r;
    }
    *ret = f;
    return 0;
}

uint16_t fcctl_port(const struct fcctl *f)
{
    return http_port(f->http);
}

void fcctl_stop(struct fcctl *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->ending = true; /* the watcher kills what runs, and requests that wait are refused */
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    http_stop(f->http);
    pthread_mutex_lock(&f->lock);
    while (f->makers)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    if (f->has_watcher)
        pthread_join(f->watcher, NULL);
    fcctl_release_all(f);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    explicit_bzero(f->key, sizeof(f->key));
    free(f->label);
    free(f);
}
