/* Delivering events to registered workflows. Private to core/run. */
#ifndef RUNFS_RUN_DELIVER_H
#define RUNFS_RUN_DELIVER_H

#include "engine_internal.h"

enum { DELIVER_TO_ALL = -1 };

/* One event, and who hears it. Borrowed. */
struct delivery {
    const char *event;
    json_t *payload;     /* NULL: made for each repository */
    int64_t to_repo;     /* the workflows of this one, 0 the dropped ones; DELIVER_TO_ALL */
    int64_t to_workflow; /* 0: all of these */
    int64_t hook_id;     /* the webhook's delivery that it came by; 0: none */
    struct buf *runs;    /* numbers of what was started are appended, with blanks between; NULL */
    bool listeners;      /* only those whose `on` has the event; the others are not mentioned */
};

/*
 * Starts what is to be started. report: one line a workflow, "ci.yml: run 12: push: branch main" or
 * "docs.yml: not started: ...". Returns how many runs were started.
 */
int deliver(struct engine *e, const struct delivery *d, struct buf *report);

/* What a linked repository is called by its origin, "" without one; in the arena, or static. */
const char *repository_name(struct engine *e, const struct repo_row *repo, struct arena *a);
/* Whether a linked repository, of that name, is the one that a payload is of. */
bool repository_is(const struct repo_row *repo, const char *full_name, const char *said);

#endif
