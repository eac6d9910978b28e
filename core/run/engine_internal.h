/*
 * The inside of the engine: runs and jobs that are not completed yet. One lock guards all of it; a job's
 * thread works unlocked on what does not change. Private to core/run.
 */
#ifndef RUNFS_RUN_ENGINE_INTERNAL_H
#define RUNFS_RUN_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "job.h"
#include "runfs/arena.h"
#include "runfs/plan.h"
#include "runfs/run.h"

struct remotes;

enum { SLOTS_MAX = 256 };

/* The combinations of one job's matrix. */
struct matrix_group {
    bool fail_fast;
    int max_parallel; /* 0: no limit */
    int running;
    size_t total;
};

enum job_state { JOB_STATE_WAITING, JOB_STATE_READY, JOB_STATE_RUNNING, JOB_STATE_DONE };

struct run_job {
    struct run *run;
    const struct workflow_job *def;
    struct job_row row; /* strings in the run's arena */
    enum job_state state;
    enum job_status result; /* as `needs` sees it */
    bool continue_on_error; /* its failure does not fail the run */
    size_t index;           /* among its combinations */
    json_t *matrix;         /* owned; NULL without */
    json_t *outputs;        /* owned */
    struct matrix_group *group;
    struct machine *machine; /* while it runs; borrowed from its thread */
    atomic_bool cancelled;
    struct run_job *next_ready;
};

struct run {
    struct engine *e;
    struct run *next;
    struct arena arena;
    struct run_row row;
    struct workflow *workflow; /* owned */
    json_t *request;           /* owned object: env, labels, job, matrix */
    json_t *extra_secrets;     /* owned; NULL: none. Never written down */
    json_t *contexts;          /* owned: github, inputs, vars, secrets */
    struct log_writer *log;    /* owned */
    const char *repo_path;     /* of the repository that it belongs to, on this host; "" without */
    bool uncommitted;          /* checkout takes along what is not committed there (`runfs run`) */
    struct run_job **jobs;     /* owned, and what they point to */
    size_t n_jobs, cap_jobs;
    bool cancelled;
    int first_exit_code;
};

struct engine {
    struct store *store;
    struct machines *machines;
    const struct job_services *services; /* may be NULL */
    struct remotes *remotes;             /* owned */
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job became ready, slots changed, stopping */
    pthread_cond_t done; /* a run completed */
    struct run *runs;    /* oldest first */
    struct run_job *ready, **ready_end;
    pthread_t workers[SLOTS_MAX];
    pthread_t janitor;
    bool has_janitor;
    int n_workers, slots, busy, queued;
    bool fixed_slots, stopping;
    struct triggers *triggers; /* owned; NULL: nothing starts by itself */
    char actor[64], runner_name[64];
};

/* ---------------------------------------------------------------------------------------- runs (submit.c) */

/* What a new run is made from. Strings borrowed. */
struct run_source {
    const char *file;          /* for messages and names: "ci.yml" */
    const char *workflow_name; /* "ci.yml", "REPO:ci.yml" */
    const char *text;
    size_t len;
    int64_t workflow_id, repo_id;
    const char *repo_path; /* "" without */
    const char *event;
    json_t *payload; /* borrowed; NULL: made */
    json_t *inputs;  /* borrowed; checked already; NULL: none */
    json_t *request; /* borrowed; NULL: none */
    json_t *secrets, *vars;
    const char *repository, *actor, *ref;
    const struct prepared_event *prepared; /* NULL: prepared from what is above */
    struct workflow_row
        *drop; /* registered together with the run; NULL: it is registered, or never will be */
};

/* Makes the run and its jobs, in the store and in the engine. Takes w, whatever comes of it. */
int run_submit(struct engine *e, const struct run_source *source, struct workflow *w, int64_t *ret_run,
               struct err *err);
/* What a run of a registered workflow is made from, but for the event. repo: where it runs, NULL: nowhere;
 * label: owned by the caller, and lent to ret. */
void source_registered(const struct workflow_row *row, const struct repo_row *repo, struct buf *label,
                       struct run_source *ret);
/* Takes up a run of the store again: a new attempt of it, or one that was still queued. */
int run_restore(struct engine *e, const struct run_row *row, struct run **ret, struct err *err);
void run_free(struct run *run);
/* Which event a file that is dropped or started by hand stands for; NULL: none. */
const char *default_event(const struct workflow *w);

/* ------------------------------------------------------------------------------- scheduling (schedule.c) */

/* All with the engine's lock held. */
int run_add_jobs(struct run *run, struct err *err);   /* rows for every job; before the run is active */
void run_activate(struct engine *e, struct run *run); /* puts it in the list and looks what can start */
void run_abandon(struct run *run); /* takes back an activation that could not be written; frees it */
void run_advance(struct run *run); /* decides what waits; completes the run at its end */
struct run_job *schedule_next(struct engine *e); /* a job that may start now; NULL: none */
void job_finish(struct run_job *job, enum job_status status, int exit_code);
void job_cancel(struct run_job *job);
void run_cancel(struct run *run);
struct run *run_find(struct engine *e, int64_t id);
json_t *job_needs_context(const struct run_job *job);

/* --------------------------------------------------------------------------------- a job's thread (work.c)
 */

void *engine_worker(void *engine);
void engine_set_slots(struct engine *e, int slots);

/* ---------------------------------------------------------------------------------- contexts (contexts.c) */

json_t *github_context(const struct run *run, const struct run_source *source, json_t *payload);
json_t *settings_object(struct store *st, enum setting_kind kind, json_t *extra);
/* Prepares the event of a run that is to be made. */
int source_prepare(struct engine *e, const struct run_source *source, struct prepared_event *ret,
                   struct err *err);

/* ------------------------------------------------------------------ what starts by itself (triggers.c) */

int triggers_new(struct engine *e, struct triggers **ret, struct err *err);
void triggers_free(struct triggers *t); /* without the engine's lock: its thread may be starting a run */
void triggers_each_schedule(struct triggers *t, schedule_fn *fn, void *data);

/* ------------------------------------------------------------------------------------- the rest (results) */

/* result.json, summary.md's raw material; with the run's final row. */
int run_write_result(struct run *run);

/* Deletes runs that are older than config/retention_days, and artifacts that have expired. */
void engine_retain(struct engine *e);

/* Writes the default settings that are missing. */
int config_defaults(struct store *st, struct err *err);
int64_t config_number(struct store *st, const char *name, int64_t fallback);

#endif
