/* The inside of the reporter. Private to core/net. */
#ifndef RUNFS_REPORT_INTERNAL_H
#define RUNFS_REPORT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "runfs/reporter.h"
#include "runfs/run.h"
#include "runfs/words.h"

enum {
    LANES = 2,
};

/* Words that are said one after the other, by a thread. */
struct lane {
    struct reporter *reporter; /* borrowed */
    enum word_lane which;
    pthread_t thread;
    bool started;
    bool woken, setting_changed; /* under the reporter's lock, as the next */
    bool idle;                   /* nobody is to be told of anything, whatever runs do */
    int64_t not_before;          /* wall clock: a limit that the peer told; only the thread's */
};

struct reporter {
    struct store *store;  /* borrowed */
    pthread_mutex_t lock; /* guards what lanes are woken for */
    pthread_cond_t changed;
    atomic_bool ending;
    struct lane lanes[LANES];
};

/* What came of telling somebody something. */
enum verdict {
    TOLD,
    TOLD_MAYBE, /* sent, and no answer says what became of it: look for it, then again */
    LATER,      /* not this time */
    LIMITED,    /* the peer takes nothing before `until` */
    PARKED,     /* a setting has to change first */
    REFUSED     /* it will never be taken */
};

/* One word on its way. */
struct telling {
    struct lane *lane;
    const struct word_row *word;
    const struct run_row *run;
    int attempt;       /* what is wanted is of it */
    const char *state; /* queued | in_progress | the conclusion; in word->wanted */
    bool doubt;        /* something may have been sent of which no answer told */
    struct mask *mask; /* of all secrets; NULL until it is needed */
    struct buf url, token, link;
    struct buf remote;  /* how the peer calls it by now */
    struct buf problem; /* what is in the way */
    int64_t until;
};

/* How a kind of word is said. Only `say` must be there. */
struct word_kind {
    const char *name;
    /* Whether there is anything to do; false: what the peer has says it already. */
    bool (*news)(struct telling *t);
    /* Reads the settings that it needs. TOLD: they are there. */
    enum verdict (*ready)(struct telling *t);
    /* Looks for what was sent with doubt: *ret_found, and t->remote. TOLD: it was possible to look. */
    enum verdict (*look)(struct telling *t, bool *ret_found);
    enum verdict (*say)(struct telling *t);
    void (*settled)(struct telling *t, const char *problem); /* it is in the outbox; "" for none */
};
extern const struct word_kind word_status, word_check, word_comment, word_watch, word_alert;

/* Whether what came of it is in the outbox. */
bool word_tell(struct lane *lane, int64_t id);

/* ------------------------------------------------------------------------------------------- texts
 * (report_text.c)
 */

/* One line of plain text of at most max bytes: without control characters and marks that turn text around,
 * with secrets masked. */
void text_clean(struct telling *t, const char *text, size_t max, struct buf *ret);
/* The same of several lines: their ends stay, colours go. */
void text_lines(struct telling *t, const char *text, size_t len, struct buf *ret);
/* The run as a page (report_page.c). */
void text_page(struct telling *t, struct buf *ret);
void text_duration(int64_t ns, struct buf *ret);       /* "840 ms", "12.3 s", "4 min 5 s" */
void text_title(struct telling *t, struct buf *ret);   /* "CI (push)" */
void text_outcome(struct telling *t, struct buf *ret); /* "Run 7, attempt 2: failure after 3.1 s" */
void text_percent(struct buf *ret, const char *text);  /* as a part of a URL */

/* ----------------------------------------------------------------------------------------- REST
 * (github.c)
 */

/* One call; path: below the API's address. ret: what came, JSON or NULL; may be NULL. Not TOLD: t->problem.
 */
enum verdict github_call(struct telling *t, const char *method, const char *path, const json_t *body,
                         json_t **ret);
/* Of a call that was answered as if something had been made, without its number: it is looked for. */
enum verdict github_no_number(struct telling *t);
/* Looks through a list, page by page, for one that is_it: *ret_found. The list is the answer, or an array in
 * it. path: with a query, or without. */
typedef bool github_is_it(struct telling *t, const json_t *one, void *data);
enum verdict github_find(struct telling *t, const char *path, github_is_it *is_it, void *data,
                         bool *ret_found);
/* Reads the settings that a call needs. TOLD: they are there. */
enum verdict github_ready(struct telling *t);

#endif
