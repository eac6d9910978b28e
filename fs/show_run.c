/* What the files of a run show. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/picture.h"
#include "runfs/str.h"
#include "runfs/unseen.h"

static void line(struct buf *b, const char *s)
{
    buf_adds(b, s);
    if (*s)
        buf_addc(b, '\n');
}

void time_line(struct buf *b, int64_t t)
{
    if (t) {
        buf_add_time(b, t);
        buf_addc(b, '\n');
    }
}

static void code_line(struct buf *b, int code)
{
    if (code >= 0)
        buf_addf(b, "%d\n", code);
}

static void duration_line(struct buf *b, int64_t from, int64_t to)
{
    if (from)
        buf_addf(b, "%lld\n", (long long)(((to ? to : now_ns()) - from) / 1000000));
}

/* One function a file: the row, and what of it is shown. */
#define SHOW_RUN(name, what)                                                                                 \
    int show_run_##name(struct fs *fs, int64_t id, struct buf *ret)                                          \
    {                                                                                                        \
        const struct run_row *run = store_get_run(fs->store, id);                                            \
        if (!run)                                                                                            \
            return -ENOENT;                                                                                  \
        what;                                                                                                \
        run_row_unref(run);                                                                                  \
        return 0;                                                                                            \
    }

SHOW_RUN(status, line(ret, run->status))
SHOW_RUN(conclusion, line(ret, run->conclusion))
SHOW_RUN(exit_code, code_line(ret, run->exit_code))
SHOW_RUN(name, line(ret, run->name))
SHOW_RUN(event, line(ret, run->event))
SHOW_RUN(ref, line(ret, run->ref))
SHOW_RUN(sha, line(ret, run->sha))
SHOW_RUN(actor, line(ret, run->actor))
SHOW_RUN(title, line(ret, run->title))
SHOW_RUN(attempt, buf_addf(ret, "%d\n", run->attempt))
SHOW_RUN(created, time_line(ret, run->created_at))
SHOW_RUN(started, time_line(ret, run->started_at))
SHOW_RUN(completed, time_line(ret, run->completed_at))
SHOW_RUN(duration, duration_line(ret, run->started_at, run->completed_at))

/* Files that are there only if there is something in them. */
static int some_text(const char *text, struct buf *ret)
{
    buf_adds(ret, text);
    if (*text && !str_ends(text, "\n"))
        buf_addc(ret, '\n');
    return *text ? 0 : -ENOENT;
}

#define SHOW_SOME(kind, name, field)                                                                         \
    int show_##kind##_##name(struct fs *fs, int64_t id, struct buf *ret)                                     \
    {                                                                                                        \
        const struct kind##_row *row = store_get_##kind(fs->store, id);                                      \
        int r = row ? some_text(row->field, ret) : -ENOENT;                                                  \
        kind##_row_unref(row);                                                                               \
        return r;                                                                                            \
    }

SHOW_SOME(run, concurrency, concurrency)
SHOW_SOME(run, why, why)

#define SHOW_TEXT(name, which)                                                                               \
    int show_run_##name(struct fs *fs, int64_t id, struct buf *ret)                                          \
    {                                                                                                        \
        return store_run_text(fs->store, id, which, ret);                                                    \
    }

SHOW_TEXT(source, RUN_SOURCE)
SHOW_TEXT(event_json, RUN_EVENT)
SHOW_TEXT(inputs, RUN_INPUTS)
SHOW_TEXT(plan, RUN_PLAN)

int show_run_expanded(struct fs *fs, int64_t id, struct buf *ret)
{
    return run_expanded(fs->store, id, ret);
}

int show_run_timeline(struct fs *fs, int64_t id, struct buf *ret)
{
    return picture_timeline(fs->store, id, ret);
}

int show_run_graph(struct fs *fs, int64_t id, struct buf *ret)
{
    return picture_graph(fs->store, id, ret);
}

int show_run_result(struct fs *fs, int64_t id, struct buf *ret)
{
    return owner_completed(fs, OWN_RUN, id) ? store_run_text(fs->store, id, RUN_RESULT, ret) : -ENOENT;
}

/* ------------------------------------------------------------------------------------- of all its steps */

typedef void step_fn(const struct job_row *job, const struct step_row *step, struct buf *ret);

static void each_step(struct fs *fs, const struct job_row *job, step_fn *fn, struct buf *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_steps(fs->store, job->log_job_id ? job->log_job_id : job->id, after, ids,
                                 ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct step_row *step = store_get_step(fs->store, ids[i]);
            if (step)
                fn(job, step, ret);
            step_row_unref(step);
        }
        after = ids[n - 1];
    }
}

static void add_summary(const struct job_row *job, const struct step_row *step, struct buf *ret)
{
    if (!*step->summary)
        return;
    if (ret->len)
        buf_addc(ret, '\n');
    buf_addf(ret, "## %s summary\n\n%s", job->name, step->summary);
    if (!str_ends(step->summary, "\n"))
        buf_addc(ret, '\n');
}

int summary_text(struct fs *fs, int64_t run_id, int attempt, struct buf *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_jobs(fs->store, run_id, attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct job_row *job = store_get_job(fs->store, ids[i]);
            if (job)
                each_step(fs, job, add_summary, ret);
            job_row_unref(job);
        }
        after = ids[n - 1];
    }
    return ret->len ? 0 : -ENOENT;
}

int show_run_summary(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct run_row *run = store_get_run(fs->store, id);
    int r = run ? summary_text(fs, id, run->attempt, ret) : -ENOENT;

    run_row_unref(run);
    return r;
}

