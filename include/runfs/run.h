/*
 * The engine: what is dropped, dispatched, cancelled and rerun becomes runs, jobs on machines, and rows in
 * the store.
 *
 * Every function may be called from any thread. Asking functions return when what they ask for is in the
 * store (a dropped file's run has a row; a cancelled run is marked), not when it is done. Nothing here knows
 * the mount.
 */
#ifndef RUNFS_RUN_H
#define RUNFS_RUN_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "runfs/err.h"
#include "runfs/forge.h"
#include "runfs/machine.h"
#include "runfs/store.h"

struct engine;

/* What the services know of a job. Strings borrowed for the call. */
struct service_job {
    int64_t run_id, job_id; /* rows */
    int attempt;
    const char *repository;               /* "owner/name" */
    const char *ref;                      /* GITHUB_REF: the scope of its caches */
    const char *base_ref;                 /* of a pull request's base, full; "" without */
    const char *default_branch;           /* full: "refs/heads/main"; "" unknown */
    bool no_cache_reads, no_cache_writes; /* what its `cache-mode` keeps from it */
    int64_t lifetime_s;                   /* how long its token may be used at most */
};

/*
 * Services that a job's actions speak to over HTTP (include/runfs/results.h). The engine knows them by these
 * functions only. open gives a new object of strings, the environment of JavaScript actions (and of nothing
 * else, as on GitHub); its ACTIONS_RUNTIME_TOKEN is a secret. close comes once for each open, at the job's
 * end.
 */
struct job_services {
    void *data;
    int (*open)(void *data, const struct service_job *job, json_t **ret_env, struct err *err);
    void (*close)(void *data, int64_t job_id);
};

struct engine_opts {
    struct store *store;                 /* borrowed, open, recovered */
    struct machines *machines;           /* borrowed */
    const struct job_services *services; /* borrowed; NULL: none */
    int slots;                           /* jobs at once; 0: config/slots, and that follows changes */
    bool triggers; /* schedules fire, runs start workflow_run, linked checkouts are followed: a daemon's work
                    */
    bool defaults; /* write the default settings that are missing (slots, retention_days, labels) */
    const char *actions_mirror; /* wins over config/actions_mirror; borrowed; NULL: that is asked */
    const char *registries;     /* wins over config/local_registries; borrowed; NULL: that is asked */
    /* Whether the process is at its end, and only waits for what it does: asked by any thread, up to the end
     * of engine_free. NULL: never */
    bool (*ending)(void *data);
    void *data;
};

/* Starts the scheduler and takes up queued runs that a former process left. */
int engine_new(const struct engine_opts *opts, struct engine **ret, struct err *err);
/* Stops: no new job starts, running ones are cancelled as by a person and waited for (at most 15 s, then
 * killed). */
void engine_free(struct engine *e);

/* ------------------------------------------------------------------------------------------ workflows and
 * runs */

/*
 * A file dropped into workflows/: checks it, registers it under its name (1-255 bytes ending .yml or .yaml)
 * and starts one run: of event push if `on` has it, else workflow_dispatch (with default inputs; none if a
 * required one has no default), else none when only workflow_call remains, else the first of `on`. Filters do
 * not apply to a drop. Refused: -EINVAL (with the reason also in errors/NAME, and the previous version still
 * registered), -EFBIG, -ENOSPC. ret_run: the run's number, 0 when none was started.
 */
int engine_drop(struct engine *e, const char *name, const char *text, size_t len, int64_t *ret_run,
                struct err *err);
/*
 * A page: PAGE.md of Markdown with scripts (runfs/markdown.h), dropped as the workflow that it makes,
 * PAGE.yml. One without scripts, and PAGE.txt, goes to a language model where config/llm/url names one: then
 * this returns at once, errors/PAGE.md says that it was asked, and PAGE.yml comes of it, to be started by
 * hand (core/run/llm.h); where none is set, PAGE.txt is any text. errors/PAGE.md says what is wrong with a
 * page. -EEXIST: there is a PAGE.yml that was not made from it.
 */
