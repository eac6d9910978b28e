/*
 * The store: everything that a reader may see, in SQLite (WAL) and append-only log files, at the moment it is
 * true.
 *
 * One writer, many readers. Writing functions take the writer's lock, and each is one transaction unless the
 * thread has opened a group with store_begin(). Reading functions use a connection of the calling thread's
 * own, take no lock that a writer holds, and see committed rows only. After each commit the subscribers hear
 * what changed, on the committing thread, outside the lock: that alone wakes readers and drops caches.
 *
 * A commit survives the death of the process at any point (WAL, synchronous=NORMAL); a power cut may lose the
 * last ones, never the database's integrity.
 */
#ifndef RUNFS_STORE_H
#define RUNFS_STORE_H

#include <stdint.h>
#include <sys/types.h>

#include "runfs/buf.h"
#include "runfs/err.h"
#include "runfs/log_stream.h"
#include "runfs/metric.h"

struct store;

/*
 * Opens STATE (made if missing, 0700): STATE/runfs.db, STATE/logs/. Takes STATE/lock for as long as the store
 * is open: -EBUSY with the holder's pid in err when another process has it. Migrates an older schema in
 * numbered steps; refuses a newer one. Removes log files of runs that are not in the database.
 */
int store_open(const char *state_dir, struct store **ret, struct err *err);
void store_close(struct store *st); /* no reader or writer may be active */
/* At the end of the process instead, where a thread that may read it cannot be ended: others may open it. */
void store_leave(struct store *st);
const char *store_dir(const struct store *st);

/* ------------------------------------------------------------------------------------------------ changes */

enum change_kind {
    CHANGE_WORKFLOW, /* registered, replaced, removed; id: workflow */
    CHANGE_DROP,     /* the outcome of a drop in errors/; id: error row */
    CHANGE_REPO,
    CHANGE_RUN,    /* a run's row; id: run */
    CHANGE_JOB,    /* id: job */
    CHANGE_STEP,   /* id: step */
    CHANGE_LOG,    /* a run's log grew; id: run */
    CHANGE_CONFIG, /* id: config row */
    CHANGE_SECRET,
    CHANGE_VAR,
    CHANGE_TOKEN,
    CHANGE_OUTPUT, /* id: output */
    CHANGE_ARTIFACT,
    CHANGE_CACHE,
    CHANGE_HOOK,     /* what a webhook delivered; id: hook row */
    CHANGE_WORD,     /* what somebody is told of a run; id: word row */
    CHANGE_DELIVERY, /* what came of an event's last delivery; id: delivery row */
    CHANGE_MACHINE,
    CHANGE_SNAPSHOT,
    CHANGE_LAYER,
    CHANGE_COMMAND,
    CHANGE_KNOWN_COMMAND, /* a command that steps ran; id: command row */
    CHANGE_FAILURE,       /* id: failure row */
    CHANGE_QUESTION,      /* what a model is to be asked; id: question row */
    CHANGE_KINDS
};

struct change {
    enum change_kind kind;
    int64_t id;
    int64_t run_id;        /* of a job, step, log or artifact; 0 otherwise */
    int64_t job_id;        /* of a step; 0 otherwise */
    bool created, deleted; /* the row came or went, so directories that list it changed */
    bool again;            /* a run that was finished is queued again */
    bool emptied;          /* the logs of a run that was finished were deleted */
};

/* Called after each commit with what it changed. Must not write to the store. At most 6 subscribers at a
 * time. */
typedef void store_changed_fn(void *data, const struct change *changes, size_t n);
int store_subscribe(struct store *st, store_changed_fn *fn, void *data);
/* Once it returns, fn is not called again and no call of it runs. Not from within fn. */
void store_unsubscribe(struct store *st, store_changed_fn *fn, void *data);

/*
 * What goes along with every commit of a group that lasts and needs none of its own. write() is called
 * before, with the writer's lock held, and may write; if it returns something, written() is called with that
 * behind the commit, without the lock, with what came of it. One in a store; NULL: write() is not called
 * again.
 */
struct store_companion {
    void *(*write)(void *data);
    void (*written)(void *data, void *what, int result);
    void *data;
};
void store_accompany(struct store *st, const struct store_companion *companion);

/* Another number after each commit with a change of that kind; each store has its own. What is read behind
 * the number is at least as new. */
uint64_t store_as_of(struct store *st, enum change_kind kind);

/* A group: several writes, one commit. Nests. The writer's lock is held meanwhile, so keep it short and do no
 * I/O. */
