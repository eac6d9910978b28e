/*
 * The engine's end of a job that runs elsewhere: starts the worker (runfs/worker.h), and is to the job's sink
 * and outside what job_run() is.
 */
#ifndef RUNFS_ATTEND_H
#define RUNFS_ATTEND_H

#include "runfs/job.h"

enum attend_word {
    ATTEND_UNKNOWN,
    ATTEND_STOPPED, /* it is there, but nothing can be heard of it: that is no silence */
    ATTEND_GONE     /* it is not, whatever its command waits for */
};

/* How a worker is started, and what for. All borrowed. */
struct attend {
    const char *command; /* for /bin/sh: its standard input and output are the worker's */
    const struct job_spec *spec;
    bool containers;  /* its job is in one, or has services: not every worker has those */
    const char *text; /* of the workflow */
    size_t len;
    struct mask *mask;
    const struct job_sink *sink;
    int wake;      /* eventfd: to be added to once the spec's cancelled or killed are set */
    int silence_s; /* for so long each may hear nothing of the other */
    /* Who else knows of the worker; may be NULL. Asked all the time until it greets, and when little is heard
     * of it. */
    enum attend_word (*look)(void *data);
    void (*begins)(void *data); /* it has greeted; likewise */
    void *data;
};

/* What is known of the worker. */
struct attended {
    bool begun;    /* the job has: something was heard of it */
    bool lost;     /* the worker ended, or fell silent, before the job did */
    bool said;     /* its command has said something on standard error */
    char host[64]; /* where it is, as it says; "" until it does: it was not given the job */
};

/*
 * Starts the worker, gives it the job, and hands what it tells to the sink and the spec's outside, until the
 * job has ended. As job_run() does, on the job's thread. -ECANCELED: it was cancelled before it began, or
 * lost after that. Any other -errno, with words: it never began, or (lost) its end is not known.
 */
int worker_attend(const struct attend *what, struct job_result *ret, struct attended *ret_known,
                  struct err *err);

#endif
