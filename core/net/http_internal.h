/* The inside of the HTTP server. Private to http*.c. */
#ifndef RUNFS_HTTP_INTERNAL_H
#define RUNFS_HTTP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "runfs/http.h"
#include "runfs/late_microhttpd.h"

enum {
    HTTP_PARAMS = 6,
    HTTP_HEADERS = 24,
    HTTP_PEERS = 256, /* addresses are told apart by a hash: who shares a place shares that */
};

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
    size_t body_counted;      /* of it in the server's bytes of bodies, */
    atomic_size_t *bodies_of; /* borrowed: and in those of its address; NULL: none yet */
    int file;                 /* borrowed: where the body goes; -1: to memory */
    int64_t file_at, max, received, passed_over, started_at;
    int64_t rated, rated_at;       /* what was received when its rate was last looked at */
    int body_error;                /* -errno */
    struct MHD_Response *response; /* owned; until it is queued */
    unsigned status;
    int64_t caller;
    void *own;
    void (*release)(void *own);
};

/* Why its framing is not beyond doubt: a sentence with a newline; NULL: it is. */
const char *http_framing_fault(struct http_request *r, const char *version);

/* Ends connections whose header does not come in time, and those of who has too many. */
struct http_watch {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t woken;
    struct http_waiting *all; /* each owned by its connection */
    unsigned seconds;         /* for a header, from the connection's begin or the end of the request before */
    unsigned crowded;         /* from more connections than that on one gives way to another; 0: none does */
    unsigned n;               /* that are not ended */
    bool ending, started;
    pthread_t thread;
};
int http_watch_start(struct http_watch *w, unsigned seconds);
void http_watch_end(struct http_watch *w);
/* MHD_NotifyConnectionCallback; data: the watch. */
void http_on_connection(void *data, struct MHD_Connection *c, void **own,
                        enum MHD_ConnectionNotificationCode how);
void http_set_waiting(struct http_watch *w, struct MHD_Connection *c, bool waits);
/* Whose it is from now on; 0: unknown. */
void http_claim(struct http_watch *w, struct MHD_Connection *c, int64_t caller);

struct http_server {
    struct MHD_Daemon *daemon;
    const struct http_route *routes;
    http_fn *admit, *ended;
    char *prefix;            /* owned; NULL: none */
    char *socket_path;       /* owned; NULL: TCP */
    char *certificate, *key; /* owned; NULL: no TLS */
    void *data;
    uint16_t port;
    unsigned idle_seconds;
    atomic_size_t bodies;                /* bytes of bodies in memory, */
    atomic_size_t bodies_of[HTTP_PEERS]; /* and of those of one address */
    struct http_watch watch;
};

/* A listening socket for an address (and port), or at the path of a unix socket; or -errno. */
int http_listen(const char *address, uint16_t port, struct err *err);

/* The reply: takes the response, whose creation may have failed (NULL). */
void http_answer(struct http_request *r, unsigned status, struct MHD_Response *response);

#endif
