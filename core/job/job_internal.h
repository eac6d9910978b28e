/*
 * The state of a running job: private to the files that run one.
 *
 *   job.c        from the first step to the last, and the posts behind it
 *   job_env.c    contexts and environments, layer by layer
 *   step.c       one step: its `if`, its name, its own settings, what is told of it
 *   background.c steps that run while others do, and what waits for them
 *   process.c    a program of a step; process_files.c the files through which it speaks to the runner
 *   tool.c       programs of the runner's own, which are not shown
 *   script.c     `run:`
 *   use.c        `uses:`: its inputs; pre, main and post of JavaScript
 *   use_find.c   which action that is, and where; its manifest
 *   container*.c what a workflow says of a container, and its image
 *   docker.c     an action that is a program of an image
 *   services.c   machines beside it: service_run.c has one of them, service_ports.c their ports
 *   composite.c  an action that is a list of steps
 *   builtin*.c   actions that are part of runfs
 *   output*.c    what a step prints: command.c reads workflow commands in it, matcher.c problems
 *   mask*.c      hides secrets in it
 *   forge_vars.c the names that Gitea's and Forgejo's workflows have for all that
 */
#ifndef RUNFS_JOB_JOB_INTERNAL_H
#define RUNFS_JOB_JOB_INTERNAL_H

#include "command.h"
#include "matcher.h"
#include "runfs/action.h"
#include "runfs/job.h"
#include "shell.h"

struct use;

/* A list of steps and what they see: the job's own, or those of a composite action. */
struct scope {
    struct running_job *job;
    struct use *use;     /* the composite action whose steps these are; NULL: the job's own */
    size_t row;          /* of the step that uses it, for the sink */
    const char *file;    /* for messages */
    json_t *contexts;    /* owned */
    json_t *steps;       /* the `steps` context; borrowed from contexts */
    json_t *overrides;   /* owned: env of the steps around these, which goes over GITHUB_ENV */
    int64_t deadline;    /* when the steps around these must have ended, by their own limits; 0: never */
    json_t *process_env; /* owned: what only these steps' processes get (GITHUB_ACTION_PATH); may be NULL */
    struct buf summary;  /* of a composite's steps */
    enum job_status status;
    enum job_status concluded; /* how its last step did */
    int exit_code;             /* of the first step that failed */
    int failed;                /* the log's error, negative */
};

struct background;
struct background_step;

struct running_job {
    /* The job itself, for what steps in the background see as their own: theirs are uses, posts, matchers,
     * shells, numbers and event_written of this one. */
    struct running_job *whole;
    struct background *background;         /* NULL: no step of the job runs in the background */
    struct background_step *in_background; /* whose job this is; NULL: the job itself */
    const char *refused;                   /* why that cannot run; NULL: it can */
    const struct job_spec *spec;
    struct machine *machine;
    struct mask *mask;
    const struct job_sink *sink;
    struct scope scope; /* of its own steps */
    json_t *base_env;   /* owned: workflow, then job env, evaluated */
    json_t *set_env;    /* owned: what steps wrote to GITHUB_ENV */
    json_t *set_path;   /* owned array: GITHUB_PATH, oldest first */
    struct use *uses;   /* owned: every use of an action */
    size_t n_uses;
    struct use *posts;         /* those with a post that is to run, the last first */
    struct matchers *matchers; /* owned; NULL until one is added */
    json_t *subjects;          /* owned: artifacts that were declared, by name; NULL: none */
    struct job_shells shells;  /* owned */
    unsigned numbered;         /* how many steps and files beside theirs have a number in their names */
    int64_t deadline;          /* monotonic; 0: none */
    int64_t until;             /* that of the step that runs, or the job's */
    bool debug;                /* ACTIONS_STEP_DEBUG */
    bool timed_out;
    bool ending;        /* cancelled or out of time: the deadline is that of what runs all the same */
    bool event_written; /* event.json is in the machine */
};

enum stage { STAGE_PRE, STAGE_MAIN, STAGE_POST };

/* ------------------------------------------------------------------------------------------------ output */