int engine_drop_page(struct engine *e, const char *page, const char *text, size_t len, int64_t *ret_run,
                     struct err *err);
int engine_unregister(struct engine *e, int64_t workflow_id, struct err *err);

/* repos/NAME: links the checkout at path, or makes a mirror of the repository at that address (https://,
 * ssh://,
 * ...), which may take long; registers its workflows; runs nothing. */
int engine_link_repo(struct engine *e, const char *name, const char *path, struct err *err);
int engine_unlink_repo(struct engine *e, int64_t repo_id, struct err *err);
/* As if it had been linked by that name, and one that there was of it unlinked; what its origin called it, it
 * stays called. -EPERM: it is a mirror. */
int engine_move_repo(struct engine *e, int64_t repo_id, const char *name, struct err *err);
/* What it was linked to: a path or an address. Appended. */
void engine_repo_target(struct engine *e, const struct repo_row *repo, struct buf *ret);
/* Reads a checkout's workflows again. (A mirror's are registered by who changes them.) */
int engine_refresh_repo(struct engine *e, int64_t repo_id, struct err *err);

/* Whose workflows those of a checkout ("": here; or of what a mirror shows) are: of .forgejo/workflows,
 * .gitea/workflows and .github/workflows the first that holds anything, as Forgejo chooses and Gitea among
 * the two that it knows; where the origin is GitHub's, .github/workflows first. */
enum forge checkout_forge(const char *path);

/* dispatch/NAME: text is key=value lines or one JSON object, empty for no inputs. ref: a branch or a tag of
 * the linked repository; NULL: its default branch. actor: who starts it; NULL: the daemon's user. */
int engine_dispatch(struct engine *e, int64_t workflow_id, const char *ref, const char *actor,
                    const char *text, size_t len, int64_t *ret_run, struct err *err);
/* Who acts where nobody else is named: the daemon's user. Borrowed from the engine. */
const char *engine_actor(const struct engine *e);

/* "owner/name", as its origin names it, else by its link; REPOSITORY_DROPPED: the workflows of no repository.
 * 0 or -ENOENT. */
#define REPOSITORY_DROPPED "runfs/workflows"
struct repository {
    int64_t repo_id; /* 0: the dropped ones */
};
int engine_find_repository(struct engine *e, const char *full_name, struct repository *ret);
/* "main", as far as git knows no better; asks git each time. */
void engine_default_branch(struct engine *e, const struct repository *repo, struct buf *ret);
/* Its branches and the commits they are at: its own by name, then those of origin that have other names. Asks
 * git each time; the dropped ones have none. 0, or the first of fn's that is not. */
typedef int branch_fn(void *data, const char *name, const char *sha);
int engine_each_branch(struct engine *e, const struct repository *repo, branch_fn *fn, void *data);
/* "owner/name" of a linked one, by its origin, else "local/LINK"; appended. 0 or -ENOENT. */
int engine_repository_name(struct engine *e, int64_t repo_id, struct buf *ret);
/* The commit that a branch, a tag, a full ref or a commit's name means there: 0 and appended, or -ENOENT. */
int engine_resolve_ref(struct engine *e, const struct repository *repo, const char *ref, struct buf *ret);
/* Where git finds it on this host; appended. -ENOENT: nowhere, as the dropped ones. */
int engine_repository_path(struct engine *e, const struct repository *repo, struct buf *ret);

/*
 * events/NAME: delivers a payload (a JSON object; empty for a made one) to every registered workflow that it
 * concerns: those of the linked repository that `repository.full_name` names, of all of them when it names
 * none, and to dropped ones, which belong to no repository. What came of it, a line a workflow, is the
 * event's delivery row then. -EINVAL for what is no payload; errors/events-NAME says why. _start: whether the
 * beginning of one, as far as it was written, can still become one.
 */
