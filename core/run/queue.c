/*
 * The jobs that are ready for a worker, in the order in which they are taken. All of it runs under the
 * engine's lock.
 */
#include "engine_internal.h"
#include "runfs/knowledge.h"

/* By the runs before. What is alone in its run waits for nobody of it. */
static double expected_ms(const struct run_job *job)
{
    struct outcome outcomes[20];
    struct expected expected;
    const struct run *run = job->run;

    if (run->n_jobs < 2 || !run->row.workflow_id)
        return 0;
    size_t n = store_job_history(run->e->store, run->row.workflow_id, run->row.id, job->row.key, outcomes,
                                 ARRAY_LEN(outcomes));
    return predict_duration(outcomes, n, &expected) ? expected.middle : 0;
}

static struct run_job *take_place(struct engine *e, struct run_job **at, struct run_job *job)
{
    struct run_job *was = *at;

    job->next_ready = was->next_ready;
    *at = job;
    if (e->ready_end == &was->next_ready)
        e->ready_end = &job->next_ready;
    return was;
}

/* Runs come in turn, and each keeps the places it has. Of a run's jobs that are ready, those that take
 * longest come first, so that it ends sooner: a longer one takes the place of a shorter, which takes the
 * next. */
static void enqueue(struct engine *e, struct run_job *job)
{
    struct run_job *last = job;

    if (job->expected_ms > 0)
        for (struct run_job **at = &e->ready; *at; at = &(*at)->next_ready)
            if ((*at)->run == job->run && (last != job || (*at)->expected_ms < job->expected_ms))
                last = take_place(e, at, last);
    last->next_ready = NULL;
    *e->ready_end = last;
    e->ready_end = &last->next_ready;
}

void job_queue(struct run_job *job)
{
    struct engine *e = job->run->e;

    job->state = JOB_STATE_READY;
    job->expected_ms = expected_ms(job);
    enqueue(e, job);
    e->queued++;
    pthread_cond_signal(&e->work);
}

void job_unqueue(struct run_job *job)
{
    struct engine *e = job->run->e;
    struct run_job **at = &e->ready;

    while (*at && *at != job)
        at = &(*at)->next_ready;
    if (!*at)
        return;
    *at = job->next_ready;
    if (!*at)
        e->ready_end = at;
    e->queued--;
}

struct run_job *job_next(struct engine *e)
{
    struct run_job *job = e->ready;

    if (!job || e->busy >= e->slots || store_waits(e->store)) /* it could not even say that it runs */
        return NULL;
    job_unqueue(job);
    e->busy++;
    job->state = JOB_STATE_RUNNING;
    return job;
}
