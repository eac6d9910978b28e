/*
 * A job elsewhere: what an engine and a worker tell each other, and both of their ends. Private to
 * core/worker.
 *
 *   wire.c          lines of JSON, over two descriptors
 *   worker_spec.c   a job's spec as such a line
 *   worker_serve.c  the worker: takes a spec, runs the job, hears what it is told meanwhile
 *   worker_events.c   its sink: events become lines
 *   worker_containers.c  where the containers of its job come to be
 *   worker_asks.c     its outside: questions become lines, and wait for their answers
 *   attend.c        the engine: starts a worker, gives it the job, hears it to its end
 *   attend_events.c   hands its events to the job's own sink
 *   attend_answer.c   answers what it asks from the job's own outside
 */
#ifndef RUNFS_WORKER_WORKER_H
#define RUNFS_WORKER_WORKER_H

#include "runfs/attend.h"
#include "runfs/job.h"
#include "runfs/worker.h"
#include "wire.h"

/* What a worker was told to run. */
struct worker_spec {
    json_t *line;              /* owned; what is borrowed below points into it */
    char *file;                /* owned */
    struct workflow *workflow; /* owned */
    const struct workflow_job *job;
    json_t *contexts, *env; /* borrowed */
    bool debug;
    bool attached; /* who started it is there as long as its end of the wire is open, and says so */
    int silence_s; /* for so long each may hear nothing of the other */
};
/* text: the workflow's source. New; NULL without memory. */
json_t *worker_spec_make(const struct job_spec *spec, const char *text, size_t len, int silence_s);
/* Checks it as what anybody may have written; takes line. -EINVAL with words. */
int worker_spec_take(json_t *line, struct worker_spec *ret, struct err *err);
void worker_spec_release(struct worker_spec *s);

/* ----------------------------------------------------------------------------------------- the worker's end
 */

struct ask;

struct worker {
    struct wire wire;
    struct worker_spec spec;
    struct mask *mask;              /* owned */
    const struct worker_opts *opts; /* borrowed */
    const char *dir;
    int interrupts;
    unsigned wishes; /* that the job ends */
    size_t n_steps;  /* whose numbers are given */
    atomic_bool cancelled, killed;
    atomic_bool alone; /* who started it is gone, which was said */
    atomic_int unkept; /* negative errno: what is printed cannot be kept any more */

    pthread_mutex_t lock;       /* of what follows */
    pthread_cond_t changed;     /* an ask has its answer, or no more will come */
    struct ask *asks;           /* that wait */
    bool deaf;                  /* nothing more will be heard */
    int64_t last_ask;           /* the number of the last one */
    struct machine *machine;    /* while the job runs in it; borrowed */
    struct machine *beside[24]; /* those of Docker actions that run, and of services that begin; likewise */
    int ended;                  /* eventfd: the job has */
    pthread_t hearing, living;  /* the threads that read, and that tell that it is alive */
    bool has_hearing, has_living;
};
struct job_sink worker_events(struct worker *w);
struct job_outside worker_outside(struct worker *w);
/* Where its containers come to be. */
struct container_site worker_containers(struct worker *w);
/* A line for an ask. Taken. With the lock held. */
void worker_answered(struct worker *w, json_t *line);
void worker_data(struct worker *w, const json_t *line);
/* The job's end, as its last line. */
int worker_tell_end(struct worker *w, const struct job_result *result);

/* ----------------------------------------------------------------------------------------- the engine's end
 */

struct upload_file; /* what a worker sends along with a question */

/* What the worker has told of a step. */
struct told_step {
    size_t number; /* the sink's */
    bool started, completed;
};

/* A worker that is heard. Its job's thread has it all; another one, `telling`, only writes to the wire. */
struct attending {
    const struct attend *what;
    struct attended *known;
    struct wire wire;
    pid_t pid;
    int errors;              /* the command's standard error; -1 at its end */
    size_t n_own, n_steps;   /* steps of the job's own, and with those that were added */
    struct told_step *steps; /* owned */
    bool unkept;             /* the worker knows that its log cannot be kept */
    struct upload_file *files;
    json_t *listed;  /* owned object: artifacts that the worker was told of, by their numbers */
    struct buf said; /* on standard error, and before it greeted: the end of it */
    size_t prelude;  /* how much of that it said before */
    bool done;
    struct job_result *result;
    pthread_t telling;
    int ended; /* eventfd */
    bool has_telling;
};
/* attend_events.c: one line of that type. 0, -EPROTO: no worker writes such a line, or another -errno. */
int attend_added(struct attending *at, const json_t *line, struct err *err);
int attend_started(struct attending *at, const json_t *line, struct err *err);
int attend_output(struct attending *at, const json_t *line, struct err *err);
int attend_annotation(struct attending *at, const json_t *line, struct err *err);
int attend_completed(struct attending *at, const json_t *line, struct err *err);
int attend_end(struct attending *at, const json_t *line, struct err *err);
/* A step that can be told of from now on; number: the sink's. 0 or -ENOMEM. */
int attend_add_step(struct attending *at, size_t number);
int attend_wrong(const char *what, struct err *err); /* -EPROTO, with words */

/* attend_answer.c: a `data` and an `ask` line. -EPROTO, or -errno of the wire. */
int attend_data(struct attending *at, const json_t *line, struct err *err);
int attend_ask(struct attending *at, const json_t *line, struct err *err);
void attend_release_files(struct attending *at);

#endif
