/*
 * What starts without anybody asking: schedules when they are due, workflow_run when a run changes, and
 * linked repositories whose workflow files change. One thread, woken by the clock, by the store and by
 * inotify; it decides and delivers, the rest is told it.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "deliver.h"
#include "follow.h"
#include "listeners.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "workflow_run.h"

enum { SETTLE_MS = 50, RESCAN_MS = 100, REPOS_AT_ONCE = 64, NS = 1000000000 };

struct news {
    int64_t run_id;
    bool created;
};

struct triggers {
    struct engine *e;
    pthread_t thread;
    int wake, timer;       /* eventfd; timerfd */
    struct follow *follow; /* owned; the thread's own. NULL: not here */
    struct told told;      /* the thread's own */
    int64_t since;         /* when it began to listen */
    int64_t scanned_at;    /* monotonic; the thread's own */
    pthread_mutex_t lock;  /* guards all below */
    bool stopping, stale, repos_stale;
    bool scanning;     /* who listens is being found out: news are kept meanwhile */
    struct news *news; /* owned: changes of runs, oldest first */
    size_t n_news, cap_news;
    struct listeners listeners; /* owned; only the thread changes them */
};

static void wake(struct triggers *t)
{
    uint64_t one = 1;

    (void)write_all(t->wake, &one, sizeof(one));
}

/* -------------------------------------------------------------------------------------------- from the store
 */

static void add_news(struct triggers *t, const struct change *c)
{
    if (t->n_news && t->news[t->n_news - 1].run_id == c->id)
        return; /* the row says all of it */
    if (t->n_news == t->cap_news) {
        size_t cap = t->cap_news ? t->cap_news * 2 : 64;
        struct news *more = reallocarray(t->news, cap, sizeof(*more));
        if (!more) {
            log_error("triggers", "run %lld: no memory to tell of it", (long long)c->id);
            return;
        }
        t->news = more;
        t->cap_news = cap;
    }
    t->news[t->n_news++] = (struct news){c->id, c->created};
}

/* One that is to look at the workflows soon does so by itself, and then at all runs that changed. */
static void on_changed(void *data, const struct change *changes, size_t n)
{
    struct triggers *t = data;
    bool due = false;

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        const struct change *c = &changes[i];
        bool of_workflows = c->kind == CHANGE_WORKFLOW || c->kind == CHANGE_REPO;
        due |= of_workflows && !t->stale;
        t->stale |= of_workflows;
        due |= c->kind == CHANGE_REPO;
        t->repos_stale |= c->kind == CHANGE_REPO;
        if (c->kind == CHANGE_RUN && !c->deleted && (t->listeners.workflow_run || t->stale || t->scanning)) {
            add_news(t, c);
            due |= t->listeners.workflow_run;
        }
    }
    pthread_mutex_unlock(&t->lock);
    if (due)
        wake(t);
}

/* --------------------------------------------------------------------------------------------- listeners */

/* Read without the lock, for only this thread changes them, and exchanged with it. */
static void rescan(struct triggers *t)
{
    struct listeners new, old;

    if (listeners_read(t->e->store, &t->listeners, &new) < 0) {
        log_error("triggers", "no memory for the schedules: those of before go on");
        return;
    }
    pthread_mutex_lock(&t->lock);
    old = t->listeners;
    t->listeners = new;
    t->scanning = false;
    if (new.workflow_run && t->since == 0)
        t->since = now_ns();
    pthread_mutex_unlock(&t->lock);
    listeners_release(&old);
}

/* --------------------------------------------------------------------------------------- linked repositories
 */

