/*
 * One HTTP request to another server, by libcurl: over TCP (TLS too) or over a unix socket. Redirects are not
 * followed, and what the answer may cost is bounded: its size, and the time that it takes. Any thread.
 */
#ifndef RUNFS_HTTP_CLIENT_H
#define RUNFS_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "runfs/buf.h"
#include "runfs/err.h"

struct http_call {
    const char *method, *url;
    const char *socket_path;    /* of a unix socket that the server is at; NULL: the URL says where it is */
    const char *const *headers; /* NULL-terminated "Name: value"; may be NULL */
    const void *body;           /* NULL: none */
    size_t len;
    size_t max;     /* bytes of the answer's body; more: -EFBIG */
    int timeout_ms; /* of all of it; 0: none */
    /* Whether nobody wants the answer any more, then: -ECANCELED. Asked ten times a second, and when `wake`
     * can be read. NULL: it is wanted. */
    bool (*unwanted)(void *data);
    void *data;
    const int *wake; /* a descriptor; NULL: none */
};

struct http_answer {
    int status; /* of HTTP, whatever it is */
    struct buf body;
    struct buf headers; /* "Name: value" lines as they came, 64 KB at most */
};
void http_answer_release(struct http_answer *a);
#define _http_answer_ _cleanup_(http_answer_release)
/* Appends the value of the last header of that name, whatever its case. 0 or -ENOENT. */
int http_answer_header(const struct http_answer *a, const char *name, struct buf *ret);

/*
 * 0 when there was an answer. -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, -ECONNRESET (no whole answer came),
 * -EFBIG, -ECANCELED, -EPROTO (TLS), -EINVAL (the URL), -EIO, with words. Proxies are those of the
 * environment, and none on the way to this host itself.
 */
int http_call(const struct http_call *c, struct http_answer *ret, struct err *err);

#endif
