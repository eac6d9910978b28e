/*
 * The inside of the engine: runs and jobs that are not completed yet. One lock guards all of it; a job's
 * thread works unlocked on what does not change. Private to core/run.
 */
#ifndef RUNFS_RUN_ENGINE_INTERNAL_H
#define RUNFS_RUN_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/run/llm.h"
#include "runfs/arena.h"
#include "runfs/job.h"
#include "runfs/metric.h"
#include "runfs/plan.h"
#include "runfs/run.h"
#include "runfs/workflow.h"

struct elsewhere;
struct remotes;
struct resume;

enum { SLOTS_MAX = 256 };

/* The combinations of one job's matrix. */
struct matrix_group {
    bool fail_fast;
    int max_parallel; /* 0: no limit */
    int running;      /* let past that limit and not done yet */
    size_t total;
};

/* A workflow within a run: the run's own, or one that a job of it calls. It lives as long as the run. */
struct run_scope {
    struct run *run;
    struct run_job *caller;          /* NULL: the run's own */
    const struct workflow *workflow; /* borrowed */
    json_t *contexts;                /* owned: github, inputs, vars, secrets */
    bool cancelled;                  /* by itself; scope_cancelled() looks at its callers too */
    struct run_scope *next;          /* called before */
};

/*
 * WAITING for its needs; HELD back by max-parallel; PENDING on its concurrency groups; READY for a worker.
 * A calling job goes from PENDING to CALLING, and is done when the jobs that it calls are.
 */
enum job_state {
    JOB_STATE_WAITING,
    JOB_STATE_HELD,
    JOB_STATE_PENDING,
    JOB_STATE_READY,
    JOB_STATE_RUNNING,
    JOB_STATE_CALLING,
    JOB_STATE_DONE
};

enum { JOB_PERMITS = 2 }; /* of the job's own concurrency group, and of the workflow's that it calls */

struct run_job {
    struct run *run;
    struct run_scope *scope; /* that it is part of */
    const struct workflow_job *def;
    struct job_row row; /* strings in the run's arena */
    enum job_state state;
    enum job_status result; /* as `needs` sees it */
    bool continue_on_error; /* its failure does not fail the run */
    bool counted;           /* in its group's `running` */
    size_t index;           /* among its combinations */
    const char *suffix;     /* " (linux, 18)": its combination, as names have it; "" without. Arena */
    json_t *matrix;         /* owned; NULL without */
    json_t *outputs;        /* owned */
    struct matrix_group *group;
    struct permit *permits[JOB_PERMITS]; /* owned by the engine's list; NULL: not asked for, or none needed */
    int n_permits;                       /* how many of them it has asked for */
    const char *decided;                 /* its `if` explained, in the arena; `why` may go on */
    struct run_scope *called;            /* of a calling job, once it calls */
    struct machine *machine;             /* while it runs; borrowed from its thread */
    struct elsewhere *elsewhere;         /* likewise, while it runs on another host as a whole */
    struct machine *beside[24]; /* those of Docker actions that run, and of services that begin; likewise */
    atomic_bool hold;           /* its machine is kept when it ends */
    atomic_bool cancelled, killed;
    struct run_job *next_ready;
    double expected_ms; /* how long it should take, by the runs before; 0: not known */
};

struct run {
    struct engine *e;
    struct run *next;
    struct arena arena;
    struct run_row row;
    struct workflow *workflow; /* owned, with those that it calls */
    json_t *request;           /* owned object: env, labels, job, matrix, called */
    json_t *extra_secrets;     /* owned; NULL: none. Never written down */
    json_t *contexts;          /* owned: github, inputs, vars, secrets */
    struct log_writer *log;    /* owned */
    struct run_scope *top;     /* owned, as all that are linked from it: its own workflow, the last */
    struct run_scope *scopes;  /* newest first; the last is top */
    struct resume *resume;     /* owned: where one of its jobs goes on; NULL: from the beginning */
    bool debug;                /* debug logging was asked for this attempt */
    const char *repo_path;     /* of the repository that it belongs to, on this host; "" without */
    bool uncommitted;          /* checkout takes along what is not committed there (`runfs run`) */
    bool of_fork;              /* about a pull request of a fork: it has none of the secrets and
                                * variables that are set */
    struct run_job **jobs;     /* owned, and what they point to */
    size_t n_jobs, cap_jobs;
    json_t *carried; /* owned object, key -> row id: jobs of the last attempt that stay as they are; NULL */
    struct group_setting *group; /* owned; the workflow's `concurrency`; NULL: none */
    struct permit *permit;       /* for it; NULL: none needed */
    bool cancelled;
    bool changed;             /* something of it: to be looked at by run_advance */
    struct run *next_changed; /* the next of those, in the order of the engine's runs */
    uint64_t turn;            /* its place in that order; 0: it is none of them */
    int first_exit_code;
};