struct delivery_result {
    struct buf report; /* what came of it, a line a workflow */
    struct buf runs;   /* the numbers of what it started, with blanks between */
    int64_t hook_id; /* given: the webhook's delivery that it is; 0: none. Its sender gets words of the runs,
                      * and delivered again it starts nothing twice */
    bool cut_off;    /* the daemon began to end meanwhile, so some of it may be left to do */
};
/* ret: appended to; NULL allowed. */
int engine_deliver(struct engine *e, const char *event, const char *text, size_t len,
                   struct delivery_result *ret, struct err *err);
int engine_deliver_start(struct engine *e, const char *event, const char *text, size_t len, struct err *err);

/* How long the mount takes for what it is asked: who serves it counts. */
enum mount_request {
    MOUNT_LOOKUP,
    MOUNT_ATTRIBUTES,
    MOUNT_LIST,
    MOUNT_OPEN,
    MOUNT_READ,
    MOUNT_WRITE,
    MOUNT_CLOSE, /* with what a file that was written starts */
    MOUNT_CHANGE,
    MOUNT_REQUESTS
};
extern struct histogram metric_mount[MOUNT_REQUESTS];

/* Counts, histograms and what is so now, in Prometheus' text format; appended. Any thread. */
void engine_metrics(struct engine *e, struct buf *ret);

/* Verbs of ctl. -EINVAL with a sentence when the state does not allow it ("run 7 is already completed"). */
int engine_cancel_run(struct engine *e, int64_t run_id,
                      struct err *err); /* asked again: what still runs is killed at once */
int engine_cancel_job(struct engine *e, int64_t job_id, struct err *err);
/* A new attempt of the same run, for `actor` (NULL: who runs this). debug: with debug logging, whatever
 * ACTIONS_STEP_DEBUG says. */
int engine_rerun(struct engine *e, int64_t run_id, bool failed_only, bool debug, const char *actor,
                 struct err *err);
int engine_rerun_job(struct engine *e, int64_t job_id, bool debug, const char *actor,
                     struct err *err); /* and what depends on it */
/* The logs of a run that is completed, which stays. -EBUSY: it is not. */
int engine_delete_logs(struct engine *e, int64_t run_id, struct err *err);
/* A new attempt in which the step's job goes on from the snapshot before this step, without running those
 * before it again; with the workflow as it is by now. -EINVAL: there is no such snapshot, what came before is
 * not as it was, or the run is not completed. */
int engine_resume(struct engine *e, int64_t step_id, struct err *err);
int engine_delete_run(struct engine *e, int64_t run_id,
                      struct err *err); /* -EBUSY while it is not completed */

/* -------------------------------------------------------------------------------------------- held machines
 */

/* Keeps the job's machine when it ends, for config/hold_minutes. -EINVAL: it has ended, and the machine is
 * gone. */
int engine_hold(struct engine *e, int64_t job_id, struct err *err);
/* Takes that back, or lets the machine go. -EINVAL: none is held; -EBUSY: somebody has a shell in it. */
int engine_release_held(struct engine *e, int64_t job_id, struct err *err);

/* A shell for a person. */
struct shell_request {
    const char *term; /* TERM; "" for none */
    struct machine_terminal terminal;
    machine_output_fn *output; /* what it shows; on the calling thread */
    void *data;
    struct machine_result result; /* the caller releases it */
};
/* Blocks until the shell ends. It has the environment and the directory of that step (by number; 0: the last
 * that ran). -ENOENT: no machine is held, -EBUSY: the job runs, or somebody is in it. */
/* Whether it could be had now: 0, or the errors above. */
int engine_can_shell(struct engine *e, int64_t job_id, int step_number, struct err *err);
int engine_shell(struct engine *e, int64_t job_id, int step_number, struct shell_request *rq,
                 struct err *err);

/* ---------------------------------------------------------------------------------------------------
 * settings */

