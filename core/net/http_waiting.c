/* Connections that wait for a request: one whose header does not come whole in time is ended, however busily
 * it sends. (libmicrohttpd only ends those that are silent.) */
#include <sys/socket.h>

#include "http_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

struct http_waiting {
    struct http_waiting *next, **back; /* in the server's list */
    int fd;                            /* borrowed: open as long as this is in the list */
    int64_t since;                     /* monotonic: waits from then on; 0: it has a request */
};

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
    } else {
        *one->back = one->next;
        if (one->next)
            one->next->back = one->back;
        free(one);
    }
    pthread_mutex_unlock(&w->lock);
}

void http_set_waiting(struct http_watch *w, struct MHD_Connection *c, bool waits)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_waiting *one = info ? info->socket_context : NULL;

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
        for (const struct http_waiting *one = w->all; one; one = one->next)
            if (one->since && now - one->since > (int64_t)w->seconds * 1000000000LL)
                (void)shutdown(one->fd, SHUT_RDWR); /* its thread sees that, and closes it */
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