/* What a job says: on one line, and nothing in it that a terminal obeys. */
static void add_said(struct buf *ret, const char *text)
{
    size_t start = ret->len;

    for (const char *p = text; *p; p++)
        buf_addc(ret, *p == '\n' || *p == '\r' ? ' ' : *p);
    if (buf_ok(ret) && ret->len > start && utf8_valid(ret->ptr + start, ret->len - start))
        unseen_replace(ret->ptr + start);
}

static int add_annotation(void *data, const struct annotation_row *a)
{
    struct buf *ret = data;

    /* an editor jumps to what it can parse; what has no place says so with its level alone */
    if (*a->file) {
        add_said(ret, a->file);
        if (a->line)
            buf_addf(ret, ":%d", a->line);
        if (a->line && a->col)
            buf_addf(ret, ":%d", a->col);
        buf_adds(ret, ": ");
    }
    buf_addf(ret, "%s: ", a->level);
    add_said(ret, a->title);
    if (*a->title)
        buf_adds(ret, ": ");
    add_said(ret, a->message);
    buf_addc(ret, '\n');
    return 0;
}

int annotations_text(struct fs *fs, int64_t run_id, int attempt, struct buf *ret)
{
    return store_each_annotation(fs->store, run_id, attempt, add_annotation, ret);
}

int show_run_annotations(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct run_row *run = store_get_run(fs->store, id);
    int r = run ? annotations_text(fs, id, run->attempt, ret) : -ENOENT;

    run_row_unref(run);
    return r;
}

int link_run_workflow(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct run_row *run = store_get_run(fs->store, id);
    const struct workflow_row *w =
        run && run->workflow_id ? store_get_workflow(fs->store, run->workflow_id) : NULL;
    const struct repo_row *repo = w && w->repo_id ? store_get_repo(fs->store, w->repo_id) : NULL;
    bool there = w && !w->removed && (!w->repo_id || repo);

    if (there)
        buf_addf(ret, "../../workflows/%s%s%s", repo ? repo->name : "", repo ? "/" : "", w->name);
    repo_row_unref(repo);
    workflow_row_unref(w);
    run_row_unref(run);
    return there ? 0 : -ENOENT;
}

int link_latest_run(struct fs *fs, int64_t id, struct buf *ret)
{
    int64_t latest = store_latest_run(fs->store);

    (void)id;
    if (!latest)
        return -ENOENT;
    buf_addf(ret, "%lld", (long long)latest);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- jobs */

#define SHOW_JOB(name, what)                                                                                 \
    int show_job_##name(struct fs *fs, int64_t id, struct buf *ret)                                          \
    {                                                                                                        \
        const struct job_row *job = store_get_job(fs->store, id);                                            \
        if (!job)                                                                                            \
            return -ENOENT;                                                                                  \
        what;                                                                                                \
        job_row_unref(job);                                                                                  \
        return 0;                                                                                            \
    }

SHOW_JOB(status, line(ret, job->status))
SHOW_JOB(conclusion, line(ret, job->conclusion))
SHOW_JOB(exit_code, code_line(ret, job->exit_code))
SHOW_JOB(name, line(ret, job->name))
SHOW_JOB(why, buf_adds(ret, job->why))
SHOW_JOB(runs_on, line(ret, job->runs_on))
SHOW_JOB(backend, line(ret, job->backend))
SHOW_JOB(duration, duration_line(ret, job->started_at, job->completed_at))

SHOW_SOME(job, matrix, matrix)
SHOW_SOME(job, uses, uses)
SHOW_SOME(job, environment, environment)
SHOW_SOME(job, environment_url, environment_url)
SHOW_SOME(job, permissions, permissions)
SHOW_SOME(job, concurrency, concurrency)

int link_caller(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct job_row *job = store_get_job(fs->store, id);
    int r = job && *job->caller ? 0 : -ENOENT;

    if (r == 0)
        buf_addf(ret, "../%s", job->caller);
    job_row_unref(job);
    return r;
}

int link_need(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct job_row *job = store_get_job(fs->store, id);

    if (!job)
        return -ENOENT;
    buf_addf(ret, "../../%s", job->key);
    job_row_unref(job);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ steps */

#define SHOW_STEP(name, what)                                                                                \
    int show_step_##name(struct fs *fs, int64_t id, struct buf *ret)                                         \
    {                                                                                                        \
        const struct step_row *step = store_get_step(fs->store, id);                                         \
        if (!step)                                                                                           \
            return -ENOENT;                                                                                  \
        what;                                                                                                \
        step_row_unref(step);                                                                                \
        return 0;                                                                                            \
    }

static void text_line(struct buf *b, const char *s)
{
    buf_adds(b, s);
    if (*s && !str_ends(s, "\n"))
        buf_addc(b, '\n');
}

SHOW_STEP(name, line(ret, step->name))
SHOW_STEP(status, line(ret, step->status))
SHOW_STEP(outcome, line(ret, step->outcome))
SHOW_STEP(conclusion, line(ret, step->conclusion))
SHOW_STEP(exit_code, code_line(ret, step->exit_code))
SHOW_STEP(script, text_line(ret, step->script))
SHOW_STEP(env, buf_adds(ret, step->env))
SHOW_STEP(cwd, line(ret, step->cwd))
SHOW_STEP(why, buf_adds(ret, step->why))
SHOW_STEP(duration, duration_line(ret, step->started_at, step->completed_at))

int show_step_summary(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct step_row *step = store_get_step(fs->store, id);
    int r = step && *step->summary ? 0 : -ENOENT;

    if (r == 0)
        text_line(ret, step->summary);
    step_row_unref(step);
    return r;
}

int show_output(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct output_row *row = store_get_output(fs->store, id);

    if (!row)
        return -ENOENT;
    text_line(ret, row->value);
    output_row_unref(row);
    return 0;
}