void store_begin(struct store *st);
int store_commit(struct store *st,
                 struct err *err); /* the outermost one commits; -ENOSPC, -EIO, ...: all rolled back */
/*
 * The same, of what has happened already and cannot be refused any more. Where the database takes no writes
 * for a while (a full disk, a lock of another process), they wait, in their order, until it does: the commit
 * has succeeded, and readers see it then. What the database refuses for itself is left out of it, and
 * returned to who writes that. Within a group of the other kind it is part of that one.
 */
void store_begin_lasting(struct store *st);
bool store_waits(const struct store *st);                         /* whether something does */
void store_tell_waiting(const struct store *st, struct buf *ret); /* a line that says so, and why */
void store_try_again(struct store *st);                           /* to write what waits, if anything does */
/* How long commits took, of all stores of this process. */
extern struct histogram metric_commit_time;
void store_rollback(struct store *st); /* the whole group is undone at the outermost end */

/* --------------------------------------------------------------------------------------------------- rows */

/*
 * Rows are immutable snapshots with a reference count: store_get_x() gives a reference (or NULL: no such
 * row), x_unref() takes it back (NULL allowed). Recently used rows are cached, so a getattr costs no query.
 * All strings are non-NULL unless said otherwise; times are wall-clock nanoseconds, 0 = not yet.
 * To write, fill a struct of one's own and call store_put_x(): id 0 inserts and sets id, else the row is
 * updated.
 */

struct workflow_row {
    int64_t id;
    int64_t repo_id;   /* 0: dropped into workflows/ */
    const char *name;  /* file name: "ci.yml" */
    const char *title; /* its `name:`, or its path as GitHub shows it */
    const char *source;
    size_t source_len;
    bool removed; /* unregistered; kept because its runs refer to it */
    int64_t changed_at;
    int64_t last_run; /* 0: none */
    int forge;        /* enum forge: whose workflow it is */
};

struct repo_row {
    int64_t id;
    const char *name, *path; /* link name in repos/, absolute path of the checkout */
    int64_t changed_at;
    const char *full_name; /* "owner/name": what it is called, and no other is, in whatever case */
};

struct error_row { /* the reason of a refused drop: errors/NAME */
    int64_t id;
    const char *name, *text;
    int64_t changed_at;
};

struct delivery_row { /* what the last delivery of an event came to: events/NAME */
    int64_t id;
    const char *name, *text;
    int64_t changed_at;
};

struct hook_row { /* a delivery of a webhook: events/deliveries/N */
    int64_t id;
    const char *delivery; /* what the sender calls it; its digest where it has no name */
    const char *digest;   /* of the payload, which is what is signed */
    const char *event;
    const char *state;   /* pending | running | resumed (by a second daemon) | done | interrupted */
    const char *headers; /* "Name: value" lines */
    const char *verdict; /* what came of it; "" until then */
    const char *runs;    /* what it started: numbers, with blanks between */
    int64_t changed_at;
};

struct run_row {
    int64_t id; /* the run's number: runs/N */
    int64_t workflow_id;
    int attempt;            /* 1, 2 after a rerun, ... */
    const char *status;     /* queued | pending (waits for its concurrency group) | in_progress | completed */
    const char *conclusion; /* "" until completed, then success | failure | cancelled | skipped | timed_out |
                               interrupted | startup_failure */
    int exit_code;          /* -1 until completed */
    const char *workflow_name;                          /* "ci.yml" or "REPO:ci.yml", for by-workflow/ */
    const char *name;                                   /* the workflow's `name:` or path */
    const char *title;                                  /* run-name, or what GitHub would show */
    const char *event, *ref, *sha, *actor, *repository; /* repository: "owner/name" */
    int64_t repo_id;                                    /* 0: none */
    const char *concurrency;                            /* its group, "" without */
    const char *why; /* what it waits for, or what cancelled it: lines; "" for nothing of that */
    int64_t created_at, started_at, completed_at, changed_at;
    int64_t log_size;                   /* bytes of runs/N/log once completed; -1 before */
    const char *triggering_actor;       /* who asked for this attempt; "": the actor */
    int logs_gone;                      /* the logs of the attempts up to this one were deleted */
    int forge;                          /* enum forge: whose workflow it is of */
    const char *head_branch, *head_sha; /* of a pull request's run: what it wants to merge, where `ref` and
                                           `sha` are what was checked out; "": as those */
};

