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
    pthread_mutex_t lock; /* guards all below */
    int log_fd, idx_fd;
    uint64_t log_end, idx_end;
    int64_t last_job, last_step; /* who spoke last */
    bool at_line_start;
};

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

/* Goes on behind the last whole record. */
static int log_resume(struct log_writer *w)
{
    struct log_record last;
    struct stat st;

    w->at_line_start = true;
    if (fstat(w->idx_fd, &st) < 0)
        return -errno;
    w->idx_end = (uint64_t)st.st_size / sizeof(last) * sizeof(last);
    if (w->idx_end == 0)
        return 0;
    ssize_t n = pread(w->idx_fd, &last, sizeof(last), (off_t)(w->idx_end - sizeof(last)));
    if (n != (ssize_t)sizeof(last))
        return n < 0 ? -errno : -EIO;
    w->log_end = last.offset + last.len;
    w->at_line_start = false;
    return 0;
}

int log_writer_open(struct store *st, int64_t run_id, struct log_writer **ret, struct err *err)
{
    struct log_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return err_errno(err, -ENOMEM, "cannot open the log of run %lld", (long long)run_id);
    *w = (struct log_writer){.st = st, .run_id = run_id, .idx_fd = -1};
    pthread_mutex_init(&w->lock, NULL);
    w->log_fd = log_create(st, run_id, "log");
    int r = w->log_fd < 0 ? w->log_fd : 0;
    if (r == 0) {
        w->idx_fd = log_create(st, run_id, "idx");
        r = w->idx_fd < 0 ? w->idx_fd : log_resume(w);
    }
    if (r < 0) {
        log_writer_close(w);
        return err_errno(err, r, "cannot open the log of run %lld", (long long)run_id);
    }
    *ret = w;
    return 0;
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
        if (w->log_end > 0)
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
        r = pwrite_all(w->idx_fd, records, sizeof(records[0]) * (size_t)n, (off_t)w->idx_end);
    if (r == 0) {
        w->log_end += header.len + len;
        w->idx_end += sizeof(records[0]) * (size_t)n;
        w->last_job = job_id;
        w->last_step = step_id;
        w->at_line_start = ((const char *)data)[len - 1] == '\n';
    } else if (ftruncate(w->idx_fd, (off_t)w->idx_end) < 0) {
        log_warning("store", "run %lld: a torn log record stays: %s", (long long)w->run_id,
                    strerrordesc_np(errno));
    }
    pthread_mutex_unlock(&w->lock);
    if (r < 0)
        return err_errno(err, r, "cannot write the log of run %lld", (long long)w->run_id);
    store_tell(w->st,
               (struct change){.kind = CHANGE_LOG, .id = w->run_id, .run_id = w->run_id, .job_id = job_id});
    return 0;
}

void log_delete(struct store *st, int64_t run_id)
{
    static const char *const suffixes[] = {"idx", "log"};

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        _buf_ struct buf path = BUF_INIT;
        log_path(st, run_id, suffixes[i], &path);
        if (buf_ok(&path) && unlink(path.ptr) < 0 && errno != ENOENT)
            log_warning("store", "cannot remove %s: %s", path.ptr, strerrordesc_np(errno));
    }
}

/* A log in this directory whose run is gone: its deletion was cut short. */
static void log_sweep_dir(struct store *st, const char *dir)
{
    _closedir_ DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char *end;
        long long id = strtoll(e->d_name, &end, 10);
        if (id <= 0 || (!str_eq(end, ".log") && !str_eq(end, ".idx")))
            continue;
        if (!read_int(st, "SELECT id FROM runs WHERE id = ?1", (const int64_t[]){id}, 1, NULL, 0))
            log_delete(st, id);
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
