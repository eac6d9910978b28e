/* What of the store's rows is a document: what steps failed with, what that taught, commands, runs. */
#include "knowledge_internal.h"
#include "runfs/knowledge_rows.h"
#include "runfs/str.h"
#include "search_internal.h"

static int named(struct row_document *d, const char *name)
{
    buf_adds(&d->name, name);
    return buf_ok(&d->name) ? 0 : -ENOMEM;
}

static int titled(struct row_document *d, const char *title)
{
    buf_adds(&d->title, title);
    return buf_ok(&d->title) ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------------------------------------------ failures
 */

static int failure_head(struct store *st, int64_t id, struct row_document *d)
{
    const struct failure_row *f = store_get_failure(st, id);
    int r = f ? named(d, f->slug) : -ENOENT;

    if (r == 0)
        r = titled(d, f->signature);
    if (r == 0) {
        d->changed_at = f->changed_at;
        d->size = f->fixed_run_id; /* which changes nothing else */
    }
    failure_row_unref(f);
    return r;
}

static int add_site(void *data, const struct failure_site *site)
{
    buf_addf(data, "%s, %s, %s\n", site->workflow, site->job, site->step);
    return 0;
}

static void add_commands(struct store *st, int64_t id, struct buf *ret)
{
    int64_t ids[8];
    ssize_t n = store_list_failure_links(st, FAILURE_COMMANDS, id, 0, ids, ARRAY_LEN(ids));

    for (ssize_t i = 0; i < n; i++) {
        const struct known_command_row *c = store_get_known_command(st, ids[i]);
        if (c)
            buf_addf(ret, "%s\n", c->name);
        known_command_row_unref(c);
    }
}

/* What it says, in which commands, where, and what mended it. */
static int failure_body(struct store *st, int64_t id, struct buf *ret)
{
    const struct failure_row *f = store_get_failure(st, id);

    if (!f)
        return -ENOENT;
    buf_addf(ret, "%s\n%s\n", f->line, f->signature);
    add_commands(st, f->id, ret);
    int r = store_each_failure_site(st, f->id, add_site, ret);
    buf_adds(ret, f->fix);
    failure_row_unref(f);
    return r;
}

/* ------------------------------------------------------------------------------------------------- lessons
 */

static int64_t find_lesson(struct store *st, const char *name)
{
    _free_ char *slug = str_ends(name, ".md") ? strndup(name, strlen(name) - strlen(".md")) : NULL;
    int64_t id = slug ? store_find_failure(st, slug) : 0;

    return id > 0 && lesson_is_there(st, id) ? id : 0;
}

static int lesson_head(struct store *st, int64_t id, struct row_document *d)
{
    const struct failure_row *f = store_get_failure(st, id);
    int r = f ? named(d, f->slug) : -ENOENT;

    buf_adds(&d->name, ".md");
    if (r == 0)
        r = titled(d, f->signature);
    failure_row_unref(f);
    return r == 0 && !lesson_is_there(st, id) ? -ENOENT : r;
}

/* ------------------------------------------------------------------------------------------------ commands
 */

static int command_head(struct store *st, int64_t id, struct row_document *d)
{
    const struct known_command_row *c = store_get_known_command(st, id);
    int r = c ? named(d, c->slug) : -ENOENT;

    if (r == 0)
        r = titled(d, c->name);
    known_command_row_unref(c);
    return r;
}

static int add_variant(void *data, const struct command_variant *v)
{
    buf_addf(data, "%s\n", v->text);
    return 0;
}

/* How it was written; not how often, which would be another text with each step. */
static int command_body(struct store *st, int64_t id, struct buf *ret)
{
    return store_each_variant(st, id, add_variant, ret);
}

/* ---------------------------------------------------------------------------------------------------- runs
 */

static bool is_old(struct store *st, int64_t id)
{
    return id <= store_latest_run(st) - SEARCH_RUNS_MAX;
}

static int64_t find_run(struct store *st, const char *name)
{
    uint64_t id = 0;
    const struct run_row *run =
        parse_u64(name, &id) == 0 && id <= INT64_MAX ? store_get_run(st, (int64_t)id) : NULL;
    bool there = run != NULL;

    run_row_unref(run);
    return there && !is_old(st, (int64_t)id) ? (int64_t)id : 0;
}

static ssize_t list_runs(struct store *st, int64_t after, int64_t *ids, size_t max)
{
    int64_t old = store_latest_run(st) - SEARCH_RUNS_MAX;

    return store_list_runs(st, RUNS_ALL, after > old ? after : old, ids, max);
}

static int run_head(struct store *st, int64_t id, struct row_document *d)
{
    const struct run_row *run = store_get_run(st, id);

    buf_addf(&d->name, "%lld", (long long)id);
    int r = !buf_ok(&d->name) ? -ENOMEM : !run || is_old(st, id) ? -ENOENT : 0;
    if (r == 0) {
        buf_addf(&d->title, "%s %lld", run->title, (long long)id);
        d->changed_at = run->changed_at;
        r = buf_ok(&d->title) ? 0 : -ENOMEM;
    }
    run_row_unref(run);
    return r;
}

/* What it is, not what it printed. */
static int run_body(struct store *st, int64_t id, struct buf *ret)
{
    const struct run_row *run = store_get_run(st, id);

    if (!run)
        return -ENOENT;
    buf_addf(ret, "%s\n%s, %s\n%s %s %s %s %s\n%s\n", run->title, run->name, run->workflow_name, run->event,
             run->repository, run->ref, run->sha, run->actor,
             *run->conclusion ? run->conclusion : run->status);
    run_row_unref(run);
    return 0;
}

const struct row_kind row_kinds[ROW_KINDS] = {
    [ROW_FAILURES] = {"knowledge/failures/", "failure", CHANGE_FAILURE, false, store_find_failure,
                      store_list_failures, failure_head, failure_body},
    [ROW_LESSONS] = {"knowledge/lessons/", "lesson", CHANGE_FAILURE, true, find_lesson, lesson_list,
                     lesson_head, lesson_text},
    [ROW_COMMANDS] = {"knowledge/commands/", "command", CHANGE_KNOWN_COMMAND, true, store_find_known_command,
                      store_list_known_commands, command_head, command_body},
    [ROW_RUNS] = {"runs/", "run", CHANGE_RUN, false, find_run, list_runs, run_head, run_body},
};

const struct row_kind *row_kind_of(const char *path)
{
    for (size_t i = 0; i < ROW_KINDS; i++)
        if (str_starts(path, row_kinds[i].prefix))
            return &row_kinds[i];
    return NULL;
}

bool row_is_there(struct store *st, const char *path)
{
    const struct row_kind *kind = row_kind_of(path);

    return kind && kind->find(st, path + strlen(kind->prefix)) > 0;
}

void row_document_release(struct row_document *d)
{
    buf_release(&d->name);
    buf_release(&d->title);
    buf_release(&d->body);
}
