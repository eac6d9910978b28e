/* The engine's life: workers, slots, the hourly janitor, waiting, stopping. */
#include "runfs/run.h"

#include <pwd.h>
#include <time.h>

#include "elsewhere.h"
#include "engine_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/remotes.h"
#include "runfs/str.h"

enum { STOP_SECONDS = 15, JANITOR_SECONDS = 60, AGAIN_SECONDS = 1, RETAIN_SECONDS = 3600 };

static struct timespec seconds_from_now(int64_t seconds)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += seconds;
    return t;
}

static bool lacks_workers(const struct engine *e)
{
    return e->n_workers < e->slots && e->n_workers < SLOTS_MAX;
}

/* More workers as slots grow; those that are too many find nothing to do. Where there is no room for their
 * threads the janitor tries again. With the lock held. */
static void fit_workers(struct engine *e)
{
    bool lacked = e->lacking;

    e->lacking = false;
    while (lacks_workers(e) && !e->lacking) {
        if (pthread_create(&e->workers[e->n_workers], NULL, engine_worker, e) == 0)
            e->n_workers++;
        else
            e->lacking = true;
    }
    if (e->lacking && !lacked)
        log_warning("run", "no more workers can be started: %d slots of %d are there until they can",
                    e->n_workers, e->slots);
    pthread_cond_broadcast(&e->work);
}

void engine_set_slots(struct engine *e, int slots)
{
    if (e->fixed_slots)
        return;
    pthread_mutex_lock(&e->lock);
    e->slots = slots;
    fit_workers(e);
    if (e->lacking)
        pthread_cond_signal(&e->ended); /* the janitor sees to it */
    pthread_mutex_unlock(&e->lock);
}

/* What becomes of an attempt that ended with the daemon: it is kept as one that did not come to its end. */
static int interrupt(struct store *st, const struct run_row *row, struct err *err)
{
    struct run_row was = *row;

    was.status = "completed";
    was.conclusion = "interrupted";
    was.exit_code = 1;
    was.completed_at = was.changed_at = now_ns();
    was.started_at = row->started_at ? row->started_at : was.completed_at;
    was.log_size =
        log_size(st, &(struct log_select){.run_id = row->id, .attempt = row->attempt, .streams = LOG_OF_RUN});
    return store_put_run(st, &was, err);
}