/* The output of one step on its way to the sink: lines, workflow commands, masking. */
struct step_output {
    struct running_job *job;
    size_t step;
    struct buf pending[3];         /* by stream: a line that has no end yet, */
    struct mask_stream endless[3]; /* or, once it is too long to wait for that, what of it is held back */
    struct command_state commands;
    bool echo;               /* commands are shown too */
    bool unsecure;           /* ACTIONS_ALLOW_UNSECURE_COMMANDS */
    bool errored;            /* a command was wrong: the step has failed */
    int failed;              /* the sink's error, negative: nothing more is shown */
    size_t annotated;        /* what its annotations, */
    size_t said;             /* and what its `::set-output` and `::save-state` cost so far */
    bool within_line;        /* what was shown last had no newline */
    json_t *matcher_changes; /* owned: of problem matchers, for when the process has ended (struct below) */
    struct buf unmatched;    /* lines since the first of them, */
    size_t rematched;        /* and how much of that was looked at */
    json_t *outputs;         /* borrowed: what `::set-output` adds to */
    json_t *state;           /* borrowed: what `::save-state` adds to; NULL: none is kept */
};
void output_release(struct step_output *o);

/* machine_output_fn: data is a struct step_output. */
int output_chunk(void *data, enum machine_stream stream, const char *bytes, size_t len);
/* What stands without a newline at the end is shown, with one. */
void output_finish(struct step_output *o);
/*
 * Each of matcher_changes is {line: the command as it came, at: how much of `unmatched` stood before it, and
 * one of add: a file, remove: a file, owner: a name}. This looks at the lines up to `at`, which waited for
 * the changes before it; each is looked at once, in order. SIZE_MAX: at all that are left.
 */
