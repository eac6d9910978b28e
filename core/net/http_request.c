/* What a handler may ask of its request: path, parameters, headers, who sent it, and its body. */
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "http_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

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

struct header_visit {
    http_header_fn *fn;
    void *data;
};

static enum MHD_Result visit_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_visit *v = data;

    (void)kind;
    v->fn(v->data, name, value ? value : "");
    return MHD_YES;
}

void http_each_header(struct http_request *r, http_header_fn *fn, void *data)
{
    struct header_visit v = {fn, data};

    (void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, visit_header, &v);
}

void http_each_query(struct http_request *r, http_header_fn *fn, void *data)
{
    struct header_visit v = {fn, data};

    (void)MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, visit_header, &v);
}

const char *http_path(const struct http_request *r)
{
    return r->path;
}

const char *http_method(const struct http_request *r)
{
    return r->method;
}

const struct http_route *http_route(const struct http_request *r)
{
    return r->route;
}

bool http_over_tls(const struct http_request *r)
{
    return r->server->key != NULL;
}

bool http_prefixed(const struct http_request *r)
{
    return r->prefixed;
}

unsigned http_status(const struct http_request *r)
{
    return r->status;
}

int64_t http_age_ns(const struct http_request *r)
{
    return mono_ns() - r->started_at;
}

void http_set_caller(struct http_request *r, int64_t caller)
{
    r->caller = caller;
}

int64_t http_caller(const struct http_request *r)
{
    return r->caller;
}

struct http_peer http_peer(const struct http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info ? info->client_addr : NULL;
    struct http_peer peer = {.text = "unix", .is_unix = r->server->socket_path};
    socklen_t len = a && a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

    if (!peer.is_unix &&
        (!a || getnameinfo(a, len, peer.text, sizeof(peer.text), NULL, 0, NI_NUMERICHOST) != 0))
        snprintf(peer.text, sizeof(peer.text), "?");
    return peer;
}

int http_socket(const struct http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

bool http_gone(const struct http_request *r)
{
    struct pollfd p = {.fd = http_socket(r), .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0;
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
