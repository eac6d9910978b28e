/* Files read by several threads while those before them are written to the index. */
#include <glib.h>
#include <sys/stat.h>

#include "runfs/str.h"
#include "search_internal.h"

enum {
    THREADS = 2,
    BATCH = 64,        /* files that one thread reads at a time: waking another costs more than a file */
    AHEAD_BATCHES = 8, /* that are read and not taken yet */
    AHEAD_BYTES = 16 * 1024 * 1024
};

struct readahead {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    GPtrArray *files;     /* owned: struct read_file, each written by whom its batch belongs to */
    GByteArray *done;     /* owned: of each batch that was begun */
    bool whole;           /* no file will be added */
    size_t taken;         /* by readahead_next */
    size_t bytes;         /* read and not taken */
    bool ending, waiting; /* waiting: who takes files waits for a batch */
    pthread_t threads[THREADS];
    size_t n_threads;
    size_t ready;           /* files of batches that are done; of who takes files alone */
    struct read_file *last; /* that was taken */
};

static void file_release(struct read_file *f)
{
    buf_release(&f->text);
    buf_release(&f->title);
}

static void file_free(void *data)
{
    struct read_file *f = data;

    file_release(f);
    free(f->path);
    free(f);
}

struct readahead *readahead_new(void)
{
    struct readahead *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->files = g_ptr_array_new_with_free_func(file_free);
    r->done = g_byte_array_new();
    return r;
}

void readahead_free(struct readahead *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->ending = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < r->n_threads; i++)
        pthread_join(r->threads[i], NULL);
    g_ptr_array_free(r->files, TRUE);
    g_byte_array_free(r->done, TRUE);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    free(r);
}

/* The first heading of a page, else the file's name. */
static void title_of(const char *path, const char *text, struct buf *ret)
{
    const char *slash = strrchr(path, '/');
    const char *p = str_ends(path, ".md") || str_ends(path, ".markdown") ? text : NULL;

    while (p && strncmp(p, "# ", 2) != 0)
        p = (p = strchr(p, '\n')) ? p + 1 : NULL;
    if (p)
        buf_add(ret, p + 2, strcspn(p + 2, "\r\n"));
    if (!ret->len)
        buf_adds(ret, slash ? slash + 1 : path);
}

void read_file_now(struct read_file *f)
{
    struct stat now;

    f->result = haystack_text(f->path, HAYSTACK_FILE_MAX, &f->text, &now);
    if (f->result < 0)
        return;
    f->changed_at = stat_changed_at(&now);
    f->size = now.st_size;
    if (f->text.len)
        title_of(f->path, buf_str(&f->text), &f->title);
    if (!buf_ok(&f->text) || !buf_ok(&f->title))
        f->result = -ENOMEM;
}

/* How many files the next batch has: none while it is not whole. */
static size_t next_batch(const struct readahead *r)
{
    size_t from = (size_t)r->done->len * BATCH, n = from < r->files->len ? r->files->len - from : 0;

    return n >= BATCH ? BATCH : r->whole ? n : 0;
}

/* Reads the next batch, under the lock but for the reading itself. */
static void read_batch(struct readahead *r, size_t n)
{
    struct read_file *files[BATCH];
    guint batch = r->done->len;
    size_t bytes = 0;

    memcpy(files, &r->files->pdata[(size_t)batch * BATCH], n * sizeof(files[0]));
    g_byte_array_append(r->done, &(guint8){0}, 1);
    pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < n; i++) {
        read_file_now(files[i]);
        bytes += files[i]->text.len;
    }
    pthread_mutex_lock(&r->lock);
    r->bytes += bytes;
    r->done->data[batch] = 1;
    if (r->waiting)
        pthread_cond_broadcast(&r->changed);
}

static void *read_loop(void *data)
{
    struct readahead *r = data;
    size_t n;

    pthread_mutex_lock(&r->lock);
    while (!r->ending)
        if ((n = next_batch(r)) > 0 && r->done->len < r->taken / BATCH + AHEAD_BATCHES &&
            r->bytes < AHEAD_BYTES)
            read_batch(r, n);
        else
            pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Without threads, who takes a file reads it. */
static void start_thread(struct readahead *r)
{
    if (r->n_threads < THREADS && pthread_create(&r->threads[r->n_threads], NULL, read_loop, r) == 0)
        r->n_threads++;
}

int readahead_add(struct readahead *r, const char *path)
{
    struct read_file *f = calloc(1, sizeof(*f));

    if (!f || !(f->path = strdup(path))) {
        free(f);
        return -ENOMEM;
    }
    pthread_mutex_lock(&r->lock);
    g_ptr_array_add(r->files, f);
    if (r->files->len % BATCH == 0) {
        start_thread(r);
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    return 0;
}

void readahead_end(struct readahead *r)
{
    pthread_mutex_lock(&r->lock);
    r->whole = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void wait_changed(struct readahead *r)
{
    r->waiting = true;
    pthread_cond_wait(&r->changed, &r->lock);
    r->waiting = false;
}

/* Waits until the next batch is read, or reads it; false: there is none. */
static bool get_ready(struct readahead *r)
{
    size_t batch = (r->ready + BATCH - 1) / BATCH, n;

    while (batch >= r->done->len || !r->done->data[batch])
        if (batch == r->done->len && (n = next_batch(r)) > 0)
            read_batch(r, n);
        else if (batch == r->done->len && r->whole)
            return false;
        else
            wait_changed(r);
    r->ready = MIN((batch + 1) * BATCH, r->files->len);
    return true;
}

const struct read_file *readahead_next(struct readahead *r)
{
    size_t len = r->last ? r->last->text.len : 0;

    if (r->last)
        file_release(r->last);
    r->last = NULL;
    pthread_mutex_lock(&r->lock);
    r->bytes -= len;
    bool more = r->taken < r->ready;
    if (!more) {
        more = get_ready(r);
        pthread_cond_broadcast(&r->changed);
    }
    if (more)
        r->last = g_ptr_array_index(r->files, r->taken++);
    pthread_mutex_unlock(&r->lock);
    return r->last;
}
