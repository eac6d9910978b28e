/* Views of a run's log: the spans of the log file that a selection shows, found once and searched by offset.
 */
#include "log_internal.h"
#include "store_internal.h"

#include <fcntl.h>

#include "runfs/io.h"

enum { PIECE = 64 * 1024 };

struct span {
    int64_t at;     /* offset in the view */
    uint64_t start; /* offset in the log file */
    uint64_t len;
};

struct log_view {
    struct store *st; /* borrowed */
    struct log_select select;
    int log_fd, idx_fd;
    uint64_t n_read;    /* records that are in spans */
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

/* Records from number `from` on: how many, 0 at the present end, -errno. Fewer than max also where the head
 * ends. */
static ssize_t read_records(struct log_view *v, uint64_t from, struct log_record *to, size_t max)
{
    bool head = from < LOG_HEAD_RECORDS;
    int *fd = head ? &v->log_fd : &v->idx_fd;
    ssize_t n;

    if (*fd < 0 && (*fd = view_open_file(v, head ? "log" : "idx")) < 0)
        return *fd == -ENOENT ? 0 : *fd;
    if (head && max > LOG_HEAD_RECORDS - from)
        max = (size_t)(LOG_HEAD_RECORDS - from);
    off_t at = (off_t)((from - (head ? 0 : LOG_HEAD_RECORDS)) * sizeof(*to));
    if (head)
        pthread_mutex_lock(&v->st->log_lock);
    while ((n = pread(*fd, to, max * sizeof(*to), at)) < 0 && errno == EINTR)
        ;
    int error = errno;
    if (head)
        pthread_mutex_unlock(&v->st->log_lock);
    if (n < 0)
        return -error;
    n /= (ssize_t)sizeof(*to);
    for (ssize_t i = 0; head && i < n; i++)
        if (to[i].len == 0)
            return i;
    return n;
}

/* Takes in the records that came since. */
static int view_refresh(struct log_view *v)
{
    struct log_record records[256];
    ssize_t n;

    while ((n = read_records(v, v->n_read, records, ARRAY_LEN(records))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            int r = selected(&v->select, &records[i]) ? view_add(v, &records[i]) : 0;
            if (r < 0)
                return r;
            v->n_read++;
        }
        if (n < (ssize_t)ARRAY_LEN(records) && v->n_read != LOG_HEAD_RECORDS)
            return 0;
    }
    return (int)n;
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

/* One record's bytes, in pieces as large as the room. */
static int each_piece(struct log_view *v, const struct log_record *record, char *room,
                      int (*piece)(void *data, int64_t time_ns, const char *bytes, size_t len), void *data)
{
    for (size_t done = 0; done < record->len;) {
        size_t want = record->len - done < PIECE ? record->len - done : PIECE;
        ssize_t n = pread(v->log_fd, room, want, (off_t)(record->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        int r = n > 0 ? piece(data, record->time_ns, room, (size_t)n) : n < 0 ? -errno : -EIO;
        if (r)
            return r;
        done += (size_t)n;
    }
    return 0;
}

int log_view_each(struct log_view *v,
                  int (*piece)(void *data, int64_t time_ns, const char *bytes, size_t len), void *data)
{
    struct log_record records[256];
    _free_ char *room = malloc(PIECE);
    int r = room ? view_refresh(v) : -ENOMEM;
    ssize_t n = 0;

    if (r == 0 && v->size && v->log_fd < 0 && (v->log_fd = view_open_file(v, "log")) < 0)
        r = v->log_fd;
    for (uint64_t at = 0; r == 0 && at < v->n_read; at += (uint64_t)n) {
        n = read_records(v, at, records,
                         v->n_read - at < ARRAY_LEN(records) ? v->n_read - at : ARRAY_LEN(records));
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        for (ssize_t i = 0; r == 0 && i < n; i++)
            if (selected(&v->select, &records[i]))
                r = each_piece(v, &records[i], room, piece, data);
    }
    return r;
}

int64_t log_size(struct store *st, const struct log_select *select)
{
    struct log_view v = {.st = st, .select = *select, .log_fd = -1, .idx_fd = -1};
    int r = view_refresh(&v);

    view_release(&v);
    return r < 0 ? r : v.size;
}

int log_read_end(struct store *st, const struct log_select *select, size_t max, struct buf *ret)
{
    struct log_view *view = NULL;
    _free_ char *raw = malloc(max);
    int r = raw ? log_view_open(st, select, &view, NULL) : -ENOMEM;

    if (r < 0)
        return r;
    int64_t size = log_view_size(view), from = size > (int64_t)max ? size - (int64_t)max : 0;
    ssize_t n = log_view_read(view, raw, max, from);
    log_view_close(view);
    if (n < 0)
        return (int)n;
    const char *newline = from > 0 ? memchr(raw, '\n', (size_t)n) : NULL,
               *start = newline ? newline + 1 : raw;
    buf_add(ret, start, (size_t)(raw + n - start));
    return buf_ok(ret) ? 0 : -ENOMEM;
}

struct log_sizes log_step_sizes(struct store *st, int64_t run_id, int64_t step_id)
{
    struct log_select select = {.run_id = run_id, .step_id = step_id, .streams = LOG_OF_STEP};
    struct log_view v = {.st = st, .select = select, .log_fd = -1, .idx_fd = -1};
    struct log_sizes sizes = {0};
    struct log_record records[256];
    uint64_t at = 0;
    ssize_t n;

    for (; (n = read_records(&v, at, records, ARRAY_LEN(records))) > 0; at += (uint64_t)n)
        for (ssize_t i = 0; i < n; i++) {
            if (!selected(&select, &records[i]))
                continue;
            sizes.log += records[i].len;
            sizes.out += records[i].stream == LOG_STDOUT ? records[i].len : 0;
            sizes.err += records[i].stream == LOG_STDERR ? records[i].len : 0;
        }
    view_release(&v);
    return sizes;
}