static inline const char *run_head_sha(const struct run_row *run)
{
    return run->head_sha && *run->head_sha ? run->head_sha : run->sha;
}

static inline const char *run_trigger(const struct run_row *run)
{
    return run->triggering_actor && *run->triggering_actor ? run->triggering_actor : run->actor;
}

/* An attempt that a later one followed, as its run's row was. */
struct attempt_row {
    int64_t id, run_id;
    int attempt;
    const char *conclusion;
    int exit_code;
    const char *why;
    int64_t started_at, completed_at;
    int64_t log_size;
    const char *triggering_actor; /* as the run's */
};

/* What of a run never changes after its creation, or is written once; read apart because it may be large. */
enum run_text {
    RUN_SOURCE,  /* workflow.yml as it was */
    RUN_EVENT,   /* event.json */
    RUN_INPUTS,  /* inputs.json */
    RUN_PLAN,    /* plan.json */
    RUN_RESULT,  /* result.json, at completion */
    RUN_REQUEST, /* the rest of what is needed to run it again, JSON; never shown */
    RUN_TEXTS
};

struct job_row {
    int64_t id, run_id;
    int attempt;
    const char *key;    /* directory name, unique in run and attempt: "build", "build-ubuntu-18", and
                           "call.build" for job `build` of the workflow that job `call` calls */
    const char *job_id; /* in its workflow */
    const char *name;   /* display name: "call / build (ubuntu, 18)" */
    const char *caller; /* key of the job that calls its workflow, "" for one of the run's own */
    const char *uses;   /* the workflow that it calls itself, "" for a job with steps */
    const char *status; /* queued | pending (waits for its concurrency group) | in_progress | completed */
    const char *conclusion;
    int exit_code;                             /* -1 until completed */
    const char *matrix;                        /* JSON object, "" without */
    const char *needs;                         /* JSON array of job_ids */
    const char *runs_on;                       /* JSON array of labels, "" until known */
    const char *backend;                       /* "" until it runs */
    const char *why;                           /* its `if` explained, what it waits for; "" until decided */
    const char *environment, *environment_url; /* "" without; the URL is known at its end */
    const char *permissions; /* of its token: "SCOPE: LEVEL" lines; "" where the workflow says none */
    const char *concurrency; /* its group, "" without */
    int64_t log_job_id;      /* whose log it shows: its own id, or that of the job it was carried over from by
                                rerun-failed */
    int64_t created_at, started_at, completed_at, changed_at;
    int64_t log_size; /* once completed; -1 before */
};

struct step_row {
    int64_t id, job_id, run_id;
    int number;       /* 1-based; 0 and less: set-up and `pre` of actions, before the first; shown as 0 */
    const char *slug; /* directory is NN-SLUG */
    const char *name;
    const char *status, *outcome, *conclusion;
    int exit_code;                  /* -1: none (yet, or not a process) */
    const char *script, *env, *cwd; /* env: NAME=value lines, secrets masked */
    const char *why, *summary;
    int64_t started_at, completed_at, changed_at;
    int64_t log_size, stdout_size, stderr_size; /* once completed; -1 before */
};

/* outputs/NAME of a step (step_id set) or of a job (step_id 0). */
struct output_row {
    int64_t id, job_id, step_id;
    const char *name, *value;
    int64_t changed_at;
};

struct annotation_row {
    int64_t id, run_id, job_id, step_id;
    int attempt;
    const char *level; /* error | warning | notice */
    const char *title, *file, *message;
    int line, col; /* 0: none */
};

/* A setting, a secret, a variable, or a token for the HTTP server: "SCOPE sha256:HASH", never the token
 * itself. Config keys may have one slash: "labels/ubuntu-latest". */
enum setting_kind { SETTING_CONFIG, SETTING_SECRET, SETTING_VAR, SETTING_TOKEN };
struct setting_row {
    int64_t id;
    const char *name, *value;
    int64_t changed_at;
};

/* A row as it was when it was read; its strings are its own. The caller owns a reference, which *_row_unref()
 * gives up (NULL is fine). NULL: there is none, or no memory. Any thread. */
