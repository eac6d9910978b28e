/*
 * Runs on their way: the list of those that are not completed, which of them changed, and moving these on,
 * one at a time, until nothing of them can go on. All of it runs under the engine's lock.
 */
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/log.h"
#include "runfs/str.h"

const char *run_keep(struct run *run, const char *text)
{
    const char *copy = arena_strdup(&run->arena, text ? text : "");

    return copy ? copy : "";
}

void run_put(struct run *run)
{
    struct err err = {0};

    run->row.changed_at = now_ns();
    store_begin_lasting(run->e->store);
    int r = store_put_run(run->e->store, &run->row, &err), c = store_commit(run->e->store, &err);
    if (r < 0 || c < 0)
        log_error("run", "%lld: cannot be written: %s", (long long)run->row.id, err.msg);
}

/* --------------------------------------------------------------------------------------------- their list */

void run_changed(struct run *run)
{
    struct run **at = &run->e->changed;

    if (run->changed || !run->turn)
        return;
    while (*at && (*at)->turn < run->turn)
        at = &(*at)->next_changed;
    run->next_changed = *at;
    *at = run;
    run->changed = true;
}

static void run_unchanged(struct run *run)
{
    struct run **at = &run->e->changed;

    while (*at && *at != run)
        at = &(*at)->next_changed;
    if (*at)
        *at = run->next_changed;
    run->changed = false;
}

static void link_run(struct engine *e, struct run *run)
{
    run->next = NULL;
    run->turn = ++e->turns;
    *e->runs_end = run;
    e->runs_end = &run->next;
}

static void unlink_run(struct run *run)
{
    struct engine *e = run->e;
    struct run **at = &e->runs;

    run_unchanged(run);
    while (*at && *at != run)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = run->next;
    if (e->runs_end == &run->next)
        e->runs_end = at;
    run->turn = 0;
}

struct run *run_find(struct engine *e, int64_t id)
{
    for (struct run *run = e->runs; run; run = run->next)
        if (run->row.id == id)
            return run;
    return NULL;
}

/* ----------------------------------------------------------------------------------------- the end of one */

static void complete(struct run *run)
{
    bool failure = false, cancelled = false, success = false;

    for (size_t i = 0; i < run->n_jobs; i++) {
        failure |= run->jobs[i]->result == JOB_FAILURE;
        cancelled |= run->jobs[i]->result == JOB_CANCELLED;
        success |= run->jobs[i]->result == JOB_SUCCESS;
    }
    run->row.status = "completed";
    run->row.conclusion = run->cancelled ? "cancelled"
                          : failure      ? "failure"
                          : cancelled    ? "cancelled"
                          : success      ? "success"
                                         : "skipped";
    run->row.exit_code = run->cancelled ? 130
                         : failure      ? (run->first_exit_code ? run->first_exit_code : 1)
                         : cancelled    ? 130
                                        : 0;
    run->row.completed_at = now_ns();
    if (!run->row.started_at)
        run->row.started_at = run->row.completed_at;
    run->row.log_size = log_size(
        run->e->store,
        &(struct log_select){.run_id = run->row.id, .attempt = run->row.attempt, .streams = LOG_OF_RUN});
    (void)run_write_result(run);
    learn_run(run->e->store, &run->row); /* before: whoever sees its end may ask whether it is odd */
    run_put(run);
    repair_ask(run->e, &run->row);
    metric_count(&metric_runs, run->row.conclusion);
    metric_time(&metric_run_time, run->row.completed_at - run->row.started_at);
    permit_release(TAKE(run->permit));
}

/* ---------------------------------------------------------------------------------------------- moving on */

/* What a run waits for, as long as that is so. */
static void show_run_permit(struct run *run)
{
    bool pending = run->permit && !run->permit->held, shown = str_eq(run->row.status, "pending");
    _buf_ struct buf why = BUF_INIT;

    if (run->cancelled || (!pending && !shown))
        return;
    if (pending)
        permit_describe(run->permit, &why);
    if (pending && shown && str_eq(run->row.why, buf_str(&why)))
        return;
    run->row.status = pending ? "pending" : "queued";
    run->row.why = run_keep(run, buf_str(&why));
    run_put(run);
}

/* Decides whatever can be decided of one run. A run whose jobs are all done is completed and freed. */
static void advance(struct run *run)
{
    bool progress = !run->permit || run->permit->held, all_done = true;

    show_run_permit(run);
    while (progress) {
        progress = false;
        for (size_t i = 0; i < run->n_jobs; i++)
            progress |= job_advance(run->jobs[i]);
    }
    for (size_t i = 0; i < run->n_jobs; i++)
        all_done &= run->jobs[i]->state == JOB_STATE_DONE;
    if (!all_done)
        return;
    complete(run);
    unlink_run(run);
    run_free(run);
}

/* What one run does may set others free; each is looked at in its turn, never within another's. */
static void settle(struct engine *e)
{
    struct err err = {0};
    struct run *run;

    if (e->settling)
        return;
    e->settling = true;
    store_begin_lasting(e->store);
    while ((run = e->changed)) {
        run_unchanged(run);
        advance(run);
    }
    if (store_commit(e->store, &err) < 0)
        log_error("run", "what was decided cannot be written: %s", err.msg);
    if (store_waits(e->store)) /* somebody must try again */
        pthread_cond_broadcast(&e->work);
    e->settling = false;
}

void run_advance(struct run *run)
{
    run_changed(run);
    settle(run->e);
}

/* The workflow's concurrency group comes before all its jobs. */
static void ask_for_run_group(struct run *run)
{
    struct err err = {0};

    if (!run->group)
        return;
    run->row.concurrency = run_keep(run, run->group->name);
    if (permit_request(run, NULL, run->group, &run->permit, &err) < 0)
        run_cancel(run, err.msg);
    else if (run->permit->held)
        run_put(run);
}

void run_activate(struct engine *e, struct run *run)
{
    link_run(e, run);
    ask_for_run_group(run);
    run_advance(run);
}

void run_abandon(struct run *run)
{
    struct engine *e = run->e;

    for (size_t i = 0; i < run->n_jobs; i++) {
        if (run->jobs[i]->state == JOB_STATE_READY)
            job_unqueue(run->jobs[i]);
        for (size_t k = 0; k < JOB_PERMITS; k++)
            permit_release(TAKE(run->jobs[i]->permits[k]));
    }
    permit_release(TAKE(run->permit));
    unlink_run(run);
    run_free(run);
    settle(e);
}
