/*
 * GitHub's REST API: logs as a zip, one file a step, as gh looks for them: JOB/NUMBER_STEP.txt, without '/'
 * in names, shorter names of jobs first (gh takes the first that its unanchored pattern finds). Old ones
 * (2.23) look for the '/' that a job's name has, so gh gets such a job both ways. It is sent while it is
 * made, so that it costs neither memory nor disk, whatever the log's size.
 */
#include <sys/stat.h>

#include "api_internal.h"
#include "log_lines.h"
#include "runfs/io.h"
#include "runfs/late_archive.h"

enum { LINE_MAX_BYTES = 60000 /* gh drops the rest of a step behind a line of 64 KiB */ };

/* ----------------------------------------------------------------------------------------------------- zip
 */

struct zipping {
    struct server *s;
    struct archive *archive;     /* owned */
    struct archive_entry *entry; /* owned */
    const struct job_row *job;
    int fd, failed; /* where it goes; -errno once nobody takes it */
    bool for_gh, slashes;
};

/* An archive that is given up in the middle of an entry leaks what compresses it (libarchive 3.6), so it is
 * brought to its end all the same, into nothing. */
static la_ssize_t put(struct archive *archive, void *data, const void *bytes, size_t len)
{
    struct zipping *z = data;

    (void)archive;
    if (!z->failed)
        z->failed = write_all(z->fd, bytes, len);
    return (la_ssize_t)len;
}

/* No name leads out of where the zip is unpacked. */
static void add_name(struct buf *b, const char *name, bool slashes)
{
    size_t start = b->len;

    for (const char *p = name; *p; p++)
        if ((*p != '/' || slashes) && *p != '\\' && (unsigned char)*p >= ' ')
            buf_addc(b, *p);
    if (buf_str(b)[start + strspn(buf_str(b) + start, ".")] == '\0')
        buf_addc(b, '_');
}

/* Of a name that has '/', as it stands in the zip: whether that leads nowhere else. */
static bool slashes_are_safe(const char *name)
{
    _buf_ struct buf path = BUF_INIT;

    add_name(&path, name, true);
    return buf_ok(&path) && strchr(buf_str(&path), '/') && *buf_str(&path) != '/' &&
           !strstr(buf_str(&path), "..");
}

static int put_text(void *data, const char *bytes, size_t len)
{
    struct zipping *z = data;

    return z->failed ? z->failed : archive_write_data(z->archive, bytes, len) < 0 ? -EIO : 0;
}

static int add_step(void *data, int number, const struct step_row *step)
{
    struct zipping *z = data;
    struct log_select select = {.run_id = step->run_id, .step_id = step->id, .streams = LOG_OF_STEP};
    _buf_ struct buf path = BUF_INIT;
    struct log_view *view = NULL;
    int code = log_view_open(z->s->store, &select, &view, NULL);

    if (code < 0)
        return code;
    add_name(&path, z->job->name, z->slashes);
    buf_addf(&path, "/%d_", number);
    add_name(&path, step->name, false);
    buf_adds(&path, ".txt");
    archive_entry_clear(z->entry);
    archive_entry_set_pathname(z->entry, buf_str(&path));
    archive_entry_set_filetype(z->entry, S_IFREG);
    archive_entry_set_perm(z->entry, 0644);
    archive_entry_set_mtime(z->entry, step->completed_at / 1000000000LL, 0);
    code = !buf_ok(&path) ? -ENOMEM : archive_write_header(z->archive, z->entry) != ARCHIVE_OK ? -EIO : 0;
    if (code == 0)
        code = log_lines(view, LINE_MAX_BYTES, put_text, z);
    log_view_close(view);
    return code;
}

/* The ids of a run's jobs, shorter names first. */
struct named {
    int64_t id;
    size_t length;
};

struct names {
    struct named *jobs; /* owned */
    size_t n;
};

static int add_named(void *data, const struct job_row *job)
{
    struct names *all = data;
    struct named *more = reallocarray(all->jobs, all->n + 1, sizeof(*more));

    if (!more)
        return -ENOMEM;
    all->jobs = more;
    all->jobs[all->n++] = (struct named){job->id, strlen(job->name)};
    return 0;
}

static int shorter(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    return x->length != y->length ? (x->length > y->length) - (x->length < y->length)
                                  : (x->id > y->id) - (x->id < y->id);
}

static int write_jobs(struct zipping *z, int64_t run_id, int attempt)
{
    struct names all = {0};
    int code = api_each_job(z->s->store, run_id, attempt, add_named, &all);

    if (all.n)
        qsort(all.jobs, all.n, sizeof(*all.jobs), shorter);
    for (size_t i = 0; i < all.n && code == 0; i++) {
        z->job = store_get_job(z->s->store, all.jobs[i].id);
        z->slashes = false;
        code = z->job ? api_each_step(z->s->store, z->job, add_step, z) : 0;
        z->slashes = z->for_gh && z->job && slashes_are_safe(z->job->name);
        if (code == 0 && z->slashes)
            code = api_each_step(z->s->store, z->job, add_step, z);
        job_row_unref(z->job);
    }
    free(all.jobs);
    return code;
}