const struct workflow_row *store_get_workflow(struct store *st, int64_t id);
const struct repo_row *store_get_repo(struct store *st, int64_t id);
const struct error_row *store_get_error(struct store *st, int64_t id);
const struct delivery_row *store_get_delivery(struct store *st, int64_t id);
const struct run_row *store_get_run(struct store *st, int64_t id);
const struct job_row *store_get_job(struct store *st, int64_t id);
const struct step_row *store_get_step(struct store *st, int64_t id);
const struct output_row *store_get_output(struct store *st, int64_t id);
const struct setting_row *store_get_setting(struct store *st, enum setting_kind kind, int64_t id);
void workflow_row_unref(const struct workflow_row *r);
void repo_row_unref(const struct repo_row *r);
void error_row_unref(const struct error_row *r);
void delivery_row_unref(const struct delivery_row *r);
void run_row_unref(const struct run_row *r);
void job_row_unref(const struct job_row *r);
void step_row_unref(const struct step_row *r);
void output_row_unref(const struct output_row *r);
void setting_row_unref(const struct setting_row *r);

/* By name. 0: no such row, or -errno. (A removed workflow is found by find_workflow only with `removed`
 * true.) */
int64_t store_find_workflow(struct store *st, int64_t repo_id, const char *name, bool removed);
/* By its `name:`; of several of that name the one that ran last. */
int64_t store_find_workflow_title(struct store *st, const char *title);
int64_t store_find_repo(struct store *st, const char *name);
int64_t store_find_repo_called(struct store *st, const char *full_name);
int64_t store_find_error(struct store *st, const char *name);
int64_t store_find_delivery(struct store *st, const char *name);
int64_t store_find_job(struct store *st, int64_t run_id, int attempt, const char *key);
int64_t store_find_output(struct store *st, int64_t job_id, int64_t step_id, const char *name);
int64_t store_find_setting(struct store *st, enum setting_kind kind, const char *name);

/* Listing: ids greater than `after`, ascending, at most max. Returns how many were written to ids, or -errno.
 */
enum run_filter { RUNS_ALL, RUNS_ACTIVE, RUNS_FAILED };
ssize_t store_list_workflows(struct store *st, int64_t repo_id, int64_t after, int64_t *ids,
                             size_t max); /* not removed */
ssize_t store_list_workflows_with_runs(struct store *st, int64_t after, int64_t *ids,
                                       size_t max); /* removed ones too */
ssize_t store_list_repos(struct store *st, int64_t after, int64_t *ids, size_t max);
ssize_t store_list_errors(struct store *st, int64_t after, int64_t *ids, size_t max);
ssize_t store_list_runs(struct store *st, enum run_filter filter, int64_t after, int64_t *ids, size_t max);
ssize_t store_list_runs_of(struct store *st, int64_t workflow_id, int64_t after, int64_t *ids, size_t max);
ssize_t store_list_jobs(struct store *st, int64_t run_id, int attempt, int64_t after, int64_t *ids,
                        size_t max);
/* Former attempts of a run; the newest is the run itself. Before a new one: the run as it is becomes one. */
const struct attempt_row *store_get_attempt(struct store *st, int64_t id);
void attempt_row_unref(const struct attempt_row *r);
int64_t store_find_attempt(struct store *st, int64_t run_id, int attempt); /* 0: none */
ssize_t store_list_attempts(struct store *st, int64_t run_id, int64_t after, int64_t *ids, size_t max);
int store_attempt_source(struct store *st, int64_t id, struct buf *ret); /* its workflow.yml */
int store_attempt_result(struct store *st, int64_t id, struct buf *ret); /* its result.json; -ENOENT */
int store_keep_attempt(struct store *st, int64_t run_id, struct err *err);
ssize_t store_list_steps(struct store *st, int64_t job_id, int64_t after, int64_t *ids, size_t max);
/* Those that are shown with that number: one, or for 0 all that stand before the first step. */
ssize_t store_find_steps(struct store *st, int64_t job_id, int number, int64_t *ids, size_t max);
ssize_t store_list_outputs(struct store *st, int64_t job_id, int64_t step_id, int64_t after, int64_t *ids,
                           size_t max);
/* Those whose names begin so. Secrets and variables of an environment are named ENVIRONMENT/NAME (in small
 * letters), and are only in the list of that prefix. */
ssize_t store_list_settings(struct store *st, enum setting_kind kind, const char *prefix, int64_t after,
                            int64_t *ids, size_t max);
/* Jobs with an environment that were not skipped, newest first, with all of this; NULL and 0 stand for
 * anything, but for repo_id 0: of no repository. */
struct deployment_query {
    int64_t repo_id, id;
    const char *sha, *ref, *environment;
    int64_t skip;
};
ssize_t store_query_deployments(struct store *st, const struct deployment_query *q, int64_t *ids, size_t max);
int64_t store_count_deployments(struct store *st, const struct deployment_query *q); /* without skip */