/* A machine that is kept after its job, for a person to look into. */
struct held {
    struct held *next;
    int64_t run_id, job_id;
    struct machine *machine;  /* owned */
    struct job_shells shells; /* owned */
    int64_t until;            /* monotonic */
    bool busy;                /* somebody has a shell in it */
};

struct engine {
    struct store *store;
    struct machines *machines;
    const struct job_services *services; /* may be NULL */
    struct remotes *remotes;             /* owned */
    const char *registries;              /* borrowed: wins over config/local_registries; NULL */
    pthread_mutex_t lock;
    pthread_cond_t work;          /* a job became ready, slots changed, stopping */
    pthread_cond_t ended;         /* stopping */
    struct run *runs, **runs_end; /* oldest first */
    struct run *changed;          /* of them: see run_changed() */
    uint64_t turns;               /* how many there have been */
    struct held *held;            /* owned: machines that were kept after their jobs */
    struct run_job *ready, **ready_end;
    struct permit *permits; /* of concurrency groups, held or waited for; oldest first */
    bool settling;          /* run_advance is at work */
    pthread_t workers[SLOTS_MAX];
    pthread_t janitor;
    bool has_janitor;
    int n_workers, slots, busy, queued;
    bool fixed_slots, stopping;
    bool untaken;              /* runs of the store wait to be taken up again */
    bool lacking;              /* workers that could not be started */
    struct llm *llm;           /* owned */
    bool asks;                 /* the model about runs that failed */
    struct triggers *triggers; /* owned; NULL: nothing starts by itself */
    bool (*ending)(void *data);
    void *ending_data;
    char actor[64], runner_name[64];
};

/* repair.c: a run has ended. If it is one of a proposal, and failed, the model is asked to repair that. With
 * the lock held. */
void repair_ask(struct engine *e, const struct run_row *run);
/* drop.c: the workflow that a page becomes has its name but for the ending. Appended; -EINVAL: it is no page.
 */
int workflow_of_page(const char *page, struct buf *ret);

/* drop.c: what a model made of a page, as its workflow. Started only if `run`. */
int engine_take_proposal(struct engine *e, const char *page, const struct buf *yaml, bool run,
                         struct err *err);

/* ---------------------------------------------------------------------------------------- runs (submit.c) */

