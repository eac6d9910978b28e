/* The classes of names in the tree: how to find, list and write those of workflows, events and runs. */
#include "fs.h"
#include "runfs/event.h"
#include "runfs/str.h"

static int64_t find_number(const char *name)
{
    uint64_t n;

    return name[0] != '0' && parse_u64(name, &n) == 0 && n < INT64_MAX / 2048 ? (int64_t)n : 0;
}

int name_number(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)fs;
    buf_addf(ret, "%lld", (long long)id);
    return 0;
}

#define NAME_OF(kind, field)                                                                                 \
    static int name_##kind(struct fs *fs, int64_t id, struct buf *ret)                                       \
    {                                                                                                        \
        const struct kind##_row *row = store_get_##kind(fs->store, id);                                      \
        if (!row)                                                                                            \
            return -ENOENT;                                                                                  \
        buf_adds(ret, row->field);                                                                           \
        kind##_row_unref(row);                                                                               \
        return 0;                                                                                            \
    }

NAME_OF(workflow, name)
NAME_OF(repo, name)
NAME_OF(error, name)
NAME_OF(job, key)
NAME_OF(output, name)

/* ------------------------------------------------------------------------------------ workflows,
 * repositories */

static int64_t find_workflow(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_workflow(fs->store, 0, name, false);
}

static ssize_t next_workflow(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_workflows(fs->store, 0, after, ids, max);
}

const struct name_class class_workflows = {find_workflow, next_workflow, name_workflow};

static int64_t find_draft(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return draft_find(fs, tree_find("workflows"), name);
}

static ssize_t next_draft(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return (ssize_t)draft_next(fs, tree_find("workflows"), after, ids, max);
}

const struct name_class class_drafts = {find_draft, next_draft, draft_name};

static int64_t find_repo(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_repo(fs->store, name);
}

static ssize_t next_repo(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_repos(fs->store, after, ids, max);
}

const struct name_class class_repos = {find_repo, next_repo, name_repo};

static int64_t find_repo_workflow(struct fs *fs, int64_t up, const char *name)
{
    (void)engine_refresh_repo(fs->engine, up, NULL);
    return store_find_workflow(fs->store, up, name, false);
}

static ssize_t next_repo_workflow(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    if (after == 0)
        (void)engine_refresh_repo(fs->engine, up, NULL);
    return store_list_workflows(fs->store, up, after, ids, max);
}

const struct name_class class_repo_workflows = {find_repo_workflow, next_repo_workflow, name_workflow};

static int64_t find_error(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_error(fs->store, name);
}

static ssize_t next_error(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_errors(fs->store, after, ids, max);
}

const struct name_class class_errors = {find_error, next_error, name_error};

static int64_t find_event(struct fs *fs, int64_t up, const char *name)
{
    (void)fs;
    (void)up;
    return event_index(name) + 1;
}

static ssize_t next_event(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    size_t n = 0;

    (void)fs;
    (void)up;
    for (; n < max && event_name((size_t)after); n++)
        ids[n] = ++after;
    return (ssize_t)n;
}

static int name_event(struct fs *fs, int64_t id, struct buf *ret)
{
    const char *name = event_name((size_t)id - 1);

    (void)fs;
    buf_adds(ret, name);
    return name ? 0 : -ENOENT;
}

const struct name_class class_events = {find_event, next_event, name_event};

/* ------------------------------------------------------------------------------------------------- runs */

static int64_t find_run(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = find_number(name);
    const struct run_row *row = id ? store_get_run(fs->store, id) : NULL;

    (void)up;
    run_row_unref(row);
    return row ? id : 0;
}

static ssize_t next_run(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_runs(fs->store, RUNS_ALL, after, ids, max);
}

const struct name_class class_runs = {find_run, next_run, name_number};

static int64_t find_active_run(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = find_run(fs, up, name);

    return id && !owner_completed(fs, OWN_RUN, id) ? id : 0;
}

static ssize_t next_active_run(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_runs(fs->store, RUNS_ACTIVE, after, ids, max);
}

const struct name_class class_active_runs = {find_active_run, next_active_run, name_number};

static int64_t find_failed_run(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = find_run(fs, up, name);
    const struct run_row *row = id ? store_get_run(fs->store, id) : NULL;
    bool failed =
        row && *row->conclusion && !str_eq(row->conclusion, "success") && !str_eq(row->conclusion, "skipped");

    run_row_unref(row);
    return failed ? id : 0;
}

static ssize_t next_failed_run(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_runs(fs->store, RUNS_FAILED, after, ids, max);
}

const struct name_class class_failed_runs = {find_failed_run, next_failed_run, name_number};

/* A workflow in by-workflow/: "ci.yml", or "REPO:ci.yml" for one of a linked repository. */
static int name_run_workflow(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct workflow_row *row = store_get_workflow(fs->store, id);

    if (!row)
        return -ENOENT;
    if (row->repo_id) {
        const struct repo_row *repo = store_get_repo(fs->store, row->repo_id);
        if (repo)
            buf_addf(ret, "%s:", repo->name);
        else
            buf_addf(ret, "repo-%lld:", (long long)row->repo_id);
        repo_row_unref(repo);
    }
    buf_adds(ret, row->name);
    workflow_row_unref(row);
    return 0;
}

static ssize_t next_run_workflow(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_workflows_with_runs(fs->store, after, ids, max);
}