/* Environments that a repository's jobs had, or that secrets or variables are of, or that were made: the
 * setting ENVIRONMENT_MARK and their name in small letters has their name then, and "" once one was taken
 * away: what jobs had before that does not count. By name. 0, or the first of fn's results that is not. */
#define ENVIRONMENT_MARK "environments/"
typedef int environment_fn(void *data, const char *name);
int store_each_environment(struct store *st, int64_t repo_id, environment_fn *fn, void *data);
ssize_t store_list_all_secrets(struct store *st, int64_t after, int64_t *ids,
                               size_t max); /* of all environments */
/* Runs, newest first, that have all of this; "" and 0 stand for anything. */
struct run_query {
    int64_t repo_id, workflow_id; /* repo_id: of their workflow; 0: of none; -1: of any */
    const char *branch;           /* or a tag; of a pull request its head's */
    const char *event, *actor,
        *sha;           /* logins are the same in any case; sha: of a pull request its head's, too */
    const char *status; /* or a conclusion, or active: what is not completed */
    int64_t before;     /* smaller numbers only; 0: any */
    int64_t id;         /* that one alone; 0: any */
    int64_t created_from, created_to;
    int64_t skip;
};
ssize_t store_query_runs(struct store *st, const struct run_query *q, int64_t *ids, size_t max);
int64_t store_count_query(struct store *st, const struct run_query *q); /* without skip */
int64_t store_latest_run(struct store *st);                             /* 0: none */
ssize_t store_runs_before(struct store *st, int64_t completed_before, int64_t *ids,
                          size_t max); /* completed, oldest first */
int64_t store_count_runs(struct store *st, const char *status, const char *conclusion); /* "" or NULL: any */

/* A run's text; appended to ret. -ENOENT when it has none. */
int store_run_text(struct store *st, int64_t run_id, enum run_text which, struct buf *ret);
/* What a job knew behind that step, JSON for the engine alone; appended. -ENOENT: nothing was kept. */
int store_step_state(struct store *st, int64_t step_id, struct buf *ret);

/* Annotations of a run's attempt, in order; each row is valid during the call only. */
typedef int annotation_fn(void *data, const struct annotation_row *row);
int store_each_annotation(struct store *st, int64_t run_id, int attempt, annotation_fn *fn, void *data);

/* The value of a setting: 0 and appended, or -ENOENT. */
int store_setting(struct store *st, enum setting_kind kind, const char *name, struct buf *ret);

/* Deliveries of webhooks. */
const struct hook_row *store_get_hook(struct store *st, int64_t id);
void hook_row_unref(const struct hook_row *r);
ssize_t store_list_hooks(struct store *st, int64_t after, int64_t *ids, size_t max);
ssize_t store_list_hooks_before(struct store *st, int64_t before, int64_t *ids,
                                size_t max); /* the newest first */
ssize_t store_list_waiting_hooks(struct store *st, int64_t after, int64_t *ids,
                                 size_t max);                          /* pending and running ones */
int store_hook_payload(struct store *st, int64_t id, struct buf *ret); /* appended; -ENOENT */
/* Adds one, with its payload; row->id is set. -EEXIST: it is there already, and row->id says which. */
int store_add_hook(struct store *st, struct hook_row *row, const char *payload, size_t len, bool by_payload,
                   struct err *err);
int store_put_hook(struct store *st, struct hook_row *row, struct err *err);
/* Which run a delivery has started of a workflow; 0: none. */
int64_t store_find_hook_run(struct store *st, int64_t hook_id, int64_t workflow_id);
int store_put_hook_run(struct store *st, int64_t hook_id, int64_t workflow_id, int64_t run_id,
                       struct err *err);
int store_expire_hooks(struct store *st, int64_t before, struct err *err); /* those that ended before */

/* ------------------------------------------------------------------------------------------------- writing
 */

/* Rows are borrowed, NULL strings are "". id 0: a new one, whose id is set; else that row becomes as it says.
 * 0, or -EIO, -ENOSPC, -ENOMEM with words: then nothing of the group is written. */
int store_put_workflow(struct store *st, struct workflow_row *row, struct err *err);
int store_put_repo(struct store *st, struct repo_row *row, struct err *err);
int store_put_run(struct store *st, struct run_row *row, struct err *err);
int store_put_run_text(struct store *st, int64_t run_id, enum run_text which, const char *text, size_t len,
                       struct err *err);
