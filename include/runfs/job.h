/*
 * A job is a function from a spec to a stream of events: job_run() reads top to bottom, blocks, and knows no
 * store. Whoever wants to see it run gives it a sink.
 */
#ifndef RUNFS_JOB_H
#define RUNFS_JOB_H

#include <jansson.h>
#include <stdatomic.h>

#include "runfs/container.h"
#include "runfs/container_site.h"
#include "runfs/machine.h"
#include "runfs/mask.h"
#include "runfs/outside.h"
#include "runfs/workflow.h"

/* Where a job goes on that was interrupted or failed: with this step, and with what it knew before it. */
struct job_resume {
    size_t first;  /* index into job->steps */
    json_t *state; /* borrowed; as step_passed() had it */
};

/* What a job is. All borrowed, and unchanged while it runs (but for `cancelled`). */
struct job_spec {
    const struct workflow *workflow;
    const struct workflow_job *job;
    /*
     * What is known before it starts: {"github", "inputs", "vars", "secrets", "needs", "strategy", "matrix",
     * "job"}; "job" lacks its status;
     * plain JSON, as the workflow and the rest is text, so that a spec can travel.
     */
    json_t *contexts;
    json_t *env;             /* object of strings under all other env, may be NULL (`runfs run --env`) */
    const char *runner_name; /* RUNNER_NAME */
    const struct container *container; /* what it runs in; NULL: in none */
    struct services *services;         /* which begin before its first step; NULL: none */
    const struct container_site *site; /* where those of Docker actions are made; NULL: nowhere */
    bool debug;                        /* debug logging, also if neither secret nor variable asks for it */
    const struct job_resume *resume;   /* NULL: from its beginning */
    const struct job_outside *outside; /* whose functions may be NULL */
    const atomic_bool *cancelled;      /* becomes true when someone asks to end it */
    const atomic_bool *killed;         /* becomes true when nothing more of it may start; NULL: never */
    int settle_ms; /* whoever ends this process by a signal may have ended the step with it: for so long a
                      step's end by one may be a wish that the job ends */
};

enum job_status { JOB_SUCCESS, JOB_FAILURE, JOB_CANCELLED, JOB_SKIPPED };
const char *job_status_name(enum job_status s); /* "success", ... */

/* What became of a step; strings borrowed for the call of the sink. */
struct step_result {
    const char *name; /* evaluated */
    const char *outcome, *conclusion;
    int exit_code;                                  /* -1: no process */
    const char *script, *env, *cwd, *why, *summary; /* masked; "" where there is none */
    const char *shell;                              /* as it was asked for; "" for the default */
    json_t *outputs; /* object of strings, masked copies are the sink's business: values hold no secret that
                        was known */
};

/* What a shell that is like a step needs; by the number of the step. Environments hold secrets: never written
 * down. */
struct job_shells {
    struct step_shell {
        char **env; /* owned; NULL: it ran no process */
        char *cwd;  /* owned */
    } * steps;      /* owned */
    size_t n;
};
void job_shells_release(struct job_shells *s);

struct job_result {
    struct job_shells shells;
    enum job_status status;
    int exit_code;         /* 0, or the first failing step's */
    json_t *outputs;       /* owned object of strings */
    char *environment_url; /* owned; masked; NULL: none */
};
void job_result_release(struct job_result *r);

/* An annotation made by a workflow command or by the runner itself. */
struct job_annotation {
    const char *level, *title, *file, *message;
    int line, col;
};

/* Where a step stands that is none of the job's own. */
enum step_place { STEP_SETUP, STEP_PRE, STEP_POST };

/* Events, in order, on the thread of job_run. step: index into job->steps, or what step_added gave. */
struct job_sink {
    void *data;
    size_t (*step_added)(void *data, enum step_place place, const char *name);
    void (*step_started)(void *data, size_t step, const char *name);
    /* stream: of enum log_stream (1 stdout, 2 stderr, 4 the runner's own lines); bytes are masked. <0: cannot
     * be kept */
    int (*output)(void *data, size_t step, int stream, const char *bytes, size_t len);
    void (*annotation)(void *data, size_t step, const struct job_annotation *a);
    void (*step_completed)(void *data, size_t step, const struct step_result *r);
};

/* Runs the steps of a job on a machine. Whatever goes wrong is in the result and in what the sink heard. */
void job_run(const struct job_spec *spec, struct machine *machine, struct mask *mask,
             const struct job_sink *sink, struct job_result *ret);

/* Appends the evaluated mapping to `into`, as strings. t may be NULL. */
int env_add(const struct token *t, const char *file, const struct expr_env *env, json_t *into,
            struct err *err);

#endif