static void follow_repos(struct triggers *t)
{
    struct store *st = t->e->store;
    int64_t ids[64], after = 0;
    ssize_t n;

    while (t->follow && (n = store_list_repos(st, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct repo_row *row = store_get_repo(st, ids[i]);
            if (row)
                follow_repo(t->follow, row->id, row->path);
            repo_row_unref(row);
        }
        after = ids[n - 1];
    }
}

static void refresh_changed(struct triggers *t)
{
    int64_t ids[REPOS_AT_ONCE];
    int n = t->follow ? follow_read(t->follow, ids, REPOS_AT_ONCE) : 0;

    for (int i = 0; i < n; i++) {
        const struct repo_row *row = store_get_repo(t->e->store, ids[i]);
        if (row) {
            follow_repo(t->follow, row->id, row->path); /* directories may be new */
            (void)engine_refresh_repo(t->e, row->id, NULL);
        } else {
            follow_forget(t->follow, ids[i]);
        }
        repo_row_unref(row);
    }
}

/* ------------------------------------------------------------------------------------------------ schedules
 */

static void fire(struct triggers *t, const struct schedule *s)
{
    _json_ json_t *payload = json_pack("{s:s}", "schedule", s->cron);
    _buf_ struct buf report = BUF_INIT;
    struct delivery d = {
        .event = "schedule", .payload = payload, .to_repo = s->repo_id, .to_workflow = s->workflow_id};

    if (!payload || deliver(t->e, &d, &report) == 0)
        log_warning("triggers", "%s: '%s' is due, but: %s", s->workflow, s->cron,
                    report.len ? buf_str(&report) : "the workflow is gone");
    if (buf_ok(&report) && report.len)
        (void)store_put_delivery(t->e->store, "schedule", buf_str(&report), NULL);
}

static void tick(struct triggers *t)
{
    int64_t now = now_ns() / NS;

    for (size_t i = 0; i < t->listeners.n_schedules; i++) {
        struct schedule *s = &t->listeners.schedules[i];
        bool missed = false, due = false;
        pthread_mutex_lock(&t->lock);
        if (s->zone)
            due = cron_clock_tick(&s->clock, &s->pattern, s->zone, now, &missed);
        pthread_mutex_unlock(&t->lock);
        if (missed)
            log_info("triggers", "%s: '%s': the clock jumped over a firing, which is not caught up",
                     s->workflow, s->cron);
        if (due)
            fire(t, s);
    }
}

/* The timer also expires when somebody sets the clock, so that all is computed anew. */
static void set_timer(struct triggers *t)
{
    struct itimerspec at = {0};
    int64_t next = 0;

    for (size_t i = 0; i < t->listeners.n_schedules; i++) {
        int64_t due = t->listeners.schedules[i].clock.due;
        if (due && (!next || due < next))
            next = due;
    }
    at.it_value.tv_sec = next;
    if (timerfd_settime(t->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL) < 0 &&
        errno != ECANCELED)
        log_error("triggers", "cannot set the clock for schedules: %s", strerrordesc_np(errno));
}

void triggers_each_schedule(struct triggers *t, schedule_fn *fn, void *data)
{
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->listeners.n_schedules; i++) {
        const struct schedule *s = &t->listeners.schedules[i];
        _buf_ struct buf why = BUF_INIT;
        if (!s->zone)
            buf_addf(&why, "there is no time zone '%s'", s->zone_name);
        struct schedule_status status = {.workflow = s->workflow,
                                         .cron = s->cron,
                                         .zone = s->zone_name,
                                         .next = s->clock.due * NS,
                                         .why = buf_str(&why)};
        fn(data, &status);
    }
    pthread_mutex_unlock(&t->lock);
}

/* --------------------------------------------------------------------------------------------- workflow_run
 */

static void tell(struct triggers *t, const struct run_row *row, const char *action)
{
    _json_ json_t *payload = workflow_run_payload(t->e->store, row, action);
    const char *colon = strchr(row->workflow_name, ':');
    _buf_ struct buf report = BUF_INIT;
    int64_t to = colon ? row->repo_id : 0;

    if (!payload)
        return;
    deliver(t->e,
            &(struct delivery){.event = "workflow_run", .payload = payload, .to_repo = to, .listeners = true},
            &report);
    if (buf_ok(&report) && report.len)
        (void)store_put_delivery(t->e->store, "workflow_run", buf_str(&report), NULL);
}

static void tell_of(struct triggers *t, const struct news *news)
{
    const struct run_row *row = store_get_run(t->e->store, news->run_id);
    unsigned actions = row ? told_news(&t->told, row, news->created, t->since) : 0;

    if (actions && workflow_run_level(t->e->store, row) >= WORKFLOW_RUN_LEVELS) {
        if (actions & RUN_COMPLETED)
            log_info("triggers", "run %lld: starts no workflow_run: it is the %drd in a chain",
                     (long long)row->id, WORKFLOW_RUN_LEVELS);
        actions = 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(run_action_names); i++)
        if (actions & 1u << i)
            tell(t, row, run_action_names[i]);
    run_row_unref(row);
}

