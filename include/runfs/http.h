/*
 * An HTTP/1.1 server over a table of routes (libmicrohttpd), on a TCP address or a unix socket. A connection
 * has a thread of its own, so handlers may block. What peers may cost is bounded: connections, bytes of a
 * header and of a body, bytes of all bodies in memory, and time: a connection that is silent for idle_seconds
 * is closed, so is one whose header takes longer, and whose body comes slower than 1 KiB a second. A request
 * whose end is in doubt (two lengths, a length and a coding, no Host or two) is refused, its connection
 * closed.
 */
#ifndef RUNFS_HTTP_H
#define RUNFS_HTTP_H

#include <jansson.h>
#include <stdint.h>

#include "runfs/buf.h"
#include "runfs/err.h"

struct http_server;
struct http_request; /* belongs to the thread of its connection; gone when its reply has been sent */

/* Makes exactly one reply. */
typedef void http_fn(struct http_request *r);

/* The first route that fits in method and pattern answers. HEAD is answered by GET's, and a
 * path that only other methods fit by 405 with Allow. */
struct http_route {
    const char *method;  /* NULL ends a table */
    const char *pattern; /* "/runs/:id/log": ":name" is one segment of the path, "*name" one or more, up to
                          * what the pattern ends with */
    size_t body_max;     /* bytes of a body that is kept in memory */
    /* When the header is there: may refuse by a reply (the body is then passed over), or send the body to a
     * file. NULL: it goes to memory. */
    http_fn *begin;
    http_fn *handle; /* when the body is there, whole */
    const char *help;
    int scope; /* what a caller needs; means what `admit` makes of it */
};

struct http_opts {
    /* "127.0.0.1", "::1"; or the absolute path of a unix socket, which is made for its owner alone (0600) and
     * takes the place of one that a dead server left */
    const char *address;
    uint16_t port;      /* 0: the kernel chooses */
    const char *prefix; /* paths may begin with it ("/api/v3"), which routes do not see; NULL: none */
    const struct http_route *routes;
    void *data;     /* for http_data() */
    http_fn *admit; /* before anything else, of every request, whatever its path: may refuse; NULL: none */
    http_fn *ended; /* when the reply is on its way, for a log; NULL: none */
    unsigned max_connections, idle_seconds; /* 0: 128; 120 */
    unsigned max_of_address;                /* connections from one address; 0: as many */
    /* With more connections than that a new one ends one of the caller that has most (those whose caller is
     * not known count as one), so that none keeps the others out; less than max_connections. 0: it waits. */
    unsigned crowded;
    const char *certificate, *key; /* PEM, the chain with the server's own first: TLS; NULL: none */
};

/* Whether TLS can be spoken with them: 0, or -EINVAL with the reason. */
int http_check_pair(const char *certificate, const char *key, struct err *err);
int http_start(const struct http_opts *opts, struct http_server **ret, struct err *err);
uint16_t http_port(const struct http_server *s);
void http_stop(struct http_server *s); /* closes every connection and waits for its thread; NULL allowed */

/* ---------------------------------------------------------------------------------------------- requests */

void *http_data(const struct http_request *r); /* of the server */
/* Of the request: set by begin for handle, freed by `release` (may be NULL) when the request has ended. */
void http_keep(struct http_request *r, void *own, void (*release)(void *own));
void *http_kept(const struct http_request *r);

/* NULL: there is none. */
const char *http_param(const struct http_request *r, const char *name);
const char *http_query(struct http_request *r, const char *name);
const char *http_header(struct http_request *r, const char *name);
typedef void http_header_fn(void *data, const char *name, const char *value);
void http_each_header(struct http_request *r, http_header_fn *fn, void *data);
void http_each_query(struct http_request *r, http_header_fn *fn, void *data); /* names and values of "?..." */
const char *http_path(const struct http_request *r);
const char *http_method(const struct http_request *r);
const struct http_route *
http_route(const struct http_request *r); /* NULL: the path or its method is unknown */
bool http_over_tls(const struct http_request *r);
bool http_prefixed(const struct http_request *r); /* the path began with opts.prefix */
/* Who asks: "127.0.0.1"; "unix" by a socket. */
struct http_peer {
    char text[48];
    bool is_unix;
};
struct http_peer http_peer(const struct http_request *r);
bool http_gone(
    const struct http_request *r); /* who asks has closed its end. Any thread, while a handler runs */
int http_socket(const struct http_request *r); /* borrowed, for poll(2) and socket options; -1: unknown */
unsigned http_status(const struct http_request *r); /* of the reply */
int64_t http_age_ns(const struct http_request *r);
/* Who it is by the rules of `admit`; 0 at first. */
void http_set_caller(struct http_request *r, int64_t caller);
int64_t http_caller(const struct http_request *r);
int64_t http_length(struct http_request *r); /* of the body, as announced; -1: not announced */
const struct buf *http_body(const struct http_request *r);

/* From begin: the body goes to the borrowed fd, from `offset` on. More than max bytes: 413; -ENOSPC: 507; any
 * other error: 500; in these cases handle is not called. */
void http_body_to_file(struct http_request *r, int fd, int64_t offset, int64_t max);

/* ----------------------------------------------------------------------------------------------- replies */

/* For the reply that follows. */
void http_add_header(struct http_request *r, const char *name, const char *value);

/* To GET and HEAD, what is replied with 200 has an ETag, and who names it in If-None-Match is told 304. */
void http_reply(struct http_request *r, unsigned status, const char *type, const char *text, size_t len);
void http_reply_json(struct http_request *r, unsigned status, json_t *body_take);
/* {"message", "documentation_url", "status"}, as GitHub's errors are. */
void http_fail(struct http_request *r, unsigned status, const char *message);

/* The bytes of a file, or those that the request asks for by Range (or Azure's x-ms-range): 200, 206 or 416.
 */
void http_reply_file(struct http_request *r, int fd_take, const char *type);
/* The same of what a function writes: `size` bytes to fd, on a thread of its own; -EPIPE when nobody wants
 * more. release is called once, after it. A size below 0: nobody knows it, there are no ranges, and what the
 * function returns says whether that was all (0), or the connection is to be cut. */
typedef int http_write_fn(void *data, int fd);
void http_reply_stream(struct http_request *r, int64_t size, const char *type, http_write_fn *write,
                       void *data, void (*release)(void *data));
/* A reply whose end nobody knows, sent as it comes: `more` appends what is next and may wait for it, on the
 * thread of the connection. Appending nothing, or below 0, ends it. release is called once. */
typedef int http_more_fn(void *data, struct buf *ret);
void http_reply_endless(struct http_request *r, const char *type, http_more_fn *more, void *data,
                        void (*release)(void *data));

#endif
