/* What the files of a run's former attempts show, and how they and their jobs are named. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/str.h"

/* One function a file: the row, and what of it is shown. */
#define SHOW_ATTEMPT(name, what)                                                                             \
    int show_attempt_##name(struct fs *fs, int64_t id, struct buf *ret)                                      \
    {                                                                                                        \
        const struct attempt_row *a = store_get_attempt(fs->store, id);                                      \
        if (!a)                                                                                              \
            return -ENOENT;                                                                                  \
        what;                                                                                                \
        attempt_row_unref(a);                                                                                \
        return 0;                                                                                            \
    }

SHOW_ATTEMPT(status, buf_adds(ret, "completed\n"))
SHOW_ATTEMPT(conclusion, buf_addf(ret, "%s\n", a->conclusion))
SHOW_ATTEMPT(exit_code, buf_addf(ret, "%d\n", a->exit_code))
SHOW_ATTEMPT(started, time_line(ret, a->started_at))
SHOW_ATTEMPT(completed, time_line(ret, a->completed_at))
SHOW_ATTEMPT(duration, buf_addf(ret, "%lld\n", (long long)((a->completed_at - a->started_at) / 1000000)))

int show_attempt_why(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct attempt_row *a = store_get_attempt(fs->store, id);
    int r = a && *a->why ? 0 : -ENOENT;

    if (r == 0)
        buf_adds(ret, a->why);
    attempt_row_unref(a);
    return r;
}

int show_attempt_source(struct fs *fs, int64_t id, struct buf *ret)
{
    return store_attempt_source(fs->store, id, ret);
}

int show_attempt_result(struct fs *fs, int64_t id, struct buf *ret)
{
    return store_attempt_result(fs->store, id, ret);
}

int show_attempt_summary(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct attempt_row *a = store_get_attempt(fs->store, id);
    int r = a ? summary_text(fs, a->run_id, a->attempt, ret) : -ENOENT;

    attempt_row_unref(a);
    return r;
}

int show_attempt_annotations(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct attempt_row *a = store_get_attempt(fs->store, id);
    int r = a ? annotations_text(fs, a->run_id, a->attempt, ret) : -ENOENT;

    attempt_row_unref(a);
    return r;
}

/* ------------------------------------------------------------------------------------------------- names */

static int64_t find_attempt(struct fs *fs, int64_t up, const char *name)
{
    uint64_t n;

    return *name != '0' && parse_u64(name, &n) == 0 && n < INT32_MAX
               ? store_find_attempt(fs->store, up, (int)n)
               : 0;
}

static ssize_t next_attempt(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_attempts(fs->store, up, after, ids, max);
}

static int name_attempt(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct attempt_row *a = store_get_attempt(fs->store, id);

    if (!a)
        return -ENOENT;
    buf_addf(ret, "%d", a->attempt);
    attempt_row_unref(a);
    return 0;
}

const struct name_class class_attempts = {find_attempt, next_attempt, name_attempt};

static int64_t find_attempt_job(struct fs *fs, int64_t up, const char *name)
{
    const struct attempt_row *a = store_get_attempt(fs->store, up);
    int64_t id = a ? store_find_job(fs->store, a->run_id, a->attempt, name) : 0;

    attempt_row_unref(a);
    return id;
}

static ssize_t next_attempt_job(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    const struct attempt_row *a = store_get_attempt(fs->store, up);
    ssize_t n = a ? store_list_jobs(fs->store, a->run_id, a->attempt, after, ids, max) : 0;

    attempt_row_unref(a);
    return n;
}

static int name_attempt_job(struct fs *fs, int64_t id, struct buf *ret)
{
    return class_jobs.name(fs, id, ret);
}

const struct name_class class_attempt_jobs = {find_attempt_job, next_attempt_job, name_attempt_job};
