/* The HTTP server: connections, the table of routes, and bodies on their way to memory or to a file. */
#include "runfs/http.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "http_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

enum {
    HEADER_MAX = 64 * 1024,
    PASS_OVER_MAX = 64 * 1024 * 1024, /* of a body that was refused: more than that ends the connection */
    SLOW_AFTER_S = 30,                /* in each such time a body comes at */
    SLOW_BYTES_PER_S = 1024,          /* this rate, or not at all */
    BODIES_MAX = 256 * 1024 * 1024,   /* in memory, of all requests together */
    BODIES_OF_PEER = 64 * 1024 * 1024,
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

/* "*name" takes all that leaves what the pattern has behind it, which has no parameters. */
static bool match_rest(struct http_request *r, const char *star, size_t len, const char *path)
{
    size_t all = strlen(path), behind = strlen(star + len);

    return all > behind && str_eq(path + all - behind, star + len) &&
           pairs_add(r->params, &r->n_params, HTTP_PARAMS, strndup(star + 1, len - 1),
                     strndup(path, all - behind));
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
        if (pattern[1] == '*')
            return match_rest(r, pattern + 1, p - 1, path + 1);
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

/* RFC 9110, 15.5.6: what the path does know. */
static void allow(struct buf *methods, const char *method)
{
    if (strstr(buf_str(methods), method))
        return;
    buf_addf(methods, "%s%s", methods->len ? ", " : "", method);
    if (str_eq(method, "GET"))
        buf_adds(methods, ", HEAD");
}

/* Sets route, or appends the methods that the path knows instead: none, there is no such path. What is
 * not UTF-8 is the name of nothing, and no answer in JSON could repeat it. */
static void find_route(struct http_request *r, const char *method, struct buf *methods)
{
    if (!utf8_valid(r->path, strlen(r->path)))
        return;
    for (const struct http_route *route = r->server->routes; route->method; route++) {
        if (!match(r, route->pattern, r->path))
            continue;
        if (str_eq(method, route->method) || (str_eq(method, "HEAD") && str_eq(route->method, "GET"))) {
            r->route = route;
            return;
        }
        allow(methods, route->method);
    }
}

/* ---------------------------------------------------------------------------------------------- requests */

void http_add_header(struct http_request *r, const char *name, const char *value)
{
    (void)pairs_add(r->headers, &r->n_headers, HTTP_HEADERS, strdup(name), strdup(value));
}

/* Behind the scheme and host that a request through a proxy has, and behind the server's prefix. */
static char *own_path(const struct http_server *s, char *path, bool *ret_prefixed)
{
    static char root[] = "/";
    char *slash = str_starts(path, "http://") ? strchr(path + 7, '/') : path;
    size_t len = s->prefix ? strlen(s->prefix) : 0;

    if (!slash)
        return root;
    *ret_prefixed = len && strncmp(slash, s->prefix, len) == 0 && (slash[len] == '/' || !slash[len]);
    if (!*ret_prefixed)
        return slash;
    return slash[len] ? slash + len : root;
}

static struct http_request *request_new(struct http_server *s, struct MHD_Connection *c, const char *path,
                                        const char *method)
{
    struct http_request *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    *r = (struct http_request){.server = s,
                               .connection = c,
                               .file = -1,
                               .path_owned = strdup(path),
                               .started_at = mono_ns(),
                               .rated_at = mono_ns()};
    if (!r->path_owned) {
        free(r);
        return NULL;
    }
    snprintf(r->method, sizeof(r->method), "%s", method);
    r->path = own_path(s, r->path_owned, &r->prefixed);
    return r;
}

static atomic_size_t *bodies_of(struct http_request *r)
{
    const struct http_peer peer = http_peer(r);

    return &r->server->bodies_of[str_hash(peer.text) % HTTP_PEERS];
}

static void drop_body(struct http_request *r)
{
    if (r->body_counted)
        atomic_fetch_sub(r->bodies_of, r->body_counted);
    atomic_fetch_sub(&r->server->bodies, r->body_counted);
    r->body_counted = 0;
    buf_release(&r->body);
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
    drop_body(r);
    free(r->path_owned);
    free(r);
}

/* ------------------------------------------------------------------------------------------------ bodies */

static void begin(struct http_request *r, const char *method)
{
    _buf_ struct buf methods = BUF_INIT;

    find_route(r, method, &methods);
    if (r->server->admit)
        r->server->admit(r);
    http_claim(&r->server->watch, r->connection, r->caller);
    if (!r->response && !r->route && methods.len) {
        http_add_header(r, "Allow", buf_str(&methods));
        http_fail(r, 405, "this path does not know the method");
    } else if (!r->response && !r->route) {
        http_fail(r, 404, "Not Found");
    }
    if (r->response)
        return;
    r->max = (int64_t)r->route->body_max;
    if (r->route->begin)
        r->route->begin(r);
    if (!r->response && http_length(r) > r->max)
        r->body_error = -EFBIG;
}

static bool too_slow(struct http_request *r)
{
    int64_t now = mono_ns(), seconds = (now - r->rated_at) / 1000000000LL;

    if (seconds < SLOW_AFTER_S)
        return false;
    bool slow = (r->received - r->rated) / seconds < SLOW_BYTES_PER_S;
    r->rated_at = now;
    r->rated = r->received;
    return slow;
}

static int keep_in_memory(struct http_request *r, const char *data, size_t len)
{
    if (!r->bodies_of)
        r->bodies_of = bodies_of(r);
    bool room = atomic_fetch_add(&r->server->bodies, len) + len <= BODIES_MAX;

    room &= atomic_fetch_add(r->bodies_of, len) + len <= BODIES_OF_PEER;
    r->body_counted += len;
    if (room)
        buf_add(&r->body, data, len);
    if (room && buf_ok(&r->body))
        return 0;
    drop_body(r);
    return room ? -ENOMEM : -ENOBUFS;
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
        r->body_error = keep_in_memory(r, data, len);
    } else {
        r->body_error = pwrite_all(r->file, data, len, r->file_at);
        r->file_at += (int64_t)len;
    }
    return !too_slow(r);
}

static void finish(struct http_request *r)
{
    if (r->response)
        return;
    if (r->body_error == -EFBIG)
        http_fail(r, 413, "the body is too large");
    else if (r->body_error == -ENOBUFS)
        http_fail(r, 503, "too many large bodies at once");
    else if (r->body_error == -ENOSPC || r->body_error == -EDQUOT)
        http_fail(r, 507, "the disk is full");
    else if (r->body_error)
        http_fail(r, 500, "cannot keep the body");
    else
        r->route->handle(r);
    if (!r->response)
        http_fail(r, 500, "no answer could be made");
}

static enum MHD_Result send_reply(struct http_request *r)
{
    if (!r->response)
        return MHD_NO; /* no memory for any */
    enum MHD_Result queued = MHD_queue_response(r->connection, r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    return queued;
}

/* The header is there. What follows a doubtful one is not read. */
static enum MHD_Result take_header(struct http_request *r, const char *method, const char *version)
{
    const char *fault = http_framing_fault(r, version);