int store_put_step_state(struct store *st, int64_t run_id, int64_t step_id, const char *state,
                         struct err *err);
int store_put_job(struct store *st, struct job_row *row, struct err *err);
int store_put_step(struct store *st, struct step_row *row, struct err *err);
int store_put_output(struct store *st, int64_t job_id, int64_t step_id, const char *name, const char *value,
                     struct err *err);
int store_put_annotation(struct store *st, const struct annotation_row *row, struct err *err);
int store_put_setting(struct store *st, enum setting_kind kind, const char *name, const char *value,
                      struct err *err);
int store_put_error(struct store *st, const char *name, const char *text,
                    struct err *err); /* text NULL: remove it */
int store_put_delivery(struct store *st, const char *name, const char *text, struct err *err);

int store_delete_repo(struct store *st, int64_t id, struct err *err); /* its workflows become removed */
int store_delete_run(struct store *st, int64_t id,
                     struct err *err); /* with jobs, steps, texts, logs, artifacts */
/* Its logs, of all attempts; each job's says so then. Not while it runs. */
int store_delete_logs(struct store *st, int64_t run_id, struct err *err);
int store_delete_setting(struct store *st, enum setting_kind kind, const char *name, struct err *err);

/*
 * After a crash: every job and step that was in progress becomes completed/interrupted, jobs that had not
 * started become completed/cancelled, and their runs completed/interrupted with sizes of what they had
 * logged. Runs of which no job was at work stay as they are, to be taken up again. Returns how many runs were
 * interrupted, or -errno.
 */
int store_recover(struct store *st, struct err *err);

/* ---------------------------------------------------------------------------------------------------- logs
 */

/*
 * A run's log: STATE/logs/NNN/RUN.log, every byte that its jobs printed, in order of arrival, and fixed-size
 * records of them (offset, length, time, attempt, job, step, stream): the first ones at the head of that
 * file, the others in RUN.idx. Everything shown is a view: of a run's attempt, a job, a step, of some
 * streams. A torn last record (crash) is ignored and overwritten.
 */
enum { LOG_OF_STEP = LOG_STDOUT | LOG_STDERR | LOG_RUNNER, LOG_OF_RUN = LOG_OF_STEP | LOG_HEADER };

struct log_writer; /* of one run; thread-safe: its jobs append concurrently */
int log_writer_open(struct store *st, int64_t run_id, struct log_writer **ret, struct err *err);
void log_writer_close(struct log_writer *w); /* NULL allowed */
/*
 * Appends one chunk; readers see it when this returns. label: "job / step", for the header that is written
 * whenever another job or step spoke last. -ENOSPC, -EIO: nothing of it is visible.
 */
int log_append(struct log_writer *w, int attempt, int64_t job_id, int64_t step_id, enum log_stream stream,
               const char *label, const void *data, size_t len, struct err *err);

struct log_select {
    int64_t run_id;
    int attempt;      /* 0: any */
    int64_t job_id;   /* 0: any */
    int64_t step_id;  /* 0: any */
    unsigned streams; /* of enum log_stream */
};

struct log_view; /* one thread at a time */
/* A run that never logged has an empty view. */
int log_view_open(struct store *st, const struct log_select *select, struct log_view **ret, struct err *err);
void log_view_close(struct log_view *v);
int64_t log_view_size(struct log_view *v); /* as of now: takes in what was appended since */
ssize_t log_view_read(struct log_view *v, void *to, size_t size,
                      int64_t off); /* 0 at the present end; -errno */
/*
 * All that the view shows at the call, in order, each chunk with the time it came, in pieces of at most 64
 * KiB (the borrowed bytes are gone after the call). What a call returns other than 0 ends it and is returned.
 */
int log_view_each(struct log_view *v,
                  int (*piece)(void *data, int64_t time_ns, const char *bytes, size_t len), void *data);
int64_t log_size(struct store *st, const struct log_select *select); /* without keeping a view; -errno */
/* Appends the last lines, of at most max bytes: whole ones, if there is an end of one in those. */
int log_read_end(struct store *st, const struct log_select *select, size_t max, struct buf *ret);
/* What each stream of a step holds, in one pass. Zeros when it cannot be read. */
struct log_sizes {
    int64_t log, out, err; /* all but headers; stdout; stderr */
};
struct log_sizes log_step_sizes(struct store *st, int64_t run_id, int64_t step_id);

#endif
