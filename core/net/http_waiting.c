/* Connections that give way: one whose header does not come whole in time is ended, however busily it sends
 * (libmicrohttpd only ends those that are silent), and where there are many, one of the caller that has most.
 */
#include <sys/socket.h>

#include "http_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

struct http_waiting {
    struct http_waiting *next, **back; /* in the server's list */
    int fd;                            /* borrowed: open as long as this is in the list */
    int64_t since;                     /* monotonic: waits from then on; 0: it has a request */
    int64_t caller;                    /* of its last request; 0: unknown */
    bool ended;                        /* shut down: its thread is about to close it */
};

static void end(struct http_watch *w, struct http_waiting *one)
{
    (void)shutdown(one->fd, SHUT_RDWR); /* its thread sees that, and closes it */
    w->n -= !one->ended;
    one->ended = true;
}

/* Who has most connections. */
static int64_t greediest(const struct http_watch *w)
{
    int64_t caller = 0;
    unsigned most = 0;

    for (const struct http_waiting *one = w->all; one; one = one->next) {
        unsigned n = 0;
        for (const struct http_waiting *other = one; other; other = other->next)
            n += !other->ended && other->caller == one->caller;
        if (n > most) {
            most = n;
            caller = one->caller;
        }
    }
    return caller;
}

/*
 * Of a known caller the one that has waited for a request for longest, else, since all are at work, the first
 * that came, which has had most time. So with unknown ones, too: who has a token has shown it by then.
 */
static void make_way(struct http_watch *w)
{
    int64_t caller = greediest(w);
    struct http_waiting *waits = NULL, *first = NULL;

    for (struct http_waiting *one = w->all; one; one = one->next) {
        if (one->ended || one->caller != caller)
            continue;
        first = one;
        if (one->since && (!waits || one->since < waits->since))
            waits = one;
    }
    if (first)
        end(w, caller && waits ? waits : first);
}

void http_on_connection(void *data, struct MHD_Connection *c, void **own,
                        enum MHD_ConnectionNotificationCode how)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_watch *w = data;
    struct http_waiting *one = how == MHD_CONNECTION_NOTIFY_STARTED ? calloc(1, sizeof(*one)) : *own;

    *own = how == MHD_CONNECTION_NOTIFY_STARTED ? one : NULL;
    if (!one)
        return;
    pthread_mutex_lock(&w->lock);
    if (how == MHD_CONNECTION_NOTIFY_STARTED) {
        one->fd = info ? info->connect_fd : -1;
        one->since = mono_ns();
        one->next = w->all;
        one->back = &w->all;
        if (one->next)
            one->next->back = &one->next;
        w->all = one;
        w->n++;
        if (w->crowded && w->n > w->crowded)
            make_way(w);
    } else {
        w->n -= !one->ended;
        *one->back = one->next;
        if (one->next)
            one->next->back = one->back;
        free(one);
    }
    pthread_mutex_unlock(&w->lock);
}

static struct http_waiting *waiting_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

void http_claim(struct http_watch *w, struct MHD_Connection *c, int64_t caller)
{
    struct http_waiting *one = waiting_of(c);

    if (!one)
        return;
    pthread_mutex_lock(&w->lock);
    one->caller = caller;
    pthread_mutex_unlock(&w->lock);
}

void http_set_waiting(struct http_watch *w, struct MHD_Connection *c, bool waits)
{
    struct http_waiting *one = waiting_of(c);

    if (!one)
        return;
    pthread_mutex_lock(&w->lock);
    one->since = waits ? mono_ns() : 0;
    pthread_mutex_unlock(&w->lock);
}

static void *watch(void *data)
{
    struct http_watch *w = data;

    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        int64_t now = mono_ns(), at = now_ns() + 1000000000LL;
        for (struct http_waiting *one = w->all; one; one = one->next)
            if (one->since && now - one->since > (int64_t)w->seconds * 1000000000LL)
                end(w, one);
        (void)pthread_cond_timedwait(&w->woken, &w->lock,
                                     &(struct timespec){at / 1000000000LL, at % 1000000000LL});
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int http_watch_start(struct http_watch *w, unsigned seconds)
{
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->woken, NULL);
    w->seconds = seconds;
    int r = -pthread_create(&w->thread, NULL, watch, w);
    w->started = r == 0;
    return r;
}

void http_watch_end(struct http_watch *w)
{
    if (!w->started)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->woken);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->started = false;
}
