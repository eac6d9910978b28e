/* Views of a run's log: the spans of the log file that a selection shows, found once and searched by offset.
 */
#include "log_internal.h"
#include "store_internal.h"

#include <fcntl.h>

#include "runfs/io.h"

struct span {
    int64_t at;     /* offset in the view */
    uint64_t start; /* offset in the log file */
    uint64_t len;
};

struct log_view {
    struct store *st; /* borrowed */
    struct log_select select;
    int log_fd, idx_fd;
    uint64_t idx_read;  /* bytes of the index that are in spans */
    struct span *spans; /* owned; neighbours that touch are one */
    size_t n, cap;
    int64_t size;
};

static int view_open_file(struct log_view *v, const char *suffix)
{
    _buf_ struct buf path = BUF_INIT;

    log_path(v->st, v->select.run_id, suffix, &path);
    int fd = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    return fd < 0 ? -errno : fd;
}

static bool selected(const struct log_select *s, const struct log_record *r)
{
    return (s->streams & r->stream) && (!s->attempt || s->attempt == r->attempt) &&
           (!s->job_id || s->job_id == r->job_id) && (!s->step_id || s->step_id == r->step_id);
}

static int view_add(struct log_view *v, const struct log_record *r)
{
    struct span *last = v->n ? &v->spans[v->n - 1] : NULL;

    if (last && last->start + last->len == r->offset) {
        last->len += r->len;
        v->size += r->len;
        return 0;
    }
    if (v->n == v->cap) {
        size_t cap = v->cap ? v->cap * 2 : 16;
        struct span *more = reallocarray(v->spans, cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        v->spans = more;
        v->cap = cap;
    }
    v->spans[v->n++] = (struct span){.at = v->size, .start = r->offset, .len = r->len};
    v->size += r->len;
    return 0;
}

/* Takes in the records that came since. */
static int view_refresh(struct log_view *v)
{
    struct log_record records[256];

    if (v->idx_fd < 0) {
        v->idx_fd = view_open_file(v, "idx");
        if (v->idx_fd < 0)
            return v->idx_fd == -ENOENT ? 0 : v->idx_fd;
    }
    for (;;) {
        ssize_t n = pread(v->idx_fd, records, sizeof(records), (off_t)v->idx_read);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        size_t whole = (size_t)n / sizeof(records[0]);
        for (size_t i = 0; i < whole; i++) {
            int r = selected(&v->select, &records[i]) ? view_add(v, &records[i]) : 0;
            if (r < 0)
                return r;
            v->idx_read += sizeof(records[0]);
        }
        if (whole < ARRAY_LEN(records))
            return 0;
    }
}

static void view_release(struct log_view *v)
{
    if (v->idx_fd >= 0)
        close(v->idx_fd);
    if (v->log_fd >= 0)
        close(v->log_fd);
    free(v->spans);
}

int log_view_open(struct store *st, const struct log_select *select, struct log_view **ret, struct err *err)
{
    struct log_view *v = calloc(1, sizeof(*v));

    if (!v)
        return err_errno(err, -ENOMEM, "cannot open the log of run %lld", (long long)select->run_id);
    *v = (struct log_view){.st = st, .select = *select, .log_fd = -1, .idx_fd = -1};
    int r = view_refresh(v);
    if (r < 0) {
        log_view_close(v);
        return err_errno(err, r, "cannot open the log of run %lld", (long long)select->run_id);
    }
    *ret = v;
    return 0;
}

void log_view_close(struct log_view *v)
{
    if (!v)
        return;
    view_release(v);
    free(v);
}

int64_t log_view_size(struct log_view *v)
{
    (void)view_refresh(v);
    return v->size;
}

/* The span that holds the view's byte at off; off is below size. */
static size_t span_at(const struct log_view *v, int64_t off)
{
    size_t low = 0, high = v->n;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (v->spans[mid].at <= off)
            low = mid;
        else
            high = mid;
    }
    return low;
}

ssize_t log_view_read(struct log_view *v, void *to, size_t size, int64_t off)
{
    size_t done = 0;

    if (off < 0)
        return -EINVAL;
    if (off + (int64_t)size > v->size) {
        int r = view_refresh(v);
        if (r < 0)
            return r;
    }
    if (off >= v->size)
        return 0;
    if (v->log_fd < 0 && (v->log_fd = view_open_file(v, "log")) < 0)
        return v->log_fd;
    for (size_t i = span_at(v, off); i < v->n && done < size; i++) {
        const struct span *s = &v->spans[i];
        uint64_t skip = (uint64_t)(off + (int64_t)done - s->at);
        size_t want = s->len - skip < size - done ? (size_t)(s->len - skip) : size - done;
        ssize_t n = pread(v->log_fd, (char *)to + done, want, (off_t)(s->start + skip));
        if (n < 0 && errno == EINTR) {
            i--;
            continue;
        }
        if (n < 0)
            return done ? (ssize_t)done : -errno;
        done += (size_t)n;
        if ((size_t)n < want)
            break;
    }
    return (ssize_t)done;
}

int64_t log_size(struct store *st, const struct log_select *select)
{
    struct log_view v = {.st = st, .select = *select, .log_fd = -1, .idx_fd = -1};
    int r = view_refresh(&v);

    view_release(&v);
    return r < 0 ? r : v.size;
}

struct log_sizes log_step_sizes(struct store *st, int64_t run_id, int64_t step_id)
{
    struct log_select select = {.run_id = run_id, .step_id = step_id, .streams = LOG_OF_STEP};
    struct log_view v = {.st = st, .select = select, .log_fd = -1, .idx_fd = -1};
    struct log_sizes sizes = {0};
    struct log_record records[256];
    off_t at = 0;
    ssize_t n = 0;

    v.idx_fd = view_open_file(&v, "idx");
    while (v.idx_fd >= 0 &&
           (n = pread(v.idx_fd, records, sizeof(records), at)) >= (ssize_t)sizeof(records[0])) {
        for (size_t i = 0; i < (size_t)n / sizeof(records[0]); i++) {
            if (!selected(&select, &records[i]))
                continue;
            sizes.log += records[i].len;
            sizes.out += records[i].stream == LOG_STDOUT ? records[i].len : 0;
            sizes.err += records[i].stream == LOG_STDERR ? records[i].len : 0;
        }
        at += n / (ssize_t)sizeof(records[0]) * (ssize_t)sizeof(records[0]);
    }
    view_release(&v);
    return sizes;
}