/* Its jobs that had not come to their end never will, under that number. */
static int end_jobs(struct store *st, const struct run_row *run, struct err *err)
{
    int64_t ids[64], after = 0;
    int r = 0;
    ssize_t n;

    while (r == 0 && (n = store_list_jobs(st, run->id, run->attempt, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; r == 0 && i < n; i++) {
            const struct job_row *row = store_get_job(st, ids[i]);
            if (row && !str_eq(row->status, "completed")) {
                struct job_row was = *row;
                was.status = "completed";
                was.conclusion = str_eq(row->status, "in_progress") ? "interrupted" : "cancelled";
                was.exit_code = 1;
                was.completed_at = was.changed_at = now_ns();
                was.log_size = 0;
                r = store_put_job(st, &was, err);
            }
            job_row_unref(row);
        }
        after = ids[n - 1];
    }
    return r;
}

/* It cannot be taken up again, and will not come to its end by itself: this is it. */
static void end_untaken(struct engine *e, const struct run_row *row, const char *msg)
{
    const struct annotation_row note = {.run_id = row->id,
                                        .attempt = row->attempt,
                                        .level = "error",
                                        .title = "",
                                        .file = "",
                                        .message = msg};
    struct run_row was = *row;
    _buf_ struct buf why = BUF_INIT;

    buf_addf(&why, "%s\n", msg);
    was.status = "completed";
    was.conclusion = "failure";
    was.exit_code = 1;
    was.why = buf_str(&why);
    was.completed_at = was.changed_at = now_ns();
    was.started_at = row->started_at ? row->started_at : was.completed_at;
    was.log_size = log_size(
        e->store, &(struct log_select){.run_id = row->id, .attempt = row->attempt, .streams = LOG_OF_RUN});
    store_begin_lasting(e->store);
    (void)store_put_annotation(e->store, &note, NULL);
    (void)end_jobs(e->store, row, NULL);
    (void)store_put_run(e->store, &was, NULL);
    (void)store_commit(e->store, NULL);
    log_warning("run", "%lld: %s", (long long)row->id, msg);
}

/* Its job rows are there from before: they are made again under a new attempt, but those that are done. */
static int put_again(struct engine *e, const struct run_row *row, struct run *run, struct err *err)
{
    int64_t job;
    bool before = store_list_jobs(e->store, row->id, row->attempt, 0, &job, 1) > 0;
    int r = before ? interrupt(e->store, row, err) : 0;

    if (r == 0)
        r = before ? run_next_attempt(run, err) : store_put_run(e->store, &run->row, err);
    if (r == 0 && before)
        r = run_carry(run, RERUN_UNFINISHED, NULL, err);
    if (r == 0 && before)
        r = end_jobs(e->store, row, err);
    return r == 0 ? run_add_jobs(run, err) : r;
}

/* What may be better the next time. */
static bool is_passing(int r)
{
    static const int passing[] = {ENOSPC, EDQUOT, EBUSY, ENOMEM, EMFILE, ENFILE, EIO, EROFS, EAGAIN};

    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        if (r == -passing[i])
            return true;
    return false;
}

static void take_up(struct engine *e, const struct run_row *row, bool again)
{
    struct run *run = NULL;
    struct err err = {0};

    int r = run_restore(e, row, NULL, &run, &err);
    if (r == 0) {
        store_begin(e->store);
        r = put_again(e, row, run, &err);
        if (r < 0)
            store_rollback(e->store);
        else
            r = store_commit(e->store, &err);
    }
    if (r == 0) {
        run_activate(e, run);
        return;
    }
    run_free(run);
    err_prefix(&err, "the run cannot be taken up again");
    if (is_passing(r)) {
        if (!again)
            log_warning("run", "%lld: %s: it is tried again", (long long)row->id, err.msg);
        e->untaken = true;
    } else {
        end_untaken(e, row, err.msg);
    }
}

/* With the lock held. */
static void take_up_queued(struct engine *e)
{
    int64_t ids[64], after = 0;
    bool again = e->untaken;
    ssize_t n;

    e->untaken = false;
    while ((n = store_list_runs(e->store, RUNS_ACTIVE, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct run_row *row = store_get_run(e->store, ids[i]);
            if (row && !run_find(e, row->id))
                take_up(e, row, again);
            e->untaken |= !row; /* it cannot be read now */
            run_row_unref(row);
        }
        after = ids[n - 1];
    }
    e->untaken |= n < 0;
}

static void *janitor(void *engine)
{
    struct engine *e = engine;
    int64_t retained = 0;

    pthread_mutex_lock(&e->lock);
    while (!e->stopping) {
        pthread_mutex_unlock(&e->lock);
        holds_expire(e, false);
        if (!retained || mono_ns() - retained > RETAIN_SECONDS * 1000000000LL) {
            engine_retain(e);
            retained = mono_ns();
        }
        pthread_mutex_lock(&e->lock);
        if (e->lacking && !e->stopping)
            fit_workers(e);
        if (e->untaken && !e->stopping &&
            !store_waits(e->store)) /* else it may show what has ended as active */
            take_up_queued(e);
        struct timespec until = seconds_from_now(e->untaken || e->lacking ? AGAIN_SECONDS : JANITOR_SECONDS);
        while (!e->stopping && pthread_cond_timedwait(&e->ended, &e->lock, &until) == 0 && !e->lacking)
            ;
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

static void name_self(struct engine *e)
{
    struct passwd pw, *found = NULL;
    char room[1024];

    if (getpwuid_r(getuid(), &pw, room, sizeof(room), &found) == 0 && found)
        snprintf(e->actor, sizeof(e->actor), "%s", found->pw_name);
    else
        snprintf(e->actor, sizeof(e->actor), "%u", (unsigned)getuid());
    if (gethostname(e->runner_name, sizeof(e->runner_name) - 1) < 0 || !e->runner_name[0])
        snprintf(e->runner_name, sizeof(e->runner_name), "runfs");
}

const char *engine_actor(const struct engine *e)
{
    return e->actor;
}

int engine_new(const struct engine_opts *opts, struct engine **ret, struct err *err)
{
    struct engine *e = calloc(1, sizeof(*e));
    pthread_condattr_t monotonic;

    if (!e)
        return err_errno(err, -ENOMEM, "cannot start the engine");
    e->store = opts->store;
    e->machines = opts->machines;
    e->ready_end = &e->ready;
    e->runs_end = &e->runs;
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&e->work, &monotonic);
    pthread_cond_init(&e->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    name_self(e);
    e->services = opts->services;
    int r = remotes_new(e->store, opts->actions_mirror, &e->remotes, err);
    if (r == 0 && opts->actions_mirror)
        r = config_check("actions_mirror", opts->actions_mirror, err);
    e->registries = opts->registries;
    if (r == 0 && opts->registries)
        r = config_check("local_registries", opts->registries, err);
    if (r == 0)
        r = llm_new(e, &e->llm, err);
    if (r == 0 && opts->defaults)
        r = config_defaults(e, err);
    if (r < 0) {
        engine_free(e);
        return r;
    }
    e->asks = opts->triggers;
    e->ending = opts->ending;
    e->ending_data = opts->data;
    e->fixed_slots = opts->slots > 0;
    e->slots = opts->slots > 0 ? opts->slots : (int)config_number(e->store, "slots", 2);
    if (opts->triggers)
        repos_settle(e);
    pthread_mutex_lock(&e->lock);
    take_up_queued(e);
    fit_workers(e);
    if (e->n_workers == 0 && e->slots > 0)
        r = err_set(err, -EAGAIN, "no thread can be started that would run jobs");
    pthread_mutex_unlock(&e->lock);
    if (r < 0) {
        engine_free(e);
        return r;
    }
    config_fill_pools(e);
    e->has_janitor = pthread_create(&e->janitor, NULL, janitor, e) == 0;
    r = opts->triggers ? triggers_new(e, &e->triggers, err) : 0;
    if (r == 0 && opts->triggers)
        r = llm_start(e->llm, err);
    if (r < 0) {
        engine_free(e);
        return r;
    }
    *ret = e;
    return 0;
}

/* Running jobs are cancelled as by a person; what still runs then is killed. Queued runs stay queued for the
 * next start. */
static void stop_jobs(struct engine *e)
{
    struct timespec until = seconds_from_now(STOP_SECONDS);

    for (struct run *run = e->runs; run; run = run->next)
        for (size_t i = 0; i < run->n_jobs; i++)
            if (run->jobs[i]->state == JOB_STATE_RUNNING) {
                run->cancelled = true;
                job_cancel(run->jobs[i], NULL);
            }
    while (e->busy > 0 && pthread_cond_timedwait(&e->work, &e->lock, &until) == 0)
        ;
    for (struct run *run = e->runs; run && e->busy > 0; run = run->next)
        for (size_t i = 0; i < run->n_jobs; i++) {
            if (run->jobs[i]->machine)
                machine_kill(run->jobs[i]->machine);
            if (run->jobs[i]->elsewhere) {
                atomic_store(&run->jobs[i]->killed, true);
                elsewhere_wake(run->jobs[i]->elsewhere);
            }
        }
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    triggers_free(e->triggers);
    llm_free(e->llm);
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    pthread_cond_broadcast(&e->work);
    pthread_cond_broadcast(&e->ended);
    stop_jobs(e);
    pthread_mutex_unlock(&e->lock);
    for (int i = 0; i < e->n_workers; i++)
        pthread_join(e->workers[i], NULL);
    if (e->has_janitor)
        pthread_join(e->janitor, NULL);
    holds_expire(e, true);
    while (e->permits)
        permit_release(e->permits);
    while (e->runs) {
        struct run *next = e->runs->next;
        run_free(e->runs);
        e->runs = next;
    }
    remotes_free(e->remotes);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->work);
    pthread_cond_destroy(&e->ended);
    free(e);
}

bool engine_ending(void *engine)
{
    const struct engine *e = engine;

    return e->ending && e->ending(e->ending_data);
}

void engine_each_schedule(struct engine *e, schedule_fn *fn, void *data)
{
    if (e->triggers)
        triggers_each_schedule(e->triggers, fn, data);
}

void engine_status(struct engine *e, struct engine_status *ret)
{
    pthread_mutex_lock(&e->lock);
    *ret = (struct engine_status){.slots = e->slots, .busy = e->busy, .queued_jobs = e->queued};
    for (struct run *run = e->runs; run; run = run->next)
        ret->active_runs++;
    for (struct permit *p = e->permits; p; p = p->next)
        ret->pending += !p->held;
    pthread_mutex_unlock(&e->lock);
}
