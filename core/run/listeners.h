/* Which registered workflows start by themselves. Private to core/run. */
#ifndef RUNFS_RUN_LISTENERS_H
#define RUNFS_RUN_LISTENERS_H

#include "runfs/cron.h"
#include "runfs/store.h"

struct schedule {
    int64_t workflow_id, repo_id;
    char *workflow, *cron, *zone_name; /* owned; "ci.yml" or "REPO/ci.yml", and as the workflow has them */
    struct cron pattern;
    struct cron_zone *zone; /* owned; NULL: there is none of that name */
    struct cron_clock clock;
};

struct listeners {
    struct schedule *schedules; /* owned */
    size_t n_schedules;
    struct reading *readings; /* owned: what was read, so that it is read again only when it changed */
    size_t n_readings;
    bool workflow_run; /* somebody waits for runs */
};

/* Reads all of it. Schedules that were in `before` go on with their clocks. 0 or -ENOMEM. */
int listeners_read(struct store *st, const struct listeners *before, struct listeners *ret);
void listeners_release(struct listeners *l);

#endif
