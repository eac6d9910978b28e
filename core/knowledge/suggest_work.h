/*
 * Suggestions about the jobs and steps of a workflow: what could go side by side (suggest_beside.c), and what
 * could be left out (suggest_skip.c). Both are guesses about what cannot be seen, so they are made only where
 * all that can be seen says so. Private to core/knowledge.
 */
#ifndef RUNFS_SUGGEST_WORK_H
#define RUNFS_SUGGEST_WORK_H

#include "knowledge_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

enum {
    PLACE_BITS = 11, /* ids have a job and another one, or a job and a step */
    WORTH_MS = 1000, /* what gains less is not said */
};

/* What it is about: borrowed from the workflow. */
struct work {
    const struct workflow_row *row; /* owned */
    struct workflow *workflow;      /* owned */
};
int work_read(struct store *st, int64_t workflow_id, struct work *ret); /* -ENOENT: it is not, or too large */
void work_release(struct work *w);

/* The numbers of two jobs, or of a job and a step, in one. */
int64_t place_of(size_t job, size_t other);
size_t first_of(int64_t place);
size_t second_of(int64_t place);

/* A job as it was written; NULL: it was not. */
const struct token *work_job(const struct work *w, const struct workflow_job *job);
/* Whether a text or an expression in it has that word. NULL: no. */
bool work_says(const struct token *t, const char *word);
int64_t work_median(int64_t *ms, size_t n);                                   /* which are sorted; n > 0 */
void work_add_place(struct store *st, const struct work *w, struct buf *ret); /* "workflow: ...", a line */

/* Those that there are for a workflow. */
void offer_parallel(struct store *st, const struct work *w, work_offer_fn *fn, void *data);
void offer_beside(struct store *st, const struct work *w, work_offer_fn *fn, void *data);
void offer_skip(struct store *st, const struct work *w, work_offer_fn *fn, void *data);

#endif