static void take_news(struct triggers *t)
{
    pthread_mutex_lock(&t->lock);
    if (t->stale && !t->listeners.workflow_run) { /* who knows: somebody may listen by now */
        pthread_mutex_unlock(&t->lock);
        return;
    }
    struct news *news = TAKE(t->news);
    size_t n = t->n_news;
    bool listening = t->listeners.workflow_run;
    t->n_news = t->cap_news = 0;
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < n && listening; i++)
        tell_of(t, &news[i]);
    free(news);
}

/* ------------------------------------------------------------------------------------------------ the thread
 */

/* Waits for something to do; false at the end. */
static bool wait_for_work(struct triggers *t)
{
    struct pollfd fds[] = {{.fd = t->wake, .events = POLLIN},
                           {.fd = t->timer, .events = POLLIN},
                           {.fd = t->follow ? follow_fd(t->follow) : -1, .events = POLLIN}};
    uint64_t count;

    pthread_mutex_lock(&t->lock);
    int timeout = t->stale ? RESCAN_MS : -1;
    pthread_mutex_unlock(&t->lock);
    while (poll(fds, ARRAY_LEN(fds), timeout) < 0 && errno == EINTR)
        ;
    if (fds[0].revents)
        (void)!read(t->wake, &count, sizeof(count));
    if (fds[1].revents)
        (void)!read(t->timer, &count, sizeof(count));
    if (fds[2].revents) /* who writes one file often writes more: a checkout does */
        (void)poll(fds, 1, SETTLE_MS);
    pthread_mutex_lock(&t->lock);
    bool stopping = t->stopping;
    pthread_mutex_unlock(&t->lock);
    return !stopping;
}

/* Each run changes a row of its workflow, too: many at once are looked at together. */
static void look_at_workflows(struct triggers *t)
{
    bool soon = t->scanned_at && mono_ns() - t->scanned_at < RESCAN_MS * 1000000LL;

    pthread_mutex_lock(&t->lock);
    bool stale = t->stale && !soon, repos_stale = t->repos_stale;
    t->stale = t->stale && soon;
    t->scanning = stale;
    t->repos_stale = false;
    pthread_mutex_unlock(&t->lock);
    if (repos_stale)
        follow_repos(t);
    if (!stale)
        return;
    rescan(t);
    t->scanned_at = mono_ns();
}

static void *run_triggers(void *data)
{
    struct triggers *t = data;

    do {
        refresh_changed(t);
        look_at_workflows(t);
        take_news(t);
        tick(t);
        set_timer(t);
    } while (wait_for_work(t));
    return NULL;
}

static void triggers_release(struct triggers *t)
{
    if (t->wake >= 0)
        close(t->wake);
    if (t->timer >= 0)
        close(t->timer);
    follow_free(t->follow);
    listeners_release(&t->listeners);
    free(t->news);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int triggers_new(struct engine *e, struct triggers **ret, struct err *err)
{
    struct triggers *t = calloc(1, sizeof(*t));
    int r = 0;

    if (!t)
        return err_errno(err, -ENOMEM, "cannot start the engine");
    pthread_mutex_init(&t->lock, NULL);
    t->e = e;
    t->stale = t->repos_stale = true;
    t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    t->follow = follow_new();
    if (t->wake < 0 || t->timer < 0)
        r = -errno;
    else if (store_subscribe(e->store, on_changed, t) < 0)
        r = -ENOSPC;
    else if ((r = -pthread_create(&t->thread, NULL, run_triggers, t)) < 0)
        store_unsubscribe(e->store, on_changed, t);
    if (r < 0) {
        triggers_release(t);
        return err_errno(err, r, "schedules cannot be watched");
    }
    *ret = t;
    return 0;
}

void triggers_free(struct triggers *t)
{
    if (!t)
        return;
    store_unsubscribe(t->e->store, on_changed, t);
    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_mutex_unlock(&t->lock);
    wake(t);
    pthread_join(t->thread, NULL);
    triggers_release(t);
}