/* Which logs: of a run's attempt. */
struct zip {
    struct server *s;
    int64_t run_id;
    int attempt;
    bool for_gh;
};

static int write_zip(void *data, int fd)
{
    const struct zip *zip = data;
    struct zipping z = {.s = zip->s,
                        .archive = archive_write_new(),
                        .entry = archive_entry_new(),
                        .fd = fd,
                        .for_gh = zip->for_gh};
    int code = z.archive && z.entry ? 0 : -ENOMEM;

    if (code == 0 && (archive_write_set_format_zip(z.archive) != ARCHIVE_OK ||
                      archive_write_open(z.archive, &z, NULL, put, NULL) != ARCHIVE_OK))
        code = -EIO;
    if (code == 0)
        code = write_jobs(&z, zip->run_id, zip->attempt);
    bool whole = z.archive && archive_write_close(z.archive) == ARCHIVE_OK;
    if (code == 0)
        code = z.failed ? z.failed : whole ? 0 : -EIO;
    archive_entry_free(z.entry);
    archive_write_free(z.archive);
    return code;
}

/* The attempt that the path names, else the newest; 0: there is no such one. */
static int attempt_of(struct http_request *r, const struct run_row *run)
{
    const char *text = http_param(r, "attempt");
    uint64_t n = (uint64_t)run->attempt;

    return !text || (parse_u64(text, &n) == 0 && n >= 1 && n <= (uint64_t)run->attempt) ? (int)n : 0;
}

/* What GitHub answers where the logs were deleted. */
static bool gone(struct http_request *r, const struct run_row *run, int attempt)
{
    if (run && attempt <= run->logs_gone)
        api_fail(r, 410, "The logs of this run were deleted.");
    return run && attempt <= run->logs_gone;
}

/* The attempt whose job wrote the log. */
static bool job_gone(struct http_request *r, const struct job_row *job)
{
    struct server *s = http_data(r);
    const struct run_row *run = store_get_run(s->store, job->run_id);
    const struct job_row *own = job->log_job_id ? store_get_job(s->store, job->log_job_id) : NULL;
    bool is_gone = gone(r, run, own ? own->attempt : job->attempt);

    job_row_unref(own);
    run_row_unref(run);
    return is_gone;
}

void api_run_logs(struct http_request *r)
{
    const struct run_row *run = api_run(r);
    int attempt = run ? attempt_of(r, run) : 0;

    if (attempt && !gone(r, run, attempt))
        api_lead_on(r, "/downloads/runs/%lld/%d/logs", (long long)run->id, attempt);
    else if (run && !attempt)
        api_not_found(r);
    run_row_unref(run);
}

void run_logs(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct run_row *run = api_run(r);
    const char *agent = http_header(r, "User-Agent");
    int attempt = run ? attempt_of(r, run) : 0;
    struct zip *zip;

    if (!run)
        return;
    if (!attempt) {
        api_not_found(r);
    } else if (gone(r, run, attempt)) {
        /* it has answered */
    } else if ((zip = malloc(sizeof(*zip)))) {
        *zip = (struct zip){s, run->id, attempt, agent && str_starts(agent, "GitHub CLI")};
        http_reply_stream(r, -1, "application/zip", write_zip, zip, free);
    } else {
        api_fail(r, 500, "no memory");
    }
    run_row_unref(run);
}

/* ----------------------------------------------------------------------------------------------- one job */

static int put_to_fd(void *data, const char *bytes, size_t len)
{
    return write_all(*(int *)data, bytes, len);
}

static int write_job_log(void *data, int fd)
{
    return log_lines(data, 0, put_to_fd, &fd);
}

static void close_view(void *data)
{
    log_view_close(data);
}

void api_job_logs(struct http_request *r)
{
    const struct job_row *job = api_job(r);

    if (job && !job_gone(r, job))
        api_lead_on(r, "/downloads/jobs/%lld/logs", (long long)job->id);
    job_row_unref(job);
}

void job_logs(struct http_request *r)
{
    struct server *s = http_data(r);
    const struct job_row *job = api_job(r);
    struct log_view *view = NULL;

    if (!job)
        return;
    if (job_gone(r, job)) {
        job_row_unref(job);
        return;
    }
    struct log_select select = {
        .run_id = job->run_id, .job_id = job->log_job_id ? job->log_job_id : job->id, .streams = LOG_OF_STEP};
    if (log_view_open(s->store, &select, &view, NULL) < 0)
        api_fail(r, 500, "the log cannot be read");
    else
        http_reply_stream(r, -1, "text/plain; charset=utf-8", write_job_log, view, close_view);
    job_row_unref(job);
}
