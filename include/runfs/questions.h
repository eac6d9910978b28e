/*
 * What a language model is to be asked, in the store so that the end of a daemon loses none: texts that were
 * dropped, and failed runs of what came of them. One waits for each page at most: a text takes the place of
 * what waits for its page, and a run does not.
 */
#ifndef RUNFS_QUESTIONS_H
#define RUNFS_QUESTIONS_H

#include "runfs/store.h"

struct question_row {
    int64_t id;
    int64_t run_id;   /* the run that failed; 0: it is a text */
    const char *page; /* "build.txt" */
    const char *text; /* "" for a run: what is said of it is found out when it is asked */
};

/* The first that waits behind `after`; NULL: none. */
const struct question_row *store_next_question(struct store *st, int64_t after);
void question_row_unref(const struct question_row *r);
bool store_question_waits(struct store *st, int64_t id);
/* text NULL: a run. -EBUSY: so many wait already; -EEXIST: this run was asked about before, or something else
 * waits for its page. */
int store_ask(struct store *st, const char *page, const char *text, int64_t run_id, int64_t max,
              struct err *err);
/* It was answered, or never will be. */
int store_end_question(struct store *st, int64_t id, struct err *err);

#endif
