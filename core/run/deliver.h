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

/* What the repository at path is to be called once it is linked: as its origin says, where no other is called
 * so, else "local/LINK"; appended. (repository.c) */
int repository_name(struct engine *e, const char *link, const char *path, struct buf *ret, struct err *err);
/* It is called by its link. */
bool repository_is_local(const struct repo_row *repo);
/* Names those that were linked before they had names. */
void repositories_name(struct engine *e);
/* Whether a linked repository is the one that a payload says: by its name, or by its link's where it has no
 * origin and nobody is called so. */
bool repository_is(struct engine *e, const struct repo_row *repo, const char *said);

#endif
