/* The HTTP server: connections, the table of routes, and bodies on their way to memory or to a file. */
#include "runfs/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "http_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

enum {
    HEADER_MAX = 64 * 1024,
    PASS_OVER_MAX = 64 * 1024 * 1024, /* of a body that was refused: more than that ends the connection */
    SLOW_AFTER_S = 30,                /* from then on a body comes at */
    SLOW_BYTES_PER_S = 1024,          /* this rate on average, or not at all */
};

struct http_server {
    struct MHD_Daemon *daemon;
    const struct http_route *routes;
    void *data;
    uint16_t port;
};

/* ------------------------------------------------------------------------------------------------ routes */

static void pairs_free(struct http_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

static bool pairs_add(struct http_pair *pairs, size_t *n, size_t max, char *name, char *value)
{
    if (!name || !value || *n == max) {
        free(name);
        free(value);
        return false;
    }
    pairs[(*n)++] = (struct http_pair){name, value};
    return true;
}

/* Segment by segment; a parameter is never empty. */
static bool match(struct http_request *r, const char *pattern, const char *path)
{
    pairs_free(r->params, r->n_params);
    r->n_params = 0;
    while (*pattern && *path) {
        size_t p = strcspn(pattern + 1, "/") + 1, u = strcspn(path + 1, "/") + 1;
        if (*pattern != '/' || *path != '/')
            return false;
        if (pattern[1] == ':') {
            if (u == 1 || !pairs_add(r->params, &r->n_params, HTTP_PARAMS, strndup(pattern + 2, p - 2),
                                     strndup(path + 1, u - 1)))
                return false;
        } else if (p != u || strncmp(pattern, path, p) != 0) {
            return false;
        }
        pattern += p;
        path += u;
    }
    return !*pattern && !*path;
}

static void find_route(struct http_request *r, const char *method)
{
    bool known = false;

    for (const struct http_route *route = r->server->routes; route->method; route++) {
        if (!match(r, route->pattern, r->path))
            continue;
        known = true;
        if (str_eq(method, route->method) || (str_eq(method, "HEAD") && str_eq(route->method, "GET"))) {
            r->route = route;
            return;
        }
    }
    if (known)
        http_reply(r, 405, "text/plain", "this path does not know the method\n", 35);
    else
        http_reply(r, 404, "text/plain", "there is no such path\n", 22);
}

/* ---------------------------------------------------------------------------------------------- requests */

void *http_data(const struct http_request *r)
{
    return r->server->data;
}

void http_keep(struct http_request *r, void *own, void (*release)(void *own))
{
    r->own = own;
    r->release = release;
}

void *http_kept(const struct http_request *r)
{
    return r->own;
}

const char *http_param(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_params; i++)
        if (str_eq(r->params[i].name, name))
            return r->params[i].value;
    return NULL;
}

