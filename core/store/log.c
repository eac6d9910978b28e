/* Writing a run's log: bytes first, then the record that makes them visible. */
#include "log_internal.h"
#include "store_internal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

struct log_writer {
    struct store *st; /* borrowed */
    int64_t run_id;
    pthread_mutex_t lock;        /* guards all below */
    int log_fd, idx_fd;          /* idx_fd: -1 until the head is full */
    uint64_t log_end, n;         /* where the next byte goes; records so far */
    int64_t last_job, last_step; /* who spoke last */
    bool at_line_start;
};

#define GONE "gone" /* what is to be forgotten; empty */

enum { LOGS_PER_DIR = 1000 };

void log_path(struct store *st, int64_t run_id, const char *suffix, struct buf *ret)
{
    buf_addf(ret, "%s/logs/%03lld/%lld.%s", st->dir, (long long)(run_id / LOGS_PER_DIR), (long long)run_id,
             suffix);
}

static int log_create(struct store *st, int64_t run_id, const char *suffix)
{
    _buf_ struct buf path = BUF_INIT;

    log_path(st, run_id, suffix, &path);
    if (!buf_ok(&path))
        return -ENOMEM;
    int fd = open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT) {
        _buf_ struct buf dir = BUF_INIT;
        buf_addf(&dir, "%s/logs/%03lld", st->dir, (long long)(run_id / LOGS_PER_DIR));
        if (!buf_ok(&dir) || (mkdir(dir.ptr, 0700) < 0 && errno != EEXIST))
            return -errno;
        fd = open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    return fd < 0 ? -errno : fd;
}

static uint64_t head_count(const struct log_record *head, size_t len)
{
    uint64_t n = 0;

    while (n < len / sizeof(*head) && n < LOG_HEAD_RECORDS && head[n].len)
        n++;
    return n;
}

/* The last record when the head is full and others may have followed it. */
static int resume_index(struct log_writer *w, struct log_record *last)
{
    struct stat st;

    w->idx_fd = log_create(w->st, w->run_id, "idx");
    if (w->idx_fd < 0)
        return w->idx_fd;
    if (fstat(w->idx_fd, &st) < 0)
        return -errno;
    uint64_t more = (uint64_t)st.st_size / sizeof(*last);
    if (more == 0)
        return 0;
    ssize_t n = pread(w->idx_fd, last, sizeof(*last), (off_t)((more - 1) * sizeof(*last)));
    w->n += more;
    return n == (ssize_t)sizeof(*last) ? 0 : n < 0 ? -errno : -EIO;
}

/* Goes on behind the last whole record. */
static int log_resume(struct log_writer *w)
{
    struct log_record head[LOG_HEAD_RECORDS], last;
    ssize_t n = pread(w->log_fd, head, sizeof(head), 0);

    w->at_line_start = true;
    w->log_end = LOG_BYTES_AT;
    if (n < 0)
        return -errno;
    w->n = head_count(head, (size_t)n);
    if (w->n == 0)
        return 0;
    last = head[w->n - 1];
    int r = w->n == LOG_HEAD_RECORDS ? resume_index(w, &last) : 0;
    w->log_end = last.offset + last.len;
    w->at_line_start = false;
    return r;
}

int log_writer_begin(struct store *st, int64_t run_id, struct log_writer **ret, struct err *err)
{
    struct log_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return err_errno(err, -ENOMEM, "cannot open the log of run %lld", (long long)run_id);
    *w = (struct log_writer){.st = st, .run_id = run_id, .idx_fd = -1};
    pthread_mutex_init(&w->lock, NULL);
    w->log_fd = log_create(st, run_id, "log");
    int r = w->log_fd < 0 ? w->log_fd : log_resume(w);
    if (r < 0) {
        log_writer_close(w);
        return err_errno(err, r, "cannot open the log of run %lld", (long long)run_id);
    }
    *ret = w;
    return 0;
}

/* Whatever was deleted before has nothing to do with what comes now. */
int log_writer_open(struct store *st, int64_t run_id, struct log_writer **ret, struct err *err)
{
    log_forgotten(st, run_id);
    return log_writer_begin(st, run_id, ret, err);
}

