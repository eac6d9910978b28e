/*
 * Workflows: a file, checked against the schema as GitHub checks it, as plain structs.
 * Everything in a workflow is owned by it (one arena), immutable after workflow_parse, and shared freely.
 */
#ifndef RUNFS_WORKFLOW_H
#define RUNFS_WORKFLOW_H

#include "runfs/buf.h"
#include "runfs/forge.h"
#include "runfs/token.h"

/* One complaint; col and line are 0 where GitHub names no place. */
struct lint_error {
    int line, col;
    char *msg; /* owned; "FILE (Line: L, Col: C): message", or "FILE: message", in GitHub's words */
};
struct lint {
    struct lint_error *errors; /* owned, in the order GitHub prints them */
    size_t n;
};
void lint_release(struct lint *l);
const char *lint_message(const struct lint_error *e); /* borrowed: behind the file and the place */
#define _lint_ _cleanup_(lint_release)

/* Finds the text of a reusable workflow ("./.github/workflows/x.yml", "o/r/path@ref"): 0, or -errno with
 * err's words. -EOPNOTSUPP: that call is not to be followed, which is no complaint. */
typedef int workflow_find_fn(void *data, const char *uses, struct buf *ret, struct err *err);

struct workflow_opts {
    workflow_find_fn *find; /* NULL: calls of reusable workflows are not followed */
    void *data;
    size_t max_file_size; /* 0: GitHub's limits */
    size_t max_result_size;
    bool no_background_steps; /* the keys background, wait, wait-all, cancel, parallel are unknown */
    enum forge forge;         /* whose workflow it is: what words there are */
};

enum step_kind { STEP_RUN, STEP_USES, STEP_WAIT, STEP_WAIT_ALL, STEP_CANCEL, STEP_PARALLEL };

struct workflow_step {
    enum step_kind kind;
    int line, col;
    const char *id; /* given, or made as GitHub makes it: "__run", "__actions_checkout", "__run_2" */
    bool has_id;    /* it was given */
    const struct token *name; /* NULL: none. These tokens may hold expressions */
    const struct expr
        *condition; /* complete: `success()` when absent, `success() && (...)` where GitHub adds it */
    const struct token *run, *shell, *working_directory;
    const char *uses;
    const struct token *with, *env;
    const struct token *continue_on_error, *timeout_minutes;
    bool background, has_background; /* its value, and whether it was given */
    const struct token *target;      /* of wait, wait-all, cancel, parallel */
    struct workflow_step *parallel;  /* STEP_PARALLEL: the steps of the group, with ids of their own */
    size_t n_parallel;
    bool grouped; /* it is one of such a group */
};

struct workflow_job {
    int line, col;
    const char *id;
    const struct token *name;
    const char *const *needs; /* n_needs ids; each exists in this workflow */
    size_t n_needs;
    const struct expr *condition; /* complete, as for a step */
    const struct token *runs_on, *strategy, *env, *defaults_run, *outputs, *timeout_minutes,
        *cancel_timeout_minutes, *continue_on_error, *concurrency, *environment, *permissions, *container,
        *services, *snapshot;
    /* as they run, a number each: those of a group, each in the background, then the group's own, which waits
     * for them */
    struct workflow_step *steps;
    size_t n_steps;
    struct workflow_step *written; /* as they stand in the file: a group is one of them */
    size_t n_written;
    /* a call of a reusable workflow instead of steps */
    const char *uses;
    const struct token *with, *secrets;
    bool secrets_inherit;
    const char *cache_mode;  /* "" where absent */
    struct workflow *called; /* owned; NULL where it was not followed */
};

/* One entry of `on`. Filters are NULL-terminated pattern lists, NULL where the key is absent. */
struct workflow_event {
    const char *name;
    const char *const *types, *const *branches, *const *branches_ignore,
                                                    *const *tags, *const *tags_ignore,
                                                                      *const *paths, *const *paths_ignore,
                                                                                         *const *workflows;
    const char *const *crons;            /* schedule: five-field patterns */
    const char *const *timezones;        /* schedule: one for each cron, "" where absent */
    const struct workflow_input *inputs; /* workflow_dispatch, workflow_call */
    size_t n_inputs;
    const struct token *config; /* all of it, as written */
};

enum input_type { INPUT_STRING, INPUT_BOOLEAN, INPUT_NUMBER, INPUT_CHOICE, INPUT_ENVIRONMENT };

struct workflow_input {
    const char *name, *description; /* description "" where absent */
    enum input_type type;
    bool required;
    const struct token *fallback; /* `default`; NULL: absent */
    const char *const *options;   /* choice: NULL-terminated */
};

struct workflow {
    struct arena *arena; /* owned: everything below */
    const char *file;    /* the name used in messages */
    const char *name;    /* `name`, "" where absent */
    const struct token *root, *run_name, *env, *defaults_run, *concurrency, *permissions;
    const char *cache_mode; /* "" where absent */
    enum forge forge;       /* as was asked for, but never FORGE_UNKNOWN */
    struct workflow_event *events;
    size_t n_events;
    struct workflow_job *jobs; /* in the order of the file */
    size_t n_jobs;
};

/*
 * Parses and checks a workflow. file: the name for messages ("ci.yml", ".github/workflows/ci.yml").
 * Returns 0; -EINVAL with at least one complaint in `lint`; -EFBIG likewise for one that is too large;
 * -ENOMEM. Rejects what is no UTF-8, holds NUL bytes, or is empty. opts may be NULL: GitHub's, calls not
 * followed.
 */
int workflow_parse(const char *file, const char *text, size_t len, const struct workflow_opts *opts,
                   struct workflow **ret, struct lint *lint);
void workflow_free(struct workflow *w);

/* Adds to `ret` what is no error to the parser, but keeps the workflow from running on GitHub or an event
 * from coming: two filters that exclude each other, a time zone that is not known here, a job that asks for
 * the concurrency group of its own workflow. 0 or -ENOMEM. */
int workflow_warnings(const struct workflow *w, struct lint *ret);

const struct workflow_event *workflow_event(const struct workflow *w,
                                            const char *name); /* NULL: not in `on` */
/* What a step that waits or cancels is called without a name of its own; NULL: it does neither. */
const char *workflow_step_title(const struct workflow_step *step);
const struct workflow_job *workflow_job(const struct workflow *w, const char *id);

/* Appends what `permissions` gives a token, "SCOPE: LEVEL" lines in the order in which GitHub names the
 * scopes; what it does not name is none, but for metadata, which every token may read. */
void permissions_text(const struct token *permissions, struct buf *ret);

/* What a `cache-mode` lets a job do with caches (GitHub documentation, "cache-mode"); "" says nothing: both.
 */
bool cache_mode_reads(const char *mode);
bool cache_mode_writes(const char *mode);

/* The workflow as JSON, in the shape of GitHub's parser tests (jobs, steps, conditions, tokens with their
 * types). */
json_t *workflow_to_json(const struct workflow *w);

#endif