/*
 * config/KEY, secrets/NAME, vars/NAME, tokens/NAME. Checks the value by the table of settings
 * (core/run/config_keys.c) and the name by GitHub's rules. value NULL deletes (a config key with a default
 * goes back to it; -EPERM where that makes no sense). Secrets and variables of an environment are
 * ENVIRONMENT/NAME.
 */
int engine_set(struct engine *e, enum setting_kind kind, const char *name, const char *value,
               struct err *err);

/* Whether a setting may have that name. */
bool engine_takes(enum setting_kind kind, const char *name);

/* "ENVIRONMENT/" in small letters, with which their names begin in the store. Appended. */
void environment_prefix(const char *environment, struct buf *ret);

/* The table of settings, for the tree and for help. */
struct config_key {
    const char *name;     /* "slots"; "labels/" stands for any name below it */
    const char *fallback; /* its default; "": as help says; NULL: it may not be there */
    int (*check)(const char *value, struct err *err); /* 0, or -EINVAL with a sentence */
    const char *help; /* a line of the mount's README; NULL: a row of the tree says it */
};
extern const struct config_key config_keys[]; /* ends with a NULL name */

/* Whether config/disabled/ has the workflow ("ci.yml", "REPO:ci.yml"): then nothing but a drop starts it. */
bool config_disabled(struct store *st, const char *workflow_name);
/* Whether config/proposed/ has it: a model proposed it, and until somebody has started it no event does. */
bool config_proposed(struct store *st, const char *workflow_name);

/* Whether a setting of several words (config/github/report) has that one. */
bool config_word(const char *said, const char *word);

/* config/listen, word by word: 1 and *ret; 0 behind the last one (and for "off"); -EINVAL. */
enum { LISTEN_MAX = 4 };
struct listen_at {
    char address[108]; /* "127.0.0.1", "::1"; the absolute path of a unix socket */
    uint16_t port;     /* 0: the kernel chooses */
    bool tls;          /* with the certificate and key of config/tls */
};
int config_listen_next(const char **text, struct listen_at *ret, struct err *err);

/* -------------------------------------------------------------------------------------------------- runfs
 * run */

/* One run of one file, for `runfs run`. Strings borrowed; NULL: the default. */
struct run_request {
    const char *file, *text; /* name for messages, content */
    size_t len;
    enum forge forge;  /* whose workflow it is; FORGE_UNKNOWN: it lies in nobody's folder */
    const char *event; /* default as for a drop */
    json_t *payload;   /* event.json */
    json_t *inputs, *secrets, *vars,
        *env;              /* objects of strings; NULL: none. secrets and vars add to the store's */
    json_t *labels;        /* object LABEL -> BACKEND: wins over config/labels; "*" matches all */
    const char *job;       /* only this job (and what it needs) */
    json_t *matrix;        /* only combinations that agree with these key: value strings */
    const char *workspace; /* repository the workflow belongs to */
    const char *repository, *actor, *ref;
};

/* Makes the run and lets it begin. -EINVAL with words: the file is in error, nothing of it is started by that
 * event, or its inputs are wrong; -errno. */
int engine_submit(struct engine *e, const struct run_request *req, int64_t *ret_run, struct err *err);

/* Appends a run's workflow, expanded, with the matrices that are known by now. -ENOENT: there is no such run.
 */
int run_expanded(struct store *st, int64_t run_id, struct buf *ret);

/* What the scheduler is doing, for status. */
struct engine_status {
    int slots, busy, queued_jobs, active_runs;
    int pending; /* runs and jobs that wait for a concurrency group */
};
void engine_status(struct engine *e, struct engine_status *ret);

/* One schedule of a registered workflow. Strings are valid during the call only. */
struct schedule_status {
    const char *workflow; /* "ci.yml", "REPO/ci.yml" */
    const char *cron, *zone;
    int64_t next;    /* wall-clock ns; 0: never */
    const char *why; /* why never: "there is no time zone 'X'"; "" */
};
typedef void schedule_fn(void *data, const struct schedule_status *s);
void engine_each_schedule(struct engine *e, schedule_fn *fn, void *data);

#endif