/* What a new run is made from. Strings borrowed. */
struct run_source {
    const char *file;          /* for messages and names: "ci.yml" */
    const char *workflow_name; /* "ci.yml", "REPO:ci.yml" */
    const char *text;
    size_t len;
    enum forge forge; /* never FORGE_UNKNOWN */
    int64_t workflow_id, repo_id;
    int64_t hook_id;       /* whose sender is told of it; 0: none */
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
int run_restore(struct engine *e, const struct run_row *row, const struct buf *edited, struct run **ret,
                struct err *err);
void run_free(struct run *run);
/* The run's workflow was edited: its source and plan are others from now on. In an open group. */
int run_put_edited(struct run *run, const struct buf *source, struct err *err);
/* How much is kept of the name of a run, a job or a step, which an expression may have made of any size: it
 * stands in each row, each list and before each part of a log. */
size_t name_kept(const char *name);
/* Which event a file that is dropped or started by hand stands for; NULL: none. */
const char *default_event(const struct workflow *w);

/* --------------------------------------------------------------------------- runs on their way (advance.c)
 */

/* All with the engine's lock held. */
void run_activate(struct engine *e, struct run *run); /* puts it in the list and looks what can start */
void run_changed(struct run *run);                    /* run_advance, of whatever run, is to look at it */
void run_abandon(struct run *run); /* takes back an activation that could not be written; frees it */
/* Decides what can be decided, in this run and in those that it sets free; frees each that is completed. */
void run_advance(struct run *run);
struct run *run_find(struct engine *e, int64_t id);      /* NULL: it is completed, or was never there */
void run_put(struct run *run);                           /* its row as it is now; what fails is logged */
const char *run_keep(struct run *run, const char *text); /* a copy in the arena, "" without memory */

/* ------------------------------------------------------------------------------- scheduling (schedule.c) */

/* All with the engine's lock held. */
bool job_advance(struct run_job *job); /* moves it on by one state; whether that is something new */
void job_begins(struct run_job *job);  /* it is in progress, and so is its run: writes that */
/* A job ends, wherever it stood but in `ready`: its row is written, what it held is released, and the first
 * failing combination cancels the others. */
void job_done(struct run_job *job, enum job_status status, int exit_code);
/* Likewise, of one that job_next() gave: its slot is free. */
void job_finish(struct run_job *job, enum job_status status, int exit_code);
void job_put(struct run_job *job);                   /* its row as it is now; what fails is logged */
void job_note(struct run_job *job, const char *msg); /* why it ended, as an annotation and in `why` */
/* What its `if` says now, explained in `why` (NULL: not). -EINVAL: it cannot be evaluated. */
int job_evaluate_if(struct run_job *job, bool *ret_wanted, struct buf *why, struct err *err);

/* ------------------------------------------------------------------------------- jobs that are ready
 * (queue.c)
 */

/* All with the engine's lock held. */
void job_queue(struct run_job *job);        /* READY, in its place, and a worker is woken */
void job_unqueue(struct run_job *job);      /* out of the queue; nothing, if it is not in there */
struct run_job *job_next(struct engine *e); /* takes the next and a slot for it; NULL: there is none */

/* ------------------------------------------------------------------------------- cancelling (cancel.c) */

/* All with the engine's lock held; what follows from it is decided by the next run_advance(). */

/* What of the run does not ask to run all the same is cancelled. why: an annotation's words, NULL: none. */
void run_cancel(struct run *run, const char *why);
void run_kill(struct run *run); /* everything of it ends now */
/* One job, and what it calls. */
void job_cancel(struct run_job *job, const char *why);

/* ------------------------------------------------------------------- what jobs know of each other (needs.c)
 */

/* With the engine's lock. Whether all that a job needs has ended; whether a scope, or one that it is called
 * from, was cancelled; whether all its jobs have ended. */
bool needs_done(const struct run_job *job);
bool scope_cancelled(const struct run_scope *scope);
bool scope_done(const struct run_scope *scope);
/* The worst of all jobs of a scope. */
enum job_status scope_result(const struct run_scope *scope);
/* {ID: {"result", "outputs"}} of all jobs of a workflow. New reference. */
json_t *scope_jobs_context(const struct run_scope *scope);
/* All that is known of a job before it runs: its scope's contexts, needs, matrix, strategy. New reference. */
json_t *job_contexts(const struct run_job *job);
/* contexts: of job_contexts(). With the status functions as a job's `if` sees them. */
struct expr_env job_if_env(struct run_job *job, json_t *contexts);

/* ----------------------------------------------------------------------- rows and combinations (run_jobs.c)
 */

/* Rows for every job of a workflow; for the run's own before it is active. */
int scope_add_jobs(struct run_scope *scope, struct err *err);
struct run_scope *scope_new(struct run *run, struct run_job *caller, const struct workflow *w,
                            json_t *contexts);
int run_add_jobs(struct run *run, struct err *err);
/* Replaces a job by its combinations, all HELD; the first one takes its row. -EINVAL: its matrix is in error.
 */
int job_expand(struct run_job *job, struct err *err);
/* What is evaluated before it can start: continue-on-error, environment, permissions. */
int job_prepare_row(struct run_job *job, struct err *err);

/* --------------------------------------------------------------------------- reusable workflows (call.c) */

/*
 * Reads the workflows that w calls: *ret is w again, with them; NULL when it calls none. Their texts are kept
 * in request's `called`, and taken from there when they are in it; again: only from there. -EINVAL: one is in
 * error. May fetch: not with the lock held, unless again.
 */
int calls_follow(struct engine *e, const struct run_source *source, bool again, json_t *request,
                 const struct workflow *w, struct workflow **ret, struct err *err);
/* Adds the jobs of the workflow that a job calls. */
int call_start(struct run_job *job, struct err *err);
/* They are done: the calling job's outputs. */
int call_outputs(struct run_job *job, struct err *err);

/* ------------------------------------------------------------------------- concurrency (concurrency.c) */

struct group_setting {
    char *name; /* owned */
    bool cancel_in_progress, queue_max;
};
void group_setting_free(struct group_setting *g);

/* A concurrency group that a run or a job holds, or waits for. */
struct permit {
    struct permit *next;
    struct run *run;
    struct run_job *job; /* NULL: the run as a whole */
    char *group;         /* owned */
    bool held;
};

/* Evaluates `concurrency`; *ret NULL when t is NULL. */
int group_setting_evaluate(const struct token *t, const char *file, const struct expr_env *env,
                           struct group_setting **ret, struct err *err);
/*
 * Asks for a group: for a run (job NULL) or a job. *ret is held at once, or waits; whoever waited before
 * goes, and with cancel-in-progress whoever holds it is asked to end. -EDEADLK: something that calls it holds
 * it; -ECANCELED: too many wait already.
 */
int permit_request(struct run *run, struct run_job *job, const struct group_setting *g, struct permit **ret,
                   struct err *err);
void permit_release(struct permit *p); /* the next in line has it; NULL allowed */
/* Appends a line: "concurrency: GROUP: waits for run 3, job deploy", or just the group when it is held. */
void permit_describe(const struct permit *p, struct buf *ret);

/* ------------------------------------------------------------------------------- attempts (rerun.c) */

enum rerun { RERUN_ALL, RERUN_FAILED, RERUN_JOB, RERUN_UNFINISHED };
/* Says in run->carried which jobs of the attempt before stay as they are. key: of the job for RERUN_JOB. */
int run_carry(struct run *run, enum rerun what, const char *key, struct err *err);
/* If it is one of them it is done, with what came of it then; ret_carried says so. */
int job_carry_over(struct run_job *job, bool *ret_carried, struct err *err);

/* --------------------------------------------------------------------------------- a job's thread (work.c)
 */

void *engine_worker(void *engine); /* a thread: one job after the other, until the engine stops */
void engine_set_slots(struct engine *e, int slots);

/* ------------------------------------------------------------------------------------- holding (hold.c) */

/* Whether the machine of a job that has ended so is to be kept for a person. Any thread. */
bool hold_wanted(struct run_job *job, enum job_status status);
/* Keeps machine and shells (both taken then); false: no memory, and nothing was taken. Without the lock. */
bool hold_machine(struct run_job *job, struct machine *machine, struct job_shells *shells);
/* Lets go of those whose time is over, or of all. Without the lock. */
void holds_expire(struct engine *e, bool all);

/* ---------------------------------------------------------------------------------- contexts (contexts.c) */

/* GitHub documentation, "github context". payload becomes its `event` (shared). NULL: no memory. */
json_t *github_context(const struct run *run, const struct run_source *source, json_t *payload);
/* The job context but for its status; asks for the commit of a workflow of another repository, which may take
 * its time. NULL without memory. */
json_t *job_context(const struct run_job *job);
/* Puts the variables and the secrets of an environment over those of the contexts, whose own objects are
 * replaced. */
void settings_of_environment(struct store *st, const char *environment, json_t *contexts);
/* Without the tokens for repositories, which are the runner's own. */
json_t *settings_object(struct store *st, enum setting_kind kind, json_t *extra);
json_t *settings_of_runner(struct store *st); /* those tokens: for masks */
/* Prepares the event of a run that is to be made. */
int source_prepare(struct engine *e, const struct run_source *source, struct prepared_event *ret,
                   struct err *err);

/* ------------------------------------------------- what Gitea's and Forgejo's workflows find (forge_env.c)
 */

/* All return 0 or -ENOMEM, and do nothing for GitHub's. */
/* The token of the run has all the names that it has there. Replaces the object. */
int forge_add_token_names(enum forge f, json_t **secrets);
/* The addresses of the github context: by the origin of the repository, or else by config/github/api_url. */
int forge_add_server(enum forge f, struct store *st, const char *repo_path, json_t *github);

/* ---------------------------------------------------------------------- linked repositories (repos.c) */

bool engine_ending(void *engine); /* for proc_until() */
/* A checkout's folder of workflows, links followed within it only (forge_find.c). NULL: there is none. */
DIR *open_forge_folder(const char *path, enum forge f);
/* Registers the workflows that it has now. A mirror's: held (mirror.h). */
void repo_register(struct engine *e, const struct repo_row *repo);
/* Whoever was killed may have left a mirror showing what was pushed: all show their default branch again. */
void repos_settle(struct engine *e);

/* ------------------------------------------------------------------ what starts by itself (triggers.c) */

/* A thread that follows linked repositories and fires schedules, until triggers_free(). */
int triggers_new(struct engine *e, struct triggers **ret, struct err *err);
void triggers_free(struct triggers *t); /* without the engine's lock: its thread may be starting a run */
void triggers_each_schedule(struct triggers *t, schedule_fn *fn, void *data);

/* ------------------------------------------------------------------------------------- the rest (results) */

/* The run as it is in the store becomes a former attempt, and a new one begins. In an open group. */
int run_next_attempt(struct run *run, struct err *err);
/* result.json, summary.md's raw material; with the run's final row. */
int run_write_result(struct run *run);

/* What the sender of a webhook's delivery is to be told of the run, as config/github/report says: rows of the
 * outbox (runfs/words.h), in the group that makes the run. */
int run_put_words(struct run *run, int64_t hook_id, const json_t *payload, struct err *err);

/* Deletes runs that are older than config/retention_days, and artifacts that have expired. */
void engine_retain(struct engine *e);

/* Writes the default settings that are missing. */
void config_fill_pools(struct engine *e); /* as config/pool says */
int config_defaults(struct engine *e, struct err *err);
int config_set_proposed(struct store *st, const char *workflow_name, bool proposed, struct err *err);
/* Whether that setting may have the value: 0, or -EINVAL with the reason. */
int config_check(const char *name, const char *value, struct err *err);
int64_t config_number(struct store *st, const char *name, int64_t fallback);

/* metrics.c */
extern struct counter metric_runs, metric_jobs;
extern struct histogram metric_run_time, metric_job_time, metric_queue_time;

#endif
