/*
 * Waiting requests. Every entry is in one list under one lock; whoever takes it out answers it, so each is
 * answered once. libfuse calls `interrupted` with a lock of the request held, so our lock is never held when
 * libfuse is called.
 */
#include "park.h"

#include <stdatomic.h>

#include "runfs/log.h"

struct entry {
    fuse_req_t req;                 /* a read; NULL for a poll handle */
    struct fuse_pollhandle *handle; /* owned */
    struct node node;
    int64_t run_id;
    size_t size;
    off_t off;
    bool ready; /* may be answered; before that its interrupt handler is being set */
    bool interrupted;
    struct entry *next;
};

struct park {
    struct fs *fs;
    pthread_mutex_t lock;
    struct entry *entries; /* owned */
    atomic_int n;
    bool ended;
};

struct park *park_new(struct fs *fs)
{
    struct park *p = calloc(1, sizeof(*p));

    if (p) {
        p->fs = fs;
        pthread_mutex_init(&p->lock, NULL);
    }
    return p;
}

void park_free(struct park *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* With the lock held. */
static bool unlink_entry(struct park *p, const struct entry *e)
{
    struct entry **at = &p->entries;

    while (*at && *at != e)
        at = &(*at)->next;
    if (!*at)
        return false;
    *at = e->next;
    atomic_fetch_sub(&p->n, 1);
    return true;
}

static void link_entry(struct park *p, struct entry *e)
{
    pthread_mutex_lock(&p->lock);
    e->next = p->entries;
    p->entries = e;
    atomic_fetch_add(&p->n, 1);
    pthread_mutex_unlock(&p->lock);
}

/* The text of a `wait` file whose owner is completed. */
static void answer_read(struct park *p, fuse_req_t req, struct node n, size_t size, off_t off)
{
    _buf_ struct buf text = BUF_INIT;
    int r = node_text(p->fs, n, &text);

    if (r < 0) {
        fuse_reply_err(req, r == -EAGAIN ? EINTR : -r);
        return;
    }
    size_t from = (size_t)off < text.len ? (size_t)off : text.len;
    size_t len = text.len - from < size ? text.len - from : size;
    fuse_reply_buf(req, buf_str(&text) + from, len);
}

static void interrupted(fuse_req_t req, void *data)
{
    struct park *p = data;
    struct entry *e;
    bool mine = false;

    pthread_mutex_lock(&p->lock);
    for (e = p->entries; e && e->req != req; e = e->next)
        ;
    if (e && !e->ready)
        e->interrupted = true;
    else if (e)
        mine = unlink_entry(p, e);
    pthread_mutex_unlock(&p->lock);
    if (mine) {
        fuse_reply_err(req, EINTR);
        free(e);
    }
}

void park_read(struct park *p, fuse_req_t req, struct node n, size_t size, off_t off)
{
    struct entry *e = calloc(1, sizeof(*e));
    bool now;

    if (!e) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    *e = (struct entry){.req = req, .node = n, .run_id = node_run(p->fs, n), .size = size, .off = off};
    link_entry(p, e);
    fuse_req_interrupt_func(req, interrupted, p);
    pthread_mutex_lock(&p->lock);
    /* asked again under the lock: what completed before was not told to this entry */
    now = e->interrupted || p->ended || owner_completed(p->fs, tree[n.row].owner, n.id);
    if (now)
        unlink_entry(p, e);
    else
        e->ready = true;
    pthread_mutex_unlock(&p->lock);
    if (!now)
        return;
    if (e->interrupted || p->ended)
        fuse_reply_err(req, EINTR);
    else
        answer_read(p, req, n, size, off);
    free(e);
}

void park_poll(struct park *p, struct node n, struct fuse_pollhandle *handle)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (!e) {
        fuse_pollhandle_destroy(handle);
        return;
    }
    *e = (struct entry){.handle = handle, .node = n, .run_id = node_run(p->fs, n), .ready = true};
    link_entry(p, e);
}

static bool concerns(const struct entry *e, const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t run_id = changes[i].kind == CHANGE_RUN ? changes[i].id : changes[i].run_id;
        bool log = changes[i].kind == CHANGE_LOG;
        if (run_id && run_id == e->run_id && (!log || e->handle))
            return true;
    }
    return false;
}

void park_wake(struct park *p, const struct change *changes, size_t n)
{
    struct entry *woken = NULL;

    if (atomic_load(&p->n) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    for (struct entry **at = &p->entries; *at;) {
        struct entry *e = *at;
        bool wake = e->ready && concerns(e, changes, n) &&
                    (e->handle || owner_completed(p->fs, tree[e->node.row].owner, e->node.id));
        if (!wake) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        atomic_fetch_sub(&p->n, 1);
        e->next = woken;
        woken = e;
    }
    pthread_mutex_unlock(&p->lock);
    while (woken) {
        struct entry *next = woken->next;
        if (woken->handle) {
            fuse_lowlevel_notify_poll(woken->handle);
            fuse_pollhandle_destroy(woken->handle);
        } else {
            answer_read(p, woken->req, woken->node, woken->size, woken->off);
        }
        free(woken);
        woken = next;
    }
}

void park_end(struct park *p)
{
    pthread_mutex_lock(&p->lock);
    struct entry *all = p->entries;
    p->entries = NULL;
    p->ended = true;
    atomic_store(&p->n, 0);
    pthread_mutex_unlock(&p->lock);
    while (all) {
        struct entry *next = all->next;
        if (all->handle)
            fuse_pollhandle_destroy(all->handle);
        else
            fuse_reply_err(all->req, EINTR);
        free(all);
        all = next;
    }
}
