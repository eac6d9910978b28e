/* Cancelling: of a job, of what it calls, of a run; and killing what does not end. Under the engine's lock.
 */
#include "elsewhere.h"

/* Whether a job's `if` asks for it although it is cancelled: always(), cancelled(). */
static bool runs_all_the_same(struct run_job *job)
{
    bool wanted = false;

    return job_evaluate_if(job, &wanted, NULL, NULL) == 0 && wanted;
}

/* Jobs of a cancelled workflow: what has not been decided yet is decided as cancelled when its turn comes. */
static void cancel_jobs(struct run *run, const struct run_scope *scope, const char *why)
{
    size_t n = run->n_jobs;

    for (size_t i = 0; i < n; i++) {
        struct run_job *job = run->jobs[i];
        if ((scope && job->scope != scope) || job->state == JOB_STATE_DONE || job->state == JOB_STATE_WAITING)
            continue;
        if (job->state == JOB_STATE_CALLING && scope)
            job_cancel(job, why);
        else if (job->state != JOB_STATE_CALLING && !runs_all_the_same(job))
            job_cancel(job, why);
    }
}

void job_cancel(struct run_job *job, const char *why)
{
    atomic_store(&job->cancelled, true);
    run_changed(job->run);
    if (job->state == JOB_STATE_DONE)
        return;
    if (why)
        job_note(job, why);
    if (job->state == JOB_STATE_RUNNING) {
        if (job->machine)
            machine_interrupt(job->machine);
        if (job->elsewhere)
            elsewhere_wake(job->elsewhere);
        for (size_t i = 0; i < ARRAY_LEN(job->beside); i++)
            if (job->beside[i])
                machine_interrupt(job->beside[i]);
    } else if (job->state == JOB_STATE_CALLING) {
        job->called->cancelled = true;
        cancel_jobs(job->run, job->called, why);
    } else {
        if (job->state == JOB_STATE_READY)
            job_unqueue(job);
        job_done(job, JOB_CANCELLED, 0);
    }
}

/* A run that still waits for its group has no jobs yet that could ask for anything. */
static void cancel_pending(struct run *run)
{
    permit_release(TAKE(run->permit));
    for (size_t i = 0; i < run->n_jobs; i++)
        job_cancel(run->jobs[i], NULL);
}

static void run_note(struct run *run, const char *msg)
{
    struct annotation_row note = {.run_id = run->row.id,
                                  .attempt = run->row.attempt,
                                  .level = "error",
                                  .title = "",
                                  .file = "",
                                  .message = msg};
    _buf_ struct buf why = BUF_INIT;

    buf_addf(&why, "%s\n", msg);
    run->row.why = run_keep(run, buf_str(&why));
    store_begin_lasting(run->e->store);
    (void)store_put_annotation(run->e->store, &note, NULL);
    (void)store_commit(run->e->store, NULL);
}

void run_cancel(struct run *run, const char *why)
{
    bool pending = run->permit ? !run->permit->held : run->group != NULL;

    run->cancelled = true;
    run_changed(run);
    if (why)
        run_note(run, why);
    if (pending)
        cancel_pending(run);
    else
        cancel_jobs(run, NULL, why);
}

void run_kill(struct run *run)
{
    run->cancelled = true;
    run_changed(run);
    for (size_t i = 0; i < run->n_jobs; i++) {
        struct run_job *job = run->jobs[i];
        if (job->state == JOB_STATE_CALLING)
            continue;
        if (job->state != JOB_STATE_DONE)
            job_cancel(job, NULL);
        atomic_store(&job->killed, true);
        if (job->state == JOB_STATE_RUNNING && job->machine)
            machine_kill(job->machine);
        if (job->state == JOB_STATE_RUNNING && job->elsewhere)
            elsewhere_wake(job->elsewhere);
        for (size_t k = 0; job->state == JOB_STATE_RUNNING && k < ARRAY_LEN(job->beside); k++)
            if (job->beside[k])
                machine_kill(job->beside[k]);
    }
}
