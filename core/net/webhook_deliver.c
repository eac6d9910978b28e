/* What webhooks brought goes to the engine: of one repository one after the other, in the order in which it
 * came; those of others do not wait for a git server that takes its time. The rows are the queue, so what was
 * accepted is not lost when the daemon ends. */
#include "runfs/event.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "server_internal.h"

static bool put(struct server *s, const struct hook_row *old, const char *state, const char *verdict,
                const char *runs)
{
    struct hook_row row = *old;
    struct err err = {0};

    row.state = state;
    row.verdict = verdict;
    row.runs = runs;
    row.changed_at = now_ns();
    if (store_put_hook(s->store, &row, &err) == 0)
        return true;
    log_error("webhook", "%lld: cannot be written: %s", (long long)old->id, err.msg);
    return false;
}

static bool is_ending(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    bool ending = s->ending;
    pthread_mutex_unlock(&s->lock);
    return ending;
}

/* ------------------------------------------------------------------------------------------------- lanes */

enum { LANES = 8 };

/* A repository of which deliveries wait in a lane. */
struct group {
    struct group *next;
    char *repository; /* owned; "" for none */
    size_t n;
};

struct waiting {
    struct waiting *next;
    int64_t id;
    char *repository; /* owned: that its payload names, "" for none; NULL once it is in a group */
    struct group *group;
    bool begun; /* as its row says */
};

/* Its thread delivers what waits in it. */
struct lane {
    struct server *server;
    pthread_t thread;
    bool started;
    pthread_cond_t woken;
    struct waiting *first, **end; /* the first is being delivered */
    size_t n;
    struct group *groups;
};

static void waiting_free(struct waiting *w)
{
    if (w)
        free(w->repository);
    free(w);
}

static bool is_over(const struct hook_row *row)
{
    return str_eq(row->state, "done") || str_eq(row->state, "interrupted");
}

static void drop_first(struct lane *lane)
{
    struct waiting *w = lane->first;
    struct group **at = &lane->groups, *group = w->group;

    lane->first = w->next;
    if (!lane->first)
        lane->end = &lane->first;
    lane->n--;
    waiting_free(w);
    if (--group->n)
        return;
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    free(group->repository);
    free(group);
}

/* It is being delivered from now on. One that a daemon before this one began goes on: what it started is
 * known. It may be why that ended, so it does so once; false: it did. */
static bool begin(struct server *s, const struct hook_row *row)
{
    bool twice = str_eq(row->state, "resumed");

    if (twice)
        (void)put(s, row, "interrupted",
                  "interrupted: runfs ended twice meanwhile; let its sender deliver it again\n", row->runs);
    else
        (void)put(s, row, str_eq(row->state, "running") ? "resumed" : "running", "", "");
    return !twice;
}

/* What came of one, and that the next is begun: where many wait, that is one commit for each. False: it could
 * not be written, so it is taken up again. */
static bool go_on(struct server *s, const struct hook_row *row, const struct delivery_result *result,
                  struct waiting *next)
{
    const struct hook_row *other = next ? store_get_hook(s->store, next->id) : NULL;

    store_begin(s->store);
    (void)put(s, row, result->cut_off ? "pending" : "done", result->cut_off ? "" : buf_str(&result->report),
              buf_str(&result->runs));
    bool begun = other && str_eq(other->state, "pending") && begin(s, other);
    bool told = store_commit(s->store, NULL) == 0;
    hook_row_unref(other);
    if (begun)
        next->begun = told;
    return told;
}

static bool deliver(struct server *s, const struct hook_row *row, struct waiting *next)
{
    struct delivery_result result = {.hook_id = row->id};
    _buf_ struct buf payload = BUF_INIT;
    const char *event = row->event;
    struct err err = {0};
    int r = store_hook_payload(s->store, row->id, &payload);

    if (r == 0)
        r = webhook_as_github(row, &event, &payload);
    if (r == 0)
        r = engine_deliver(s->engine, event, buf_str(&payload), payload.len, &result, &err);
    if (r < 0)
        buf_addf(&result.report, "%s\n", err.code ? err.msg : strerrordesc_np(-r));
    bool told = go_on(s, row, &result, result.cut_off ? NULL : next);
    log_info("webhook", "%lld: %s: started: %s", (long long)row->id, row->event,
             result.runs.len ? buf_str(&result.runs) : "nothing");
    buf_release(&result.report);
    buf_release(&result.runs);
    return told;
}

static bool deliver_first(struct server *s, const struct waiting *w, struct waiting *next)
{
    const struct hook_row *row = store_get_hook(s->store, w->id);
    bool told = !row || is_over(row) || (!w->begun && !begin(s, row)) || deliver(s, row, next);

    hook_row_unref(row);
    return told;
}

/* The daemon ends before that which has been begun with the one before. */
static void put_back(struct server *s, const struct waiting *w)
{
    const struct hook_row *row = w && w->begun ? store_get_hook(s->store, w->id) : NULL;

    if (row)
        (void)put(s, row, "pending", "", "");
    hook_row_unref(row);
}

static void *run_lane(void *data)
{
    struct lane *lane = data;
    struct server *s = lane->server;

    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        struct waiting *w = lane->first;
        if (!w) {
            pthread_cond_wait(&lane->woken, &s->lock);
            continue;
        }
        struct waiting *next = w->next;
        pthread_mutex_unlock(&s->lock);
        bool told = deliver_first(s, w, next);
        pthread_mutex_lock(&s->lock);
        s->look_again |= !told;
        drop_first(lane);
    }
    pthread_mutex_unlock(&s->lock);
    put_back(s, lane->first);
    return NULL;
}

