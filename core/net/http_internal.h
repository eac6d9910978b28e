/* The inside of the HTTP server. Private to http.c and http_reply.c. */
#ifndef RUNFS_HTTP_INTERNAL_H
#define RUNFS_HTTP_INTERNAL_H

#include "runfs/http.h"
#include "runfs/late_microhttpd.h"

enum { HTTP_PARAMS = 6, HTTP_HEADERS = 8 };

struct http_pair {
    char *name, *value; /* owned */
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    const struct http_route *route;
    char *path_owned, *path; /* owned; in it, behind scheme, host and prefix */
    char method[16];
    bool prefixed;
    struct http_pair params[HTTP_PARAMS];   /* of the pattern */
    struct http_pair headers[HTTP_HEADERS]; /* of the reply */
    size_t n_params, n_headers;
    struct buf body;
    int file; /* borrowed: where the body goes; -1: to memory */
    int64_t file_at, max, received, passed_over, started_at;
    int body_error;                /* -errno */
    struct MHD_Response *response; /* owned; until it is queued */
    unsigned status;
    int64_t caller;
    void *own;
    void (*release)(void *own);
};

/* A listening socket for an address (and port), or at the path of a unix socket; or -errno. */
int http_listen(const char *address, uint16_t port, struct err *err);

/* The reply: takes the response, whose creation may have failed (NULL). */
void http_answer(struct http_request *r, unsigned status, struct MHD_Response *response);

#endif