    http_set_waiting(&r->server->watch, r->connection, false);
    if (!fault) {
        begin(r, method);
        return MHD_YES;
    }
    http_add_header(r, "Connection", "close");
    http_reply(r, 400, "text/plain", fault, strlen(fault));
    return send_reply(r);
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *bytes, size_t *len, void **request)
{
    struct http_request *r = *request;

    if (!r) {
        *request = r = request_new(data, c, path, method);
        return r ? take_header(r, method, version) : MHD_NO;
    }
    if (*len) {
        bool more = take(r, bytes, *len);
        *len = 0;
        return more ? MHD_YES : MHD_NO;
    }
    /* Its time in a handler is no silence of a peer: the count of that begins anew. */
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    finish(r);
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, r->server->idle_seconds);
    return send_reply(r);
}

static void on_ended(void *data, struct MHD_Connection *c, void **request,
                     enum MHD_RequestTerminationCode how)
{
    struct http_server *s = data;

    (void)how;
    http_set_waiting(&s->watch, c, true);
    if (s->ended && *request)
        s->ended(*request);
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

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a);

    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

/* Older versions than TLS 1.2 are not spoken. */
static const char tls_versions[] = "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1";

static int keep_pair(struct http_server *s, const struct http_opts *opts)
{
    if (!opts->key)
        return 0;
    s->certificate = strdup(opts->certificate);
    s->key = strdup(opts->key);
    return s->certificate && s->key ? 0 : -ENOMEM;
}

int http_check_pair(const char *certificate, const char *key, struct err *err)
{
    struct MHD_Daemon *d = MHD_start_daemon(
        MHD_USE_TLS | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER,
        on_log, NULL, MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);

    if (d)
        MHD_stop_daemon(d);
    return d ? 0 : err_set(err, -EINVAL, "the certificate and the key are no pair of PEM files");
}

int http_start(const struct http_opts *opts, struct http_server **ret, struct err *err)
{
    struct http_server *s = calloc(1, sizeof(*s));

    if (!s)
        return err_errno(err, -ENOMEM, "cannot start the HTTP server");
    s->routes = opts->routes;
    s->data = opts->data;
    s->admit = opts->admit;
    s->ended = opts->ended;
    s->watch.crowded = opts->crowded;
    _close_ int fd = http_listen(opts->address, opts->port, err);
    if (fd < 0) {
        free(s);
        return fd;
    }
    s->prefix = opts->prefix ? strdup(opts->prefix) : NULL;
    s->socket_path = *opts->address == '/' ? strdup(opts->address) : NULL;
    s->idle_seconds = opts->idle_seconds ? opts->idle_seconds : 120u;
    s->port = s->socket_path ? 0 : port_of(fd);
    if (keep_pair(s, opts) < 0 || http_watch_start(&s->watch, s->idle_seconds) < 0) {
        http_stop(s);
        return err_errno(err, -ENOMEM, "cannot start the HTTP server");
    }
    const struct MHD_OptionItem pair[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, s->certificate},
                                          {MHD_OPTION_HTTPS_MEM_KEY, 0, s->key},
                                          {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_versions},
                                          {MHD_OPTION_END, 0, NULL}};
    s->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
                             MHD_USE_ERROR_LOG | (s->key ? MHD_USE_TLS : 0u),
                         s->port, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
                         MHD_OPTION_NOTIFY_COMPLETED, on_ended, s, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, &s->watch,
                         MHD_OPTION_CONNECTION_LIMIT, opts->max_connections ? opts->max_connections : 128u,
                         MHD_OPTION_PER_IP_CONNECTION_LIMIT, opts->max_of_address,
                         MHD_OPTION_CONNECTION_TIMEOUT, s->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)HEADER_MAX, MHD_OPTION_ARRAY, s->key ? pair : pair + 3, MHD_OPTION_END);
    if (!s->daemon) {
        int code = errno ? -errno : -EIO;
        http_stop(s);
        return err_errno(err, code, "cannot listen on %s:%u", opts->address, opts->port);
    }
    (void)TAKE_FD(fd); /* the daemon closes it */
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
    http_watch_end(&s->watch);
    if (s->socket_path)
        (void)unlink(s->socket_path);
    if (s->key)
        explicit_bzero(s->key, strlen(s->key));
    free(s->key);
    free(s->certificate);
    free(s->socket_path);
    free(s->prefix);
    free(s);
}