const char *http_query(struct http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(struct http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *http_path(const struct http_request *r)
{
    return r->path;
}

int64_t http_length(struct http_request *r)
{
    const char *text = http_header(r, "Content-Length");
    uint64_t n;

    return text && parse_u64(text, &n) == 0 && n <= INT64_MAX ? (int64_t)n : -1;
}

const struct buf *http_body(const struct http_request *r)
{
    return &r->body;
}

void http_body_to_file(struct http_request *r, int fd, int64_t offset, int64_t max)
{
    r->file = fd;
    r->file_at = offset;
    r->max = max;
}

void http_add_header(struct http_request *r, const char *name, const char *value)
{
    (void)pairs_add(r->headers, &r->n_headers, HTTP_HEADERS, strdup(name), strdup(value));
}

static struct http_request *request_new(struct http_server *s, struct MHD_Connection *c, const char *path)
{
    struct http_request *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    *r = (struct http_request){
        .server = s, .connection = c, .file = -1, .path = strdup(path), .started_at = mono_ns()};
    if (!r->path) {
        free(r);
        return NULL;
    }
    return r;
}

static void request_free(struct http_request *r)
{
    if (!r)
        return;
    if (r->release)
        r->release(r->own);
    if (r->response)
        MHD_destroy_response(r->response);
    pairs_free(r->params, r->n_params);
    pairs_free(r->headers, r->n_headers);
    buf_release(&r->body);
    free(r->path);
    free(r);
}

/* ------------------------------------------------------------------------------------------------ bodies */

static void begin(struct http_request *r, const char *method)
{
    find_route(r, method);
    if (r->response)
        return;
    r->max = (int64_t)r->route->body_max;
    if (r->route->begin)
        r->route->begin(r);
    if (!r->response && http_length(r) > r->max)
        r->body_error = -EFBIG;
}

static bool too_slow(const struct http_request *r)
{
    int64_t seconds = (mono_ns() - r->started_at) / 1000000000LL;

    return seconds > SLOW_AFTER_S && r->received / seconds < SLOW_BYTES_PER_S;
}

/* A part of the body. False: the connection is to end. */
static bool take(struct http_request *r, const char *data, size_t len)
{
    r->received += (int64_t)len;
    if (r->response || r->body_error) {
        r->passed_over += (int64_t)len;
        return r->passed_over <= PASS_OVER_MAX && !too_slow(r);
    }
    if (r->received > r->max) {
        r->body_error = -EFBIG;
    } else if (r->file < 0) {
        buf_add(&r->body, data, len);
        r->body_error = buf_ok(&r->body) ? 0 : -ENOMEM;
    } else {
        r->body_error = pwrite_all(r->file, data, len, r->file_at);
        r->file_at += (int64_t)len;
    }
    return !too_slow(r);
}

static void finish(struct http_request *r)
{
    static const char large[] = "the body is too large\n", full[] = "the disk is full\n",
                      other[] = "cannot keep the body\n";

    if (r->response)
        return;
    if (r->body_error == -EFBIG)
        http_reply(r, 413, "text/plain", large, strlen(large));
    else if (r->body_error == -ENOSPC || r->body_error == -EDQUOT)
        http_reply(r, 507, "text/plain", full, strlen(full));
    else if (r->body_error)
        http_reply(r, 500, "text/plain", other, strlen(other));
    else
        r->route->handle(r);
    if (!r->response)
        http_reply(r, 500, "text/plain", other, strlen(other));
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *bytes, size_t *len, void **request)
{
    struct http_request *r = *request;

    (void)version;
    if (!r) {
        *request = r = request_new(data, c, path);
        if (r)
            begin(r, method);
        return r ? MHD_YES : MHD_NO;
    }
    if (*len) {
        bool more = take(r, bytes, *len);
        *len = 0;
        return more ? MHD_YES : MHD_NO;
    }
    finish(r);
    if (!r->response)
        return MHD_NO; /* no memory for any reply */
    enum MHD_Result queued = MHD_queue_response(c, r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    return queued;
}

static void on_ended(void *data, struct MHD_Connection *c, void **request,
                     enum MHD_RequestTerminationCode how)
{
    (void)data;
    (void)c;
    (void)how;
    request_free(*request);
    *request = NULL;
}

/* ------------------------------------------------------------------------------------------------ server */

__attribute__((format(printf, 2, 0))) static void on_log(void *data, const char *fmt, va_list ap)
{
    _buf_ struct buf line = BUF_INIT;

    (void)data;
    buf_addv(&line, fmt, ap);
    log_debug("http", "%.*s", (int)strcspn(buf_str(&line), "\n"), buf_str(&line));
}

int http_start(const struct http_opts *opts, struct http_server **ret, struct err *err)
{
    struct http_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(opts->port)};

    if (!s)
        return err_errno(err, -ENOMEM, "cannot start the HTTP server");
    s->routes = opts->routes;
    s->data = opts->data;
    if (inet_pton(AF_INET, opts->address, &address.sin_addr) != 1) {
        free(s);
        return err_set(err, -EINVAL, "'%s' is no address to listen on", opts->address);
    }
    s->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ERROR_LOG,
        opts->port, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_ended, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_CONNECTION_LIMIT, opts->max_connections ? opts->max_connections : 128u,
        MHD_OPTION_CONNECTION_TIMEOUT, opts->idle_seconds ? opts->idle_seconds : 120u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MAX, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        int code = errno ? -errno : -EIO;
        http_stop(s);
        return err_errno(err, code, "cannot listen on %s:%u", opts->address, opts->port);
    }
    s->port = info->port;
    *ret = s;
    return 0;
}

uint16_t http_port(const struct http_server *s)
{
    return s->port;
}

void http_stop(struct http_server *s)
{
    if (!s)
        return;
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    free(s);
}