void output_rematch(struct step_output *o, size_t at);
/* A command that could not be obeyed: GitHub's two errors. line: it, or its name where it is never shown. */
void output_command_error(struct step_output *o, const char *line, const char *why);
/* A line of the runner's own: masked, newline added. */
void output_runner_line(struct step_output *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An error or a warning of the runner's own: a `##[error]` line and an annotation. */
void output_error(struct step_output *o, const char *msg);
void output_warning(struct step_output *o, const char *msg);

/* What a container's image was found to be, and warnings of it. */
void container_show(const struct container *c, struct step_output *o);

/* ------------------------------------------------------------------------------------------------- steps */

struct running_step {
    struct running_job *job;
    struct scope *scope;
    enum stage stage;
    const struct workflow_step *def;
    struct step_output output;
    char *name;         /* owned, masked */
    json_t *env;        /* owned: the step's own, over those of the steps around it */
    json_t *outputs;    /* owned */
    unsigned number;    /* of its files in the machine */
    char *script, *cwd; /* owned */
    char *shell;        /* owned: as it was asked for */
    struct buf why, env_shown, summary;
    bool continue_on_error;
    double timeout_minutes; /* 0: none */
    int64_t deadline;       /* by those minutes, monotonic; 0: none */
    int exit_code;
    enum job_status outcome;
};

/* Runs a step of a scope, including its `if`. row: the sink's; a composite's steps stand in that of the step
 * that uses it. */
void step_run(struct scope *scope, size_t row, const struct workflow_step *def);
/* Runs `pre` or `post` of an action, by its own `if`, in a row that was added for it. */
void step_run_stage(struct use *use, enum stage stage, size_t row);

/* What a step of the job's own is called, masked; to be freed. NULL without memory. */
char *step_title(struct running_job *j, const struct workflow_step *def);
/* The group that a step's log begins with: text, and the step's env. */
void step_show(struct running_step *s, const char *text);
/* The step has failed, for a reason that stands in its log. */
void step_fail(struct running_step *s, const char *msg);
/* The same; what was given up has been cancelled, or took too long. */
void step_fail_why(struct running_step *s, const struct err *err);
/* Evaluates against what the step sees; NULL gives "". */
int step_eval_string(struct running_step *s, const struct token *t, char **ret, struct err *err);
/* When it must have ended: its own limit, or the job's. 0: never. */
int64_t step_deadline(const struct running_step *s);
/* Of these only its own, and that of the steps whose composite it is in. */
int64_t step_own_deadline(const struct running_step *s);
struct expr_env step_expr_env(struct running_step *s);

/* Ways to do a step's work; what came of it is in outcome and exit_code. */
void script_run(struct running_step *s);
void use_run(struct running_step *s);
void composite_run(struct running_step *s, struct use *use);
/* A Docker action; env: of the action's own, which is added to. */
void docker_run(struct running_step *s, struct use *use, json_t *env);

/* A program to run for a step. All borrowed. */
struct process {
    char *const *argv;
    json_t *env;               /* object of strings over the step's environment (INPUT_..., STATE_...) */
    const char *cwd;           /* NULL: the workspace */
    struct machine_file *file; /* put before it starts; NULL: none */
    json_t *state;             /* what GITHUB_STATE adds to; NULL: dropped */
};
/* Whether its steps are root's, in a machine that is theirs alone: then `sudo` of sudo.h is in their PATH. */
bool job_is_roots(const struct running_job *j);
/* event.json for the job's processes, where none of them has brought it yet. A failure is left to the first
 * of them. */
void job_put_event(struct running_job *j);
/*
 * Runs it with fresh environment files, then takes over what it left in them. Returns 0 with the result
 * filled, whatever became of it, or -errno when the machine failed. process_judge() tells the step.
 */
int process_run(struct running_step *s, const struct process *p, struct machine_result *ret, struct err *err);
/* Outcome and exit code from how a process ended. say: whether an exit code gets a line of its own. */
void process_judge(struct running_step *s, const struct machine_result *result, bool say);
/* It ran longer than it, the step around it or its job may: says which, and that it failed. */
void step_timed_out(struct running_step *s);

/* machine_put_tree() of the job's machine, while its other steps may go on. */
int job_put_tree(struct running_job *j, const char *dir, int tar_fd, struct err *err);

/* A program of the runner's own in the machine, whose output is not shown. All borrowed. */
struct tool {
    char *const *argv;
    char *const *env;          /* NULL: what such programs get */
    const char *cwd;           /* NULL: the workspace */
    struct machine_file *file; /* put before it starts; NULL: none */
    struct buf *out, *errors;  /* what it prints is appended; NULL: dropped */
    int out_fd;                /* 0: none; else standard output goes there instead, */
    int64_t out_max;           /* at most so many bytes; 0: no limit */
    struct room *room;         /* and no more than it can hold; NULL: no matter */
    size_t max;                /* of each buffer; 0: 64 MiB */
};
/* Returns its exit code, or -errno: -ENOENT when the machine has no such program. */
int tool_run(struct running_job *j, const struct tool *t, struct err *err);
/* The text of the first of these files (n, absolute, inside) that exists; *ret_which tells. -ENOENT: none. */
int machine_read_first(struct running_job *j, const char *const *paths, size_t n, size_t max, struct buf *ret,
                       size_t *ret_which, struct err *err);

/* ------------------------------------------------------------------------------------------------- files */

/* Files in the machine that patterns (a line each, as @actions/glob takes them) mean. */
struct file_list {
    struct listed_file {
        char *path; /* owned; absolute, inside */
        char type;  /* f, d, l, ... as find(1) says it */
        int64_t size;
    } * files; /* owned; each once, in the order of a walk that goes by names */
    size_t n;
    char *root; /* owned: the directory that all search paths have in common */
};
enum { FILES_FOLLOW = 1, FILES_NO_HIDDEN = 2, FILES_NO_DESCENDANTS = 4 };
int files_find(struct running_job *j, const char *patterns, unsigned flags, struct file_list *ret,
               struct err *err);
void file_list_release(struct file_list *l);

/* hashFiles(patterns...) over the workspace. */
int hash_files(struct running_step *s, const struct value *args, size_t n, struct value *ret,
               struct err *err);

/* -------------------------------------------------------------------------------------------------- uses */

struct builtin_action;

/* One use of an action by a step, for as long as the job runs: pre, main and post share it. */
struct use {
    struct use *next;
    struct running_job *job;
    struct use *outer; /* the composite that it is part of */
    const struct workflow_step *def;
    const struct builtin_action *builtin; /* an action that is part of runfs; or */
    struct action *action;                /* owned: its manifest, and */
    char *dir;                            /* owned: where it is in the machine */
    char *image;                          /* owned: what its Dockerfile came to; NULL: nothing yet */
    char *repository, *ref;               /* owned; NULL: local */
    char *from;                           /* owned: the repository, behind its host where that was named */
    char *name;                           /* owned: of the step, for "Post ..." */
    json_t *inputs;                       /* owned: name -> string, as its main got them */
    json_t *env;                          /* owned: of the step */
    json_t *contexts;                     /* owned: what the step saw */
    json_t *overrides;                    /* owned */
    json_t *state;                        /* owned: STATE_*, shared by its stages */
    struct expr *post_if;                 /* owned: of a built-in one */
    struct use *next_post;
    bool registered; /* its pre or main ran, and its post is in the list */
    size_t row;      /* of its post */
};

/* The use that this step of the scope is, made at its first call. */
struct use *use_get(struct running_job *j, struct use *outer, const struct workflow_step *def);
/* Finds, fetches and reads what it uses. remote_only: leaves local actions alone. */
int use_load(struct use *u, bool remote_only, struct step_output *log, struct err *err);
/* Registers the post of a step that is not run again, with what an earlier attempt wrote down of it
 * (job_state()). */
int use_restore(struct running_job *j, const struct workflow_step *def, json_t *post, struct err *err);
bool use_is_local(const struct use *u);
/* A container; of what is not an image, known once it is loaded. */
bool use_is_docker(const struct use *u);
const struct expr *use_stage_if(struct use *u, enum stage stage);
/* Does the work of that stage for a step. */
void use_stage(struct running_step *s, struct use *u);
/* Runs the pre of a step's action, and those inside of it. */
void use_run_pres(struct running_job *j, struct use *outer, const struct workflow_step *def);
void uses_free(struct running_job *j);

/* Fetches and reads all remote actions that these steps name, and those inside of composites. */
int setup_actions(struct running_job *j, struct use *outer, const struct workflow_step *steps, size_t n,
                  struct step_output *log, struct err *err);

/* An action that is part of runfs. */
struct builtin_action {
    const char *repository, *path; /* "actions/cache", "restore" */
    void (*main)(struct running_step *s, struct use *u);
    void (*post)(struct running_step *s, struct use *u); /* NULL: none */
    const char *post_if;                                 /* NULL: always() */
    bool replaceable; /* by the real one, where config/actions_mirror has that */
};
const struct builtin_action *builtin_action_find(const char *repository,
                                                 const char *path); /* NULL: there is none */

/* ------------------------------------------------------------------------------------------- environment */

/* Sets contexts, base_env, deadline. -EINVAL: an expression is in error. */
int job_prepare(struct running_job *j, struct err *err);
void job_release(struct running_job *j);
/* How long what is left may take, once the job was cancelled or is out of time. */
void job_set_cancel_deadline(struct running_job *j);

void scope_release(struct scope *scope);
void scope_tell_status(struct scope *scope); /* job.status, as the next steps see it */
/* proc_unwanted_fn: data is the running job. Of what the runner itself does for it after a cancel, what still
 * runs is wanted. */
bool job_unwanted(void *data);

/* expr_call_fn: the functions as a step sees them; data is a struct running_step. */
int job_call(void *data, const char *function, const struct value *args, size_t n, struct value *ret,
             struct err *err);

/* Replaces the `env` context by what the job has, GITHUB_ENV, and user (may be NULL). */
int scope_set_env(struct scope *scope, json_t *user);
/* What is a step's own in the github context, from its condition on: `action`, the step's id or the one made
 * for it, and the paths of its environment files: `env`, `output`, `path`, `state`, `step_summary` (GitHub
 * documentation, "Contexts"). Gives the step these files. */
int step_set_github(struct running_step *s);

/* The file that GITHUB_EVENT_PATH names; appended. */
void job_event_path(const struct running_job *j, struct buf *ret);

/* Whether the step's environment lets `set-env` and `add-path` through. */
bool allows_unsecure(const struct running_step *s);

/*
 * The environment of a step's process. extra: over all of it, may be NULL. Returns a NULL-terminated list of
 * NAME=value (strv_free), or NULL without memory.
 */
char **job_environment(struct running_step *s, json_t *extra, const char *files_dir);

/* forge_vars.c; 0 or -ENOMEM. github.token; and FORGEJO_REF beside GITHUB_REF, and so on. */
int forge_add_github_token(enum forge f, const json_t *secrets, json_t *github);
int forge_add_variables(enum forge f, json_t *env);

#endif
