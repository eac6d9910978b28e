/* Resuming with a workflow that was edited since: it counts when all that came before is as it was. */
#include "resume.h"

#include "runfs/str.h"

/* Returns the name of what differs, or NULL. */
static const char *step_difference(const struct workflow_step *a, const struct workflow_step *b)
{
    const struct {
        const char *name;
        const struct token *was, *is;
    } parts[] = {
        {"name", a->name, b->name},
        {"run", a->run, b->run},
        {"shell", a->shell, b->shell},
        {"working-directory", a->working_directory, b->working_directory},
        {"with", a->with, b->with},
        {"env", a->env, b->env},
        {"continue-on-error", a->continue_on_error, b->continue_on_error},
        {"timeout-minutes", a->timeout_minutes, b->timeout_minutes},
    };

    if (a->kind != b->kind || a->background != b->background || !token_same(a->target, b->target))
        return "kind";
    if (!str_eq(a->id, b->id))
        return "id";
    if (!str_eq(a->uses ? a->uses : "", b->uses ? b->uses : ""))
        return "uses";
    if (!str_eq(a->condition ? expr_text(a->condition) : "", b->condition ? expr_text(b->condition) : ""))
        return "if";
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!token_same(parts[i].was, parts[i].is))
            return parts[i].name;
    return NULL;
}

/* What every step of the job has felt. */
static const char *job_difference(const struct workflow *was, const struct workflow_job *a,
                                  const struct workflow *is, const struct workflow_job *b)
{
    const struct {
        const char *name;
        const struct token *was, *is;
    } parts[] = {
        {"the workflow's env", was->env, is->env},
        {"the workflow's defaults", was->defaults_run, is->defaults_run},
        {"env", a->env, b->env},
        {"defaults", a->defaults_run, b->defaults_run},
        {"strategy", a->strategy, b->strategy},
        {"runs-on", a->runs_on, b->runs_on},
        {"container", a->container, b->container},
        {"services", a->services, b->services},
    };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!token_same(parts[i].was, parts[i].is))
            return parts[i].name;
    return NULL;
}

#define CURE "put it back, or run all of it again (rerun)"

static int compare(const struct workflow *was, const struct workflow *is, const char *job_id, size_t first,
                   struct err *err)
{
    const struct workflow_job *a = workflow_job(was, job_id), *b = workflow_job(is, job_id);

    if (!a || !b || b->uses || first > a->n_steps)
        return err_set(err, -EINVAL,
                       "the workflow was edited, and has no job '%s' with steps any more: " CURE, job_id);
    if (b->n_steps <= first)
        return err_set(err, -EINVAL, "the workflow was edited, and job '%s' has only %zu steps now: " CURE,
                       job_id, b->n_steps);
    const char *what = job_difference(was, a, is, b);
    if (what)
        return err_set(err, -EINVAL,
                       "the workflow was edited, and %s of job '%s' is not what the steps before had: " CURE,
                       what, job_id);
    for (size_t i = 0; i < first; i++)
        if ((what = step_difference(&a->steps[i], &b->steps[i])))
            return err_set(
                err, -EINVAL,
                "the workflow was edited, and `%s` of step %zu (line %d), which came before, is not "
                "what it was: " CURE,
                what, i + 1, b->steps[i].line);
    return 0;
}

/* The workflow as it is registered now; NULL when it is not, or as it was. */
static const struct workflow_row *registered(struct engine *e, const struct run_row *run,
                                             const struct buf *was)
{
    const struct workflow_row *now = run->workflow_id ? store_get_workflow(e->store, run->workflow_id) : NULL;

    if (now && now->repo_id) {
        (void)engine_refresh_repo(e, now->repo_id, NULL);
        workflow_row_unref(now);
        now = store_get_workflow(e->store, run->workflow_id);
    }
    if (now && !now->removed &&
        (now->source_len != was->len || memcmp(now->source, buf_str(was), was->len) != 0))
        return now;
    workflow_row_unref(now);
    return NULL;
}

int resume_edited(struct engine *e, const struct run_row *run, const struct job_row *job, size_t first,
                  struct buf *ret, struct err *err)
{
    struct workflow *was = NULL, *is = NULL;
    struct workflow_opts opts = {0};
    _buf_ struct buf source = BUF_INIT;
    _lint_ struct lint lint = {0};

    if (*job->caller) /* what it calls is as it was read when the run began */
        return 0;
    int r = store_run_text(e->store, run->id, RUN_SOURCE, &source);
    const struct workflow_row *now = r == 0 ? registered(e, run, &source) : NULL;
    if (!now)
        return r < 0 ? err_errno(err, r, "run %lld", (long long)run->id) : 0;
    opts.forge = (enum forge)now->forge;
    r = workflow_parse(now->name, buf_str(&source), source.len, &opts, &was, &lint);
    if (r == 0)
        r = workflow_parse(now->name, now->source, now->source_len, &opts, &is, &lint);
    r = r < 0 ? err_errno(err, r, "%s", now->name) : compare(was, is, job->job_id, first, err);
    if (r == 0)
        buf_add(ret, now->source, now->source_len);
    workflow_free(was);
    workflow_free(is);
    workflow_row_unref(now);
    return r == 0 && !buf_ok(ret) ? err_errno(err, -ENOMEM, "resume") : r;
}