static int64_t find_run_workflow(struct fs *fs, int64_t up, const char *name)
{
    const char *colon = strchr(name, ':');
    int64_t id = 0, one, after = 0;

    (void)up;
    if (!colon) {
        id = store_find_workflow(fs->store, 0, name, true);
    } else {
        while (!id && store_list_workflows_with_runs(fs->store, after, &one, 1) == 1) {
            _buf_ struct buf full = BUF_INIT;
            if (name_run_workflow(fs, one, &full) == 0 && str_eq(buf_str(&full), name))
                id = one;
            after = one;
        }
    }
    return id && store_list_runs_of(fs->store, id, 0, &one, 1) == 1 ? id : 0;
}

const struct name_class class_run_workflows = {find_run_workflow, next_run_workflow, name_run_workflow};

static int64_t find_run_of(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = find_number(name);
    const struct run_row *row = id ? store_get_run(fs->store, id) : NULL;
    bool mine = row && row->workflow_id == up;

    run_row_unref(row);
    return mine ? id : 0;
}

static ssize_t next_run_of(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_runs_of(fs->store, up, after, ids, max);
}

const struct name_class class_runs_of = {find_run_of, next_run_of, name_number};

/* ------------------------------------------------------------------------------------------ jobs and steps
 */

static int run_attempt(struct fs *fs, int64_t run_id)
{
    const struct run_row *row = store_get_run(fs->store, run_id);
    int attempt = row ? row->attempt : 0;

    run_row_unref(row);
    return attempt;
}

static int64_t find_job(struct fs *fs, int64_t up, const char *name)
{
    return store_find_job(fs->store, up, run_attempt(fs, up), name);
}

static ssize_t next_job(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_jobs(fs->store, up, run_attempt(fs, up), after, ids, max);
}

const struct name_class class_jobs = {find_job, next_job, name_job};

/* The jobs of the same attempt and workflow that a job needs. */
static bool is_needed(const struct job_row *job, const struct job_row *other)
{
    _json_ json_t *needs = json_loads(job->needs, JSON_DECODE_ANY, NULL);
    json_t *need;
    size_t i;

    if (!str_eq(job->caller, other->caller))
        return false;
    json_array_foreach(needs, i, need) if (str_eq(json_string_value(need), other->job_id)) return true;
    return false;
}

static ssize_t next_need(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    const struct job_row *job = store_get_job(fs->store, up);
    int64_t batch[64];
    ssize_t got = 0, n = 1;

    while (job && (size_t)got < max &&
           (n = store_list_jobs(fs->store, job->run_id, job->attempt, after, batch, ARRAY_LEN(batch))) > 0)
        for (ssize_t i = 0; i < n && (size_t)got < max; i++) {
            const struct job_row *other = store_get_job(fs->store, batch[i]);
            if (other && is_needed(job, other))
                ids[got++] = batch[i];
            job_row_unref(other);
            after = batch[i];
        }
    job_row_unref(job);
    return got;
}

static int64_t find_need(struct fs *fs, int64_t up, const char *name)
{
    const struct job_row *job = store_get_job(fs->store, up);
    int64_t id = job ? store_find_job(fs->store, job->run_id, job->attempt, name) : 0;
    const struct job_row *other = id ? store_get_job(fs->store, id) : NULL;

    if (!other || !is_needed(job, other))
        id = 0;
    job_row_unref(other);
    job_row_unref(job);
    return id;
}

const struct name_class class_needs = {find_need, next_need, name_job};

/* Steps and logs of a job that was carried over by rerun-failed are those of the job it was. */
static int64_t log_job(struct fs *fs, int64_t job_id)
{
    const struct job_row *row = store_get_job(fs->store, job_id);
    int64_t id = row && row->log_job_id ? row->log_job_id : job_id;

    job_row_unref(row);
    return id;
}

static int name_step(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct step_row *row = store_get_step(fs->store, id);

    if (!row)
        return -ENOENT;
    buf_addf(ret, "%02d-%s", row->number > 0 ? row->number : 0, row->slug);
    step_row_unref(row);
    return 0;
}

static int64_t find_step(struct fs *fs, int64_t up, const char *name)
{
    char digits[8] = "";
    size_t len = strcspn(name, "-");
    uint64_t number;

    if (len == 0 || len >= sizeof(digits))
        return 0;
    memcpy(digits, name, len);
    if (parse_u64(digits, &number) < 0)
        return 0;
    int64_t ids[16], job = log_job(fs, up);
    ssize_t n = store_find_steps(fs->store, job, (int)number, ids, ARRAY_LEN(ids));
    for (ssize_t i = 0; i < n; i++) {
        _buf_ struct buf full = BUF_INIT;
        if (name_step(fs, ids[i], &full) == 0 && str_eq(buf_str(&full), name))
            return ids[i];
    }
    return 0;
}

static ssize_t next_step(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_steps(fs->store, log_job(fs, up), after, ids, max);
}

const struct name_class class_steps = {find_step, next_step, name_step};

static int64_t find_job_output(struct fs *fs, int64_t up, const char *name)
{
    return store_find_output(fs->store, up, 0, name);
}

static ssize_t next_job_output(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_outputs(fs->store, up, 0, after, ids, max);
}

const struct name_class class_job_outputs = {find_job_output, next_job_output, name_output};

static int64_t job_of_step(struct fs *fs, int64_t step_id)
{
    const struct step_row *row = store_get_step(fs->store, step_id);
    int64_t id = row ? row->job_id : 0;

    step_row_unref(row);
    return id;
}

static int64_t find_step_output(struct fs *fs, int64_t up, const char *name)
{
    return store_find_output(fs->store, job_of_step(fs, up), up, name);
}

static ssize_t next_step_output(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_outputs(fs->store, job_of_step(fs, up), up, after, ids, max);
}

const struct name_class class_step_outputs = {find_step_output, next_step_output, name_output};
