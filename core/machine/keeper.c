/* What is done behind the scenes, on a thread: the pool is filled, layers are squashed, synced and removed.
 */
#include "core/machine/machine_internal.h"
#include "core/machine/qemu.h"
#include "runfs/io.h"
#include "runfs/log.h"

#define SECOND 1000000000LL

enum { SQUASHES = 16, MINUTE = 60 };

struct keeper {
    struct machines *ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t squash[SQUASHES]; /* layers to be squashed */
    size_t n_squash;
    bool collect, fill, ending;
    int64_t ahead_at; /* when a virtual machine is to be started ahead; 0: none. The thread's own */
};

static void squash(struct machines *ms, int64_t layer)
{
    struct err err = {0};

    int r = layers_squash(ms, layer, &err);
    if (r < 0 && r != -EXDEV)
        log_warning("machine", "layer %lld: %s", (long long)layer, err.msg);
}

/* Waits a minute for work; with the lock held. */
static bool wait_for_work(struct keeper *k)
{
    int64_t at = mono_ns() + MINUTE * SECOND;
    bool ahead = k->ahead_at && k->ahead_at < at;

    if (ahead)
        at = k->ahead_at;
    const struct timespec until = {.tv_sec = at / SECOND, .tv_nsec = at % SECOND};
    while (!k->n_squash && !k->collect && !k->fill && !k->ending)
        if (pthread_cond_timedwait(&k->changed, &k->lock, &until) == ETIMEDOUT) {
            k->fill = ahead;
            return ahead;
        }
    return true;
}

static void *keeper_run(void *data)
{
    struct keeper *k = data;

    pthread_mutex_lock(&k->lock);
    while (!k->ending) {
        bool minute = !wait_for_work(k);
        int64_t layer = k->n_squash ? k->squash[--k->n_squash] : 0;
        bool collect = k->collect || layer || minute, fill = k->fill || minute, ending = k->ending;
        k->collect = k->fill = false;
        pthread_mutex_unlock(&k->lock);
        if (fill)
            pool_fill(k->ms->pool);
        if (layer)
            squash(k->ms, layer);
        if (collect)
            layers_collect(k->ms);
        if (minute) {
            machines_reap(k->ms);
            layers_sync(k->ms);
        }
        if (fill && !ending)
            k->ahead_at = qemu_ahead_fill(k->ms);
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int keeper_new(struct machines *ms, struct keeper **ret)
{
    struct keeper *k = calloc(1, sizeof(*k));
    pthread_condattr_t monotonic;

    if (!k)
        return -ENOMEM;
    k->ms = ms;
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&k->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int r = -pthread_create(&k->thread, NULL, keeper_run, k);
    if (r < 0) {
        free(k);
        return r;
    }
    *ret = k;
    return 0;
}

void keeper_squash(struct keeper *k, int64_t layer)
{
    pthread_mutex_lock(&k->lock);
    if (k->n_squash < SQUASHES)
        k->squash[k->n_squash++] = layer;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void keeper_collect(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->collect = true;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void keeper_fill(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->fill = true;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

bool keeper_ending(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    bool ending = k->ending;
    pthread_mutex_unlock(&k->lock);
    return ending;
}

void keeper_end(struct keeper *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->ending = true;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->changed);
    free(k);
}
