/*
 * Words: what others are told of runs, in the store so that the end of a daemon loses none. Each row is
 * something that somebody else has, or is to have: a commit status, a check run, a comment. It is made in the
 * same commit as its run, and knows what was said last; that is compared with what the run has come to, so a
 * word is never queued twice, and one that is late says only what is so by then.
 */
#ifndef RUNFS_WORDS_H
#define RUNFS_WORDS_H

#include "runfs/store.h"

struct word_row {
    int64_t id, run_id;
    int attempt;      /* 0: it follows the run over all its attempts */
    int64_t hook_id;  /* the webhook's delivery that the run came of; 0: none */
    const char *kind; /* status | check | comment; watch: alerts look at its end; alert: one that it raised */
    const char *target; /* "owner/name"; the name of an alert */
    const char *sha;
    int64_t number;     /* of the pull request; 0: none */
    const char *mark;   /* random: what the peer's copy is known again by */
    const char *text;   /* what is said, where it does not follow from the run */
    const char *said;   /* what the run had come to when it was said last; "" before */
    const char *remote; /* how the peer calls it; "" before */
    bool doubt;         /* something was sent, and nobody knows whether it came there */
    bool settled;
    int tries;           /* that came to nothing since it was said last */
    int64_t next_at;     /* not before; WORD_PARKED: not before a setting changes */
    const char *problem; /* why it is late, or (settled) never comes; "" */
    int64_t changed_at;
    const char *wanted; /* what the run has come to: "1 queued", "1 in_progress", "2 success"; read-only */
};
#define WORD_PARKED INT64_MAX

/* Whose work a word is: what is said of each run, and alerts, do not wait for one another. */
enum word_lane { WORDS_OF_RUNS, WORDS_OF_ALERTS };

const struct word_row *store_get_word(struct store *st, int64_t id); /* NULL: none */
void word_row_unref(const struct word_row *r);
/* Adds one, unless it is there. In the group that makes its run. mark, said and what follows are its own. */
int store_add_word(struct store *st, const struct word_row *row, struct err *err);
/* Writes said, remote, doubt, tries, next_at and problem; it is settled when what was said is so. */
int store_put_word(struct store *st, const struct word_row *row, struct err *err);

/* Whether the run before it, of its workflow and ref, that succeeded or failed, failed. */
bool store_failed_before(struct store *st, const struct run_row *run);

/* Those that are to be said and may be now, the longest waiting first. */
ssize_t store_list_due_words(struct store *st, enum word_lane lane, int64_t now, int64_t *ids, size_t max);
/* When the next of them may be; 0: there is none (or a setting has to change first). */
int64_t store_next_word_at(struct store *st, enum word_lane lane);
int64_t store_count_words(struct store *st, enum word_lane lane); /* that are to be said */
bool store_has_words(struct store *st);                           /* any, of any lane, said or not */
ssize_t store_list_hook_words(struct store *st, int64_t hook_id, int64_t after, int64_t *ids, size_t max);
/* None of the lane before that time. */
int store_delay_words(struct store *st, enum word_lane lane, int64_t until, struct err *err);
/* A setting has changed: parked ones of the lane are tried again. */
int store_unpark_words(struct store *st, enum word_lane lane, struct err *err);

#endif