void log_writer_close(struct log_writer *w)
{
    if (!w)
        return;
    if (w->log_fd >= 0)
        close(w->log_fd);
    if (w->idx_fd >= 0)
        close(w->idx_fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static int pwritev_all(int fd, struct iovec *iov, int n, uint64_t off)
{
    for (int i = 0; i < n; i++) {
        int r = iov[i].iov_len ? pwrite_all(fd, iov[i].iov_base, iov[i].iov_len, (off_t)off) : 0;
        if (r < 0)
            return r;
        off += iov[i].iov_len;
    }
    return 0;
}

/* Readers are in this process: none sees half a record of the head. */
static int put_in_head(struct log_writer *w, const struct log_record *records, size_t n)
{
    pthread_mutex_lock(&w->st->log_lock);
    int r = pwrite_all(w->log_fd, records, n * sizeof(*records), (off_t)(w->n * sizeof(*records)));
    pthread_mutex_unlock(&w->st->log_lock);
    return r;
}

static int put_in_index(struct log_writer *w, uint64_t at, const struct log_record *records, size_t n)
{
    if (w->idx_fd < 0 && (w->idx_fd = log_create(w->st, w->run_id, "idx")) < 0)
        return w->idx_fd;
    off_t off = (off_t)((at - LOG_HEAD_RECORDS) * sizeof(*records));
    int r = pwrite_all(w->idx_fd, records, n * sizeof(*records), off);
    if (r < 0 && ftruncate(w->idx_fd, off) < 0)
        log_warning("store", "run %lld: a torn log record stays: %s", (long long)w->run_id,
                    strerrordesc_np(errno));
    return r;
}

/* Makes the bytes behind log_end visible, or nothing of them. */
static int put_records(struct log_writer *w, const struct log_record *records, size_t n)
{
    static const struct log_record none[2];
    uint64_t room = w->n < LOG_HEAD_RECORDS ? LOG_HEAD_RECORDS - w->n : 0;
    size_t head = n < room ? n : (size_t)room;
    int r = n > head ? put_in_index(w, w->n + head, records + head, n - head) : 0;

    if (r == 0 && head && (r = put_in_head(w, records, head)) < 0)
        (void)put_in_head(w, none, head);
    return r;
}

int log_append(struct log_writer *w, int attempt, int64_t job_id, int64_t step_id, enum log_stream stream,
               const char *label, const void *data, size_t len, struct err *err)
{
    _buf_ struct buf header = BUF_INIT;
    struct log_record records[2];
    int n = 0;

    if (len == 0)
        return 0;
    if (len > UINT32_MAX)
        return err_errno(err, -EFBIG, "cannot log a chunk of %zu bytes", len);
    pthread_mutex_lock(&w->lock);
    bool other = job_id != w->last_job || step_id != w->last_step;
    if (other) {
        if (w->n > 0)
            buf_adds(&header, w->at_line_start ? "\n" : "\n\n");
        buf_addf(&header, "==> %s <==\n", label);
    }
    struct log_record base = {.offset = w->log_end,
                              .attempt = (uint16_t)attempt,
                              .time_ns = now_ns(),
                              .job_id = job_id,
                              .step_id = step_id};
    if (other && buf_ok(&header)) {
        records[n] = base;
        records[n].stream = LOG_HEADER;
        records[n++].len = (uint32_t)header.len;
    }
    records[n] = base;
    records[n].offset += header.len;
    records[n].stream = (uint8_t)stream;
    records[n++].len = (uint32_t)len;
    struct iovec iov[2] = {{header.ptr, header.len}, {(void *)(uintptr_t)data, len}};
    int r = pwritev_all(w->log_fd, iov, 2, w->log_end);
    if (r == 0)
        r = put_records(w, records, (size_t)n);
    if (r == 0) {
        w->log_end += header.len + len;
        w->n += (uint64_t)n;
        w->last_job = job_id;
        w->last_step = step_id;
        w->at_line_start = ((const char *)data)[len - 1] == '\n';
    }
    pthread_mutex_unlock(&w->lock);
    if (r < 0)
        return err_errno(err, r, "cannot write the log of run %lld", (long long)w->run_id);
    store_tell(w->st,
               (struct change){.kind = CHANGE_LOG, .id = w->run_id, .run_id = w->run_id, .job_id = job_id});
    return 0;
}

static void log_remove(struct store *st, int64_t run_id, const char *suffix)
{
    _buf_ struct buf path = BUF_INIT;

    log_path(st, run_id, suffix, &path);
    if (buf_ok(&path) && unlink(path.ptr) < 0 && errno != ENOENT)
        log_warning("store", "cannot remove %s: %s", path.ptr, strerrordesc_np(errno));
}

void log_delete(struct store *st, int64_t run_id)
{
    log_remove(st, run_id, "idx");
    log_remove(st, run_id, "log");
    log_forgotten(st, run_id);
}

void log_forget(struct store *st, int64_t run_id)
{
    _buf_ struct buf log = BUF_INIT, gone = BUF_INIT;

    log_path(st, run_id, "log", &log);
    log_path(st, run_id, GONE, &gone);
    if (!buf_ok(&log) || !buf_ok(&gone) || rename(log.ptr, gone.ptr) < 0)
        log_remove(st, run_id, "log");
    else
        (void)!truncate(gone.ptr, 0);
    log_remove(st, run_id, "idx");
}

void log_forgotten(struct store *st, int64_t run_id)
{
    log_remove(st, run_id, GONE);
}

/* What this directory has of runs that are gone, or whose logs were to go: that was cut short. */
static void log_sweep_dir(struct store *st, const char *dir)
{
    _closedir_ DIR *d = opendir(dir);
    _buf_ struct buf again = BUF_INIT; /* ids: they are made anew in here */
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char *end;
        int64_t id = strtoll(e->d_name, &end, 10);
        if (id <= 0 || (!str_eq(end, ".log") && !str_eq(end, ".idx") && !str_eq(end, "." GONE)))
            continue;
        if (!read_int(st, "SELECT id FROM runs WHERE id = ?1", (const int64_t[]){id}, 1, NULL, 0))
            log_delete(st, id);
        else if (str_eq(end, "." GONE))
            buf_add(&again, &id, sizeof(id));
    }
    for (size_t at = 0; buf_ok(&again) && at < again.len; at += sizeof(int64_t)) {
        int64_t id;
        memcpy(&id, again.ptr + at, sizeof(id));
        (void)store_delete_logs(st, id, NULL);
    }
}

void log_sweep(struct store *st)
{
    _buf_ struct buf logs = BUF_INIT;
    struct dirent *e;

    buf_addf(&logs, "%s/logs", st->dir);
    _closedir_ DIR *d = buf_ok(&logs) ? opendir(logs.ptr) : NULL;
    while (d && (e = readdir(d))) {
        _buf_ struct buf dir = BUF_INIT;
        buf_addf(&dir, "%s/%s", logs.ptr, e->d_name);
        if (e->d_name[0] != '.' && buf_ok(&dir))
            log_sweep_dir(st, dir.ptr);
    }
}
