/*
 * Problem matchers: patterns that find errors and warnings in what a step prints (GitHub: actions/toolkit,
 * "Problem Matchers"; the state machine is the runner's). One set a job, on its thread.
 */
#ifndef RUNFS_JOB_MATCHER_H
#define RUNFS_JOB_MATCHER_H

#include "runfs/buf.h"
#include "runfs/err.h"

struct matchers;

struct matchers *matchers_new(void); /* NULL: no memory */
void matchers_free(struct matchers *ms);
bool matchers_any(const struct matchers *ms);

/*
 * Adds those of a file's text, each in the place of one with the same owner; a file that names none adds
 * none. -EINVAL: nothing was added; mostly with the sentence of GitHub's runner.
 */
int matchers_add(struct matchers *ms, const char *text, size_t len, struct err *err);
void matchers_remove(struct matchers *ms, const char *owner);
/* Removes all whose owners a file's text names. */
int matchers_remove_all(struct matchers *ms, const char *text, size_t len, struct err *err);

struct problem {
    const char *level;              /* error | warning | notice */
    struct buf file, code, message; /* "" where the pattern tells none */
    struct buf plain;               /* the line without its colours, as GitHub's log shows it */
    int line, col;                  /* 0: none */
};
void problem_release(struct problem *p);
#define _problem_ _cleanup_(problem_release)

/* Whether a line (without its newline) completes a problem, which is then in ret. */
bool matchers_match(struct matchers *ms, const char *line, size_t len, struct problem *ret);

/* Whether some took so long that they were taken away since this was asked last; their owners, with commas.
 */
bool matchers_dropped(struct matchers *ms, struct buf *ret);

#endif
