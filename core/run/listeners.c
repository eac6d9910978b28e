/* Which registered workflows start by themselves: their schedules, and whether any waits for runs. */
#include "listeners.h"

#include "runfs/log.h"
#include "runfs/str.h"
#include "runfs/workflow.h"

/* A workflow as it was read last. */
struct reading {
    int64_t id, changed_at;
    bool listens; /* to workflow_run */
};

static void schedule_release(struct schedule *s)
{
    free(s->workflow);
    free(s->cron);
    free(s->zone_name);
    cron_zone_free(s->zone);
}

/* What a new reading of all workflows comes to. */
struct scan {
    struct store *st;
    const struct listeners *before;
    struct listeners *now;
    bool failed;
};

static bool grow(void *list, size_t n, size_t size)
{
    void *more = (n & (n - 1)) == 0 ? reallocarray(*(void **)list, n ? n * 2 : 1, size) : *(void **)list;

    if (more)
        *(void **)list = more;
    return more;
}

static bool same_schedule(const struct schedule *s, int64_t workflow_id, const char *cron, const char *zone)
{
    return s->workflow_id == workflow_id && str_eq(s->cron, cron) && str_eq(s->zone_name, zone);
}

/* One that is not new goes on with its clock. */
static void add_schedule(struct scan *scan, const struct workflow_row *row, const char *label,
                         const char *cron, const char *zone)
{
    struct schedule s = {.workflow_id = row->id,
                         .repo_id = row->repo_id,
                         .workflow = strdup(label),
                         .cron = strdup(cron),
                         .zone_name = strdup(zone)};
    const struct listeners *before = scan->before;

    if (!s.workflow || !s.cron || !s.zone_name ||
        !grow(&scan->now->schedules, scan->now->n_schedules, sizeof(s))) {
        schedule_release(&s);
        scan->failed = true;
        return;
    }
    (void)cron_parse(cron, &s.pattern);
    if (cron_zone_new(zone, &s.zone) < 0)
        log_warning("triggers", "%s: '%s' never fires: there is no time zone '%s'", label, cron, zone);
    for (size_t i = 0; i < before->n_schedules; i++)
        if (same_schedule(&before->schedules[i], row->id, cron, zone))
            s.clock = before->schedules[i].clock;
    scan->now->schedules[scan->now->n_schedules++] = s;
}

static const struct reading *read_before(const struct listeners *before, int64_t id)
{
    for (size_t i = 0; i < before->n_readings; i++)
        if (before->readings[i].id == id)
            return &before->readings[i];
    return NULL;
}

static void keep_schedules(struct scan *scan, const struct workflow_row *row, const char *label)
{
    const struct listeners *before = scan->before;

    for (size_t i = 0; i < before->n_schedules; i++)
        if (before->schedules[i].workflow_id == row->id)
            add_schedule(scan, row, label, before->schedules[i].cron, before->schedules[i].zone_name);
}

static void read_schedules(struct scan *scan, const struct workflow *w, const struct workflow_row *row,
                           const char *label)
{
    const struct workflow_event *on = workflow_event(w, "schedule");

    for (size_t i = 0; on && on->crons && on->crons[i]; i++)
        add_schedule(scan, row, label, on->crons[i], on->timezones[i]);
}

/* Parses it only if it changed. */
static void scan_workflow(struct scan *scan, const struct workflow_row *row, const char *label)
{
    const struct reading *old = read_before(scan->before, row->id);
    struct reading new = {.id = row->id, .changed_at = row->changed_at};
    const struct workflow_opts opts = {.forge = (enum forge)row->forge};
    _lint_ struct lint lint = {0};
    struct workflow *w = NULL;

    if (old && old->changed_at == row->changed_at) {
        new.listens = old->listens;
        keep_schedules(scan, row, label);
    } else if (workflow_parse(row->name, row->source, row->source_len, &opts, &w, &lint) == 0) {
        new.listens = workflow_event(w, "workflow_run");
        read_schedules(scan, w, row, label);
    }
    scan->now->workflow_run |= new.listens;
    if (grow(&scan->now->readings, scan->now->n_readings, sizeof(new)))
        scan->now->readings[scan->now->n_readings++] = new;
    else
        scan->failed = true;
    workflow_free(w);
}

static void scan_repo(struct scan *scan, int64_t repo_id, const char *prefix)
{
    struct store *st = scan->st;
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_workflows(st, repo_id, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct workflow_row *row = store_get_workflow(st, ids[i]);
            _buf_ struct buf label = BUF_INIT;
            buf_addf(&label, "%s%s", prefix, row ? row->name : "");
            if (row)
                scan_workflow(scan, row, buf_str(&label));
            workflow_row_unref(row);
        }
        after = ids[n - 1];
    }
}

static void scan_repos(struct scan *scan)
{
    struct store *st = scan->st;
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_repos(st, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct repo_row *row = store_get_repo(st, ids[i]);
            _buf_ struct buf prefix = BUF_INIT;
            buf_addf(&prefix, "%s/", row ? row->name : "");
            if (row)
                scan_repo(scan, row->id, buf_str(&prefix));
            repo_row_unref(row);
        }
        after = ids[n - 1];
    }
}

int listeners_read(struct store *st, const struct listeners *before, struct listeners *ret)
{
    struct listeners now = {0};
    struct scan scan = {.st = st, .before = before, .now = &now};

    scan_repo(&scan, 0, "");
    scan_repos(&scan);
    if (scan.failed) {
        listeners_release(&now);
        return -ENOMEM;
    }
    *ret = now;
    return 0;
}

void listeners_release(struct listeners *l)
{
    for (size_t i = 0; i < l->n_schedules; i++)
        schedule_release(&l->schedules[i]);
    free(l->schedules);
    free(l->readings);
    *l = (struct listeners){0};
}
