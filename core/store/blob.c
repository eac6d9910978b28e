/* Uploads in blocks: one file without a name that they are appended to, and a table of where each one stands.
 */
#include "runfs/blob.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "runfs/io.h"
#include "runfs/str.h"
#include "store_internal.h"

struct block {
    char *id; /* owned */
    int64_t off, len;
    bool done;
};

struct blob {
    pthread_mutex_t lock;
    int fd; /* owned */
    int64_t used, max;
    struct room *room;    /* borrowed */
    struct block *blocks; /* owned; in the order in which they began */
    size_t n, cap;
};

int blob_temporary(struct store *st, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/uploads/upload-XXXXXX", st->dir);
    int fd = buf_ok(&path) ? mkostemp(path.ptr, O_CLOEXEC) : -1;
    if (fd < 0)
        return err_errno(err, buf_ok(&path) ? -errno : -ENOMEM, "cannot make a file in %s/uploads", st->dir);
    (void)unlink(path.ptr);
    return fd;
}

int blob_new(struct store *st, int64_t max, struct room *room, struct blob **ret, struct err *err)
{
    struct blob *b = calloc(1, sizeof(*b));

    if (!b)
        return err_errno(err, -ENOMEM, "cannot start an upload");
    pthread_mutex_init(&b->lock, NULL);
    b->max = max;
    b->room = room;
    b->fd = blob_temporary(st, err);
    if (b->fd < 0) {
        int r = b->fd;
        blob_free(b);
        return r;
    }
    *ret = b;
    return 0;
}

void blob_free(struct blob *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++)
        free(b->blocks[i].id);
    free(b->blocks);
    if (b->fd >= 0)
        close(b->fd);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static int add_block(struct blob *b, const char *id, int64_t len, struct err *err)
{
    if (b->n >= 2 * BLOB_BLOCKS_MAX)
        return -E2BIG;
    if (len > b->max - b->used)
        return -EFBIG;
    if (room_hold(b->room, b->used + len, err) < 0)
        return -EDQUOT;
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 32;
        struct block *more = reallocarray(b->blocks, cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        b->blocks = more;
        b->cap = cap;
    }
    char *copy = strdup(id);
    if (!copy)
        return -ENOMEM;
    b->blocks[b->n] = (struct block){.id = copy, .off = b->used, .len = len};
    b->used += len;
    return (int)b->n++;
}

int blob_block_begin(struct blob *b, const char *id, int64_t len, int *ret_fd, int64_t *ret_off,
                     struct err *err)
{
    if (!*id || strlen(id) > BLOB_ID_MAX || len < 0)
        return -EINVAL;
    pthread_mutex_lock(&b->lock);
    int number = add_block(b, id, len, err);
    if (number >= 0) {
        *ret_fd = b->fd;
        *ret_off = b->blocks[number].off;
    }
    pthread_mutex_unlock(&b->lock);
    return number;
}

void blob_block_done(struct blob *b, int number)
{
    pthread_mutex_lock(&b->lock);
    b->blocks[number].done = true;
    pthread_mutex_unlock(&b->lock);
}

static int by_id_newest_first(const void *a, const void *b)
{
    const struct block *x = *(const struct block *const *)a, *y = *(const struct block *const *)b;
    int order = strcmp(x->id, y->id);

    return order ? order : x < y ? 1 : -1;
}

static int id_against(const void *id, const void *block)
{
    return strcmp(id, (*(const struct block *const *)block)->id);
}

/* The blocks that are whole, one for each id, sorted. */
static size_t sort_blocks(const struct blob *b, const struct block **sorted)
{
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < b->n; i++)
        if (b->blocks[i].done)
            sorted[n++] = &b->blocks[i];
    if (n)
        qsort(sorted, n, sizeof(struct block *), by_id_newest_first);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(sorted[i]->id, sorted[kept - 1]->id))
            sorted[kept++] = sorted[i];
    return kept;
}

static int copy_block(int from, const struct block *block, int to, int64_t at)
{
    off_t in = block->off, out = at;

    for (int64_t left = block->len; left > 0;) {
        ssize_t n = copy_file_range(from, &in, to, &out, (size_t)left, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        left -= n;
    }
    return 0;
}

int blob_assemble(struct blob *b, const char *const *ids, size_t n, int to, int64_t *ret_size,
                  struct err *err)
{
    int64_t size = 0;
    int r = ftruncate(to, 0) < 0 ? -errno : 0;

    pthread_mutex_lock(&b->lock);
    _free_ const struct block **sorted = calloc(b->n + 1, sizeof(*sorted));
    size_t known = sorted ? sort_blocks(b, sorted) : 0;
    if (!sorted)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct block **found = bsearch(ids[i], sorted, known, sizeof(*sorted), id_against);
        if (!found)
            r = err_set(err, -ENOENT, "the block '%.100s' was never uploaded", ids[i]);
        else if ((*found)->len > b->max - size)
            r = -EFBIG;
        else if (room_hold(b->room, size + (*found)->len, err) < 0)
            r = -EDQUOT;
        else
            r = copy_block(b->fd, *found, to, size);
        size += r == 0 ? (*found)->len : 0;
    }
    pthread_mutex_unlock(&b->lock);
    if (r == -ENOENT || r == -EDQUOT)
        return r;
    if (r < 0)
        return err_errno(err, r, "cannot put the upload together");
    *ret_size = size;
    return 0;
}