static bool has(const struct lane *lane, int64_t id)
{
    const struct waiting *w = lane->first;

    while (w && w->id != id)
        w = w->next;
    return w;
}

/* That in which others of its repository wait, as one of *ret_group; else the one in which least does. */
static struct lane *choose(struct lane lanes[LANES], const char *repository, struct group **ret_group)
{
    struct lane *best = &lanes[0];

    *ret_group = NULL;
    for (size_t i = 0; i < LANES; i++) {
        struct group *g = lanes[i].groups;
        while (g && !str_eq_ascii_nocase(g->repository, repository))
            g = g->next;
        if (g) {
            *ret_group = g;
            return &lanes[i];
        }
        if (lanes[i].n < best->n)
            best = &lanes[i];
    }
    return best;
}

/* False: it waits for the next look. */
static bool add(struct lane lanes[LANES], struct waiting *w_take)
{
    struct group *group;
    struct lane *lane = choose(lanes, w_take->repository, &group);

    if (!lane->started && pthread_create(&lane->thread, NULL, run_lane, lane) != 0) {
        log_error("webhook", "%lld: no thread for it: it waits for the next", (long long)w_take->id);
        waiting_free(w_take);
        return false;
    }
    lane->started = true;
    if (!group && !(group = calloc(1, sizeof(*group)))) {
        waiting_free(w_take);
        return false;
    }
    if (group->n++ == 0) {
        group->repository = TAKE(w_take->repository);
        group->next = lane->groups;
        lane->groups = group;
    }
    w_take->group = group;
    *lane->end = w_take;
    lane->end = &w_take->next;
    lane->n++;
    pthread_cond_signal(&lane->woken);
    return true;
}

/* Who took it has read it; after a start it is read again. */
static char *repository_of(struct server *s, int64_t id)
{
    const struct hook_row *row = store_get_hook(s->store, id);
    char *known = row ? webhook_take_name(s, row->digest) : NULL;
    _buf_ struct buf payload = BUF_INIT;
    _json_ json_t *json = NULL;

    hook_row_unref(row);
    if (known)
        return known;
    if (store_hook_payload(s->store, id, &payload) == 0)
        json = json_loadb(buf_str(&payload), payload.len, 0, NULL);
    return strdup(json_text_at(json_object_get(json, "repository"), "full_name"));
}

static struct waiting *waiting_new(struct server *s, int64_t id)
{
    struct waiting *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->id = id;
    w->repository = repository_of(s, id);
    if (!w->repository) {
        free(w);
        return NULL;
    }
    return w;
}

static bool is_queued(struct server *s, const struct lane lanes[LANES], int64_t id)
{
    bool queued = false;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < LANES && !queued; i++)
        queued = has(&lanes[i], id);
    pthread_mutex_unlock(&s->lock);
    return queued;
}

static bool queue_one(struct server *s, struct lane lanes[LANES], int64_t id)
{
    struct waiting *w = waiting_new(s, id);

    if (!w)
        return false;
    pthread_mutex_lock(&s->lock);
    bool added = add(lanes, w);
    pthread_mutex_unlock(&s->lock);
    return added;
}

/* Those that came since, or, to look again, all that are not queued yet. *last: the newest that was seen: ids
 * grow from commit to commit, so no other comes before it. False: not all could be queued. */
static bool queue_waiting(struct server *s, struct lane lanes[LANES], bool again, int64_t *last)
{
    int64_t ids[16], after = again ? 0 : *last;
    bool all = true;
    ssize_t n;

    while (!is_ending(s) && (n = store_list_waiting_hooks(s->store, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n && !is_ending(s); i++) {
            after = ids[i];
            if (after > *last || !is_queued(s, lanes, after))
                all &= queue_one(s, lanes, after);
            *last = after > *last ? after : *last;
        }
    return all;
}

static void end_lanes(struct server *s, struct lane lanes[LANES])
{
    pthread_mutex_lock(&s->lock); /* each has either seen that all ends, or waits */
    for (size_t i = 0; i < LANES; i++)
        pthread_cond_signal(&lanes[i].woken);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < LANES; i++) {
        if (lanes[i].started)
            pthread_join(lanes[i].thread, NULL);
        while (lanes[i].first)
            drop_first(&lanes[i]);
        pthread_cond_destroy(&lanes[i].woken);
    }
}

void *webhook_deliver_loop(void *data)
{
    struct server *s = data;
    struct lane lanes[LANES] = {0};
    int64_t last = 0;

    for (size_t i = 0; i < LANES; i++) {
        lanes[i].server = s;
        lanes[i].end = &lanes[i].first;
        pthread_cond_init(&lanes[i].woken, NULL);
    }
    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        if (!s->delivered) {
            pthread_cond_wait(&s->brought, &s->lock);
            continue;
        }
        bool again = s->look_again;
        s->delivered = s->look_again = false;
        pthread_mutex_unlock(&s->lock);
        bool all = queue_waiting(s, lanes, again, &last);
        pthread_mutex_lock(&s->lock);
        s->look_again |= !all;
    }
    pthread_mutex_unlock(&s->lock);
    end_lanes(s, lanes);
    return NULL;
}
