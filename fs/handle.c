/* Open files: made, listed, written to, committed when they are closed, counted down. */
#include "handle.h"

#include "runfs/str.h"

void handle_unref(struct handle *h)
{
    if (!h || atomic_fetch_sub(&h->refs, 1) > 1)
        return;
    pthread_mutex_lock(&h->mounted->lock);
    if (h->next)
        h->next->previous = h->previous;
    if (h->previous)
        h->previous->next = h->next;
    else
        h->mounted->handles = h->next;
    pthread_mutex_unlock(&h->mounted->lock);
    free(h->name);
    buf_release(&h->text);
    log_view_close(h->view);
    if (h->log_fd >= 0)
        close(h->log_fd);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void handles_free(struct mounted *m)
{
    while (m->handles) {
        atomic_store(&m->handles->refs, 1);
        handle_unref(m->handles);
    }
}

struct handle *handle_new(struct mounted *m, struct node n)
{
    struct handle *h = calloc(1, sizeof(*h));

    if (h) {
        h->node = n;
        h->log_fd = -1;
        atomic_init(&h->refs, 1);
        pthread_mutex_init(&h->lock, NULL);
        h->mounted = m;
        pthread_mutex_lock(&m->lock);
        h->next = m->handles;
        if (h->next)
            h->next->previous = h;
        m->handles = h;
        pthread_mutex_unlock(&m->lock);
    }
    return h;
}

bool handle_is_opener(const struct handle *h, pid_t tid)
{
    char path[64];

    if (tid == h->opener)
        return true;
    snprintf(path, sizeof(path), "/proc/%d/task/%d", tid, h->opener);
    if (access(path, F_OK) == 0)
        return true;
    snprintf(path, sizeof(path), "/proc/%d", h->opener);
    return access(path, F_OK) < 0;
}

void handle_log_anew(struct handle *h)
{
    const char *path = h->mounted->fs->log_path;
    struct stat mine, named;

    if (h->log_fd < 0 || fstat(h->log_fd, &mine) < 0 || stat(path, &named) < 0 || mine.st_ino == named.st_ino)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    close(h->log_fd);
    h->log_fd = fd;
}

static off_t size_max(const struct handle *h)
{
    return tree[h->node.row].kind == ROW_EVENT ? PAYLOAD_SIZE_MAX : DRAFT_SIZE_MAX;
}

int handle_put(struct handle *h, const char *bytes, size_t size, off_t off)
{
    if (off < 0 || (uint64_t)off + size > (uint64_t)size_max(h)) {
        h->too_big = true;
        return -EFBIG;
    }
    size_t end = (size_t)off + size;
    if (end > h->text.len) {
        size_t old = h->text.len;
        if (!buf_reserve(&h->text, end - old))
            return -ENOMEM;
        memset(h->text.ptr + old, 0, end - old + 1);
        h->text.len = end;
    }
    memcpy(h->text.ptr + off, bytes, size);
    h->dirty = true;
    return 0;
}

int handle_resize(struct handle *h, off_t size)
{
    if (size > size_max(h))
        return -EFBIG;
    if (size > (off_t)h->text.len)
        return handle_put(h, "", 0, size);
    if ((size_t)size < h->text.len) {
        h->text.len = (size_t)size;
        h->text.ptr[size] = '\0';
        h->fresh = true;
    }
    return 0;
}

/* Makes what was written true. A draft with a workflow's name ends with its first acceptance. */
int handle_commit(struct fs *fs, struct handle *h)
{
    bool event = tree[h->node.row].kind == ROW_EVENT;
    bool drop = event || (tree[h->node.row].kind == ROW_DROP && is_workflow_name(h->name));
    size_t len = !h->too_big ? h->text.len : event ? PAYLOAD_SIZE_MAX + 1 : DRAFT_SIZE_MAX + 1;
    int r = node_write(fs, h->node, h->name, buf_str(&h->text), h->too_big && !drop ? h->text.len : len);

    h->dirty = false;
    h->committed = true;
    return h->too_big && !drop ? -EFBIG : r;
}

struct pending {
    fuse_req_t req;
    struct handle *h;
};

/* A command may take long, and requests are answered by few threads: it is waited for on one of its own. */
static void *run_pending(void *data)
{
    struct pending *p = data;
    struct mounted *m = p->h->mounted;

    pthread_mutex_lock(&p->h->lock);
    int r = handle_commit(m->fs, p->h);
    pthread_mutex_unlock(&p->h->lock);
    fuse_reply_err(p->req, -r);
    handle_unref(p->h);
    free(p);
    pthread_mutex_lock(&m->lock);
    m->pending--;
    pthread_cond_broadcast(&m->told);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

bool handle_commit_later(fuse_req_t req, struct handle *h)
{
    struct pending *p = malloc(sizeof(*p));
    pthread_attr_t detached;
    pthread_t thread;

    if (!p)
        return false;
    *p = (struct pending){req, h};
    h->dirty = false; /* once */
    atomic_fetch_add(&h->refs, 1);
    pthread_mutex_lock(&h->mounted->lock);
    h->mounted->pending++;
    pthread_mutex_unlock(&h->mounted->lock);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&thread, &detached, run_pending, p);
    pthread_attr_destroy(&detached);
    if (r == 0)
        return true;
    h->dirty = true;
    atomic_fetch_sub(&h->refs, 1);
    pthread_mutex_lock(&h->mounted->lock);
    h->mounted->pending--;
    pthread_mutex_unlock(&h->mounted->lock);
    free(p);
    return false;
}
