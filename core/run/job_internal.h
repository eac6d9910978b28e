/* The state of a running job. Private to job.c, step.c, output.c and job_env.c. */
#ifndef RUNFS_RUN_JOB_INTERNAL_H
#define RUNFS_RUN_JOB_INTERNAL_H

#include "job.h"
#include "shell.h"

struct running_job {
    const struct job_spec *spec;
    struct machine *machine;
    struct mask *mask;
    const struct job_sink *sink;
    json_t *contexts; /* owned: the spec's, and env, job, runner, steps */
    json_t *base_env; /* owned: workflow, then job env, evaluated */
    json_t *set_env;  /* owned: what steps wrote to GITHUB_ENV */
    json_t *set_path; /* owned array: GITHUB_PATH, oldest first */
    json_t *steps;    /* borrowed from contexts */
    enum job_status status;
    int exit_code;    /* of the first step that failed */
    int64_t deadline; /* of the job, monotonic; 0: none */
    bool timed_out;
    bool event_written; /* event.json is in the machine */
};

/* Runs step number i, including its `if`. */
void step_run(struct running_job *j, size_t i);

/* ------------------------------------------------------------------------------------------------ output */

/* The output of one step on its way to the sink: lines, workflow commands, masking. */
struct step_output {
    struct running_job *job;
    size_t step;
    struct buf pending[3]; /* by stream: a line that has no end yet */
    char *stop_token;      /* owned: `::stop-commands::` is in force */
    bool echo;
    int failed;       /* the sink's error, negative */
    bool within_line; /* what was shown last had no newline */
    json_t *outputs;  /* borrowed: what `::set-output` adds to */
};
void output_release(struct step_output *o);

/* machine_output_fn: data is a struct step_output. */
int output_chunk(void *data, enum machine_stream stream, const char *bytes, size_t len);
/* What stands without a newline at the end is shown, with one. */
void output_finish(struct step_output *o);
/* A line of the runner's own: masked, newline added. */
void output_runner_line(struct step_output *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An error of the runner's own: a `##[error]` line and an annotation. */
void output_error(struct step_output *o, const char *msg);

/* ------------------------------------------------------------------------------------------- environment */

/* Sets contexts, base_env, deadline. -EINVAL: an expression is in error. */
int job_prepare(struct running_job *j, struct err *err);
void job_release(struct running_job *j);

/* expr_call_fn: the status functions as a step sees them; data is a struct running_job. */
int job_call(void *data, const char *function, const struct value *args, size_t n, struct value *ret,
             struct err *err);
struct expr_env job_expr_env(struct running_job *j);

/*
 * The environment of a step's process: user: object of its own env. Returns a NULL-terminated list of
 * NAME=value (strv_free), or NULL without memory.
 */
char **job_environment(struct running_job *j, size_t step, json_t *user, const char *files_dir);

/* Replaces the `env` context by base, GITHUB_ENV, and user (may be NULL). */
int job_set_env_context(struct running_job *j, json_t *user);

#endif
