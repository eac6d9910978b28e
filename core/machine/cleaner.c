/* Removes what dead machines leave on disk, behind the backs of those who released them. */
#include <poll.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/proc.h"

/* Most of a burial is waiting: for the kernel to unmount, for a disk that is told of freed blocks. */
enum { QUEUE = 64, THREADS = 2, IDLE_S = 1 };

struct cleaner {
    struct machines *ms;
    pthread_t threads[THREADS];
    int n_threads;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct remains queue[QUEUE]; /* a ring: n from first on */
    size_t first, n;
    bool ending;
};

static bool has_ended(int pidfd, int timeout_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int n;

    while ((n = poll(&p, 1, timeout_ms)) < 0 && errno == EINTR)
        ;
    return n != 0;
}

static void bury(struct machines *ms, struct remains g)
{
    bool ended = g.pidfd < 0 || has_ended(g.pidfd, 10000);
    int r = 0;

    if (!ended) {
        pidfd_kill(g.pidfd);
        ended = has_ended(g.pidfd, 5000);
    }
    cleanup_close(&g.root);
    for (int tries = 0; g.path && tries < 8; tries++) {
        r = ended && !g.lent ? scratch_remove(ms, g.path)
                             : remove_tree(g.path); /* what still has it, the next has not */
        int busy = g.group[0] ? groups_remove(&ms->groups, g.group) : 0;
        if (r == 0 && busy == 0)
            break;
        usleep(2000u << tries); /* something of it is still on its way out */
    }
    if (g.path && r < 0)
        log_warning("machine", "%s: cannot remove: %s", g.path, strerrordesc_np(-r));
    cleanup_close(&g.pidfd);
    free(g.path);
}

/* With the lock held: until there is work; 0, or ETIMEDOUT when there was none for a while. */
static int wait_for_work(struct cleaner *c)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    while (!c->n && !c->ending)
        if (pthread_cond_clockwait(&c->changed, &c->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            return ETIMEDOUT;
    return 0;
}

/* With the lock held, which others have meanwhile: removes directories until there is other work. */
static void trim_spares(struct cleaner *c)
{
    bool more = true;

    while (more && !c->n && !c->ending) {
        pthread_mutex_unlock(&c->lock);
        more = spares_trim(&c->ms->spares);
        pthread_mutex_lock(&c->lock);
    }
}

static void *cleaner_run(void *data)
{
    struct cleaner *c = data;

    pthread_mutex_lock(&c->lock);
    for (;;) {
        if (wait_for_work(c) == ETIMEDOUT)
            trim_spares(c);
        while (!c->n && !c->ending)
            pthread_cond_wait(&c->changed, &c->lock);
        if (!c->n)
            break;
        struct remains g = c->queue[c->first];
        c->first = (c->first + 1) % QUEUE;
        c->n--;
        pthread_mutex_unlock(&c->lock);
        bury(c->ms, g);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

int cleaner_new(struct machines *ms, struct cleaner **ret)
{
    struct cleaner *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->ms = ms;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    int r = 0;
    while (r == 0 && c->n_threads < THREADS)
        if ((r = -pthread_create(&c->threads[c->n_threads], NULL, cleaner_run, c)) == 0)
            c->n_threads++;
    if (!c->n_threads) {
        cleaner_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void cleaner_add(struct cleaner *c, struct remains what_take)
{
    pthread_mutex_lock(&c->lock);
    bool queued = c->n < QUEUE;
    if (queued) {
        c->queue[(c->first + c->n++) % QUEUE] = what_take;
        pthread_cond_signal(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    if (!queued)
        bury(c->ms, what_take);
}

void cleaner_free(struct cleaner *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < c->n_threads; i++)
        pthread_join(c->threads[i], NULL);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    free(c);
}
