/* What webhooks brought goes to the engine: of one repository one after the other, in the order in which it
 * came; those of others do not wait for a git server that takes its time. The rows are the queue, so what was
 * accepted is not lost when the daemon ends. */
#include "runfs/event.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "server_internal.h"

static void put(struct server *s, const struct hook_row *old, const char *state, const char *verdict,
                const char *runs)
{
    struct hook_row row = *old;
    struct err err = {0};

    row.state = state;
    row.verdict = verdict;
    row.runs = runs;
    row.changed_at = now_ns();
    if (store_put_hook(s->store, &row, &err) < 0)
        log_error("webhook", "%lld: cannot be written: %s", (long long)old->id, err.msg);
}

static void deliver_one(struct server *s, const struct hook_row *row)
{
    struct delivery_result result = {.hook_id = row->id};
    _buf_ struct buf payload = BUF_INIT;
    const char *event = row->event;
    struct err err = {0};

    /* One that a daemon before this one began goes on: what it started is known. It may be why that ended, so
     * it does so once. */
    if (str_eq(row->state, "resumed")) {
        put(s, row, "interrupted",
            "interrupted: runfs ended twice meanwhile; let its sender deliver it again\n", row->runs);
        return;
    }
    put(s, row, str_eq(row->state, "running") ? "resumed" : "running", "", "");
    int r = store_hook_payload(s->store, row->id, &payload);
    if (r == 0)
        r = webhook_as_github(row, &event, &payload);
    if (r == 0)
        r = engine_deliver(s->engine, event, buf_str(&payload), payload.len, &result, &err);
    if (r < 0)
        buf_addf(&result.report, "%s\n", err.code ? err.msg : strerrordesc_np(-r));
    put(s, row, result.cut_off ? "pending" : "done", result.cut_off ? "" : buf_str(&result.report),
        buf_str(&result.runs));
    log_info("webhook", "%lld: %s: started: %s", (long long)row->id, row->event,
             result.runs.len ? buf_str(&result.runs) : "nothing");
    buf_release(&result.report);
    buf_release(&result.runs);
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

struct waiting {
    struct waiting *next;
    int64_t id;
    char *repository; /* owned: that its payload names, "" for none */
};

/* Its thread delivers what waits in it. */
struct lane {
    struct server *server;
    pthread_t thread;
    bool started;
    struct waiting *first; /* is being delivered */
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

static void *run_lane(void *data)
{
    struct lane *lane = data;
    struct server *s = lane->server;

    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        struct waiting *w = lane->first;
        if (!w) {
            pthread_cond_wait(&s->woken, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        const struct hook_row *row = store_get_hook(s->store, w->id);
        if (row && !is_over(row))
            deliver_one(s, row);
        hook_row_unref(row);
        pthread_mutex_lock(&s->lock);
        lane->first = w->next;
        waiting_free(w);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static bool has(const struct lane *lane, int64_t id)
{
    const struct waiting *w = lane->first;

    while (w && w->id != id)
        w = w->next;
    return w;
}

/* That in which others of its repository wait; else one in which nothing does; else the shortest. */
static struct lane *choose(struct lane lanes[LANES], const char *repository)
{
    struct lane *best = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < LANES; i++) {
        size_t n = 0;
        for (const struct waiting *w = lanes[i].first; w; w = w->next, n++)
            if (str_eq_ascii_nocase(w->repository, repository))
                return &lanes[i];
        if (n < least) {
            least = n;
            best = &lanes[i];
        }
    }
    return best;
}

static void add(struct lane lanes[LANES], struct waiting *w_take)
{
    struct lane *lane = choose(lanes, w_take->repository);
    struct waiting **end = &lane->first;

    if (!lane->started && pthread_create(&lane->thread, NULL, run_lane, lane) != 0) {
        log_error("webhook", "%lld: no thread for it: it waits for the next", (long long)w_take->id);
        waiting_free(w_take);
        return;
    }
    lane->started = true;
    while (*end)
        end = &(*end)->next;
    *end = w_take;
    pthread_cond_broadcast(&lane->server->woken);
}

static struct waiting *waiting_new(struct server *s, int64_t id)
{
    struct waiting *w = calloc(1, sizeof(*w));
    _buf_ struct buf payload = BUF_INIT;
    _json_ json_t *json = NULL;

    if (store_hook_payload(s->store, id, &payload) == 0)
        json = json_loadb(buf_str(&payload), payload.len, 0, NULL);
    if (!w)
        return NULL;
    w->id = id;
    w->repository = strdup(json_text_at(json_object_get(json, "repository"), "full_name"));
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

static void queue_waiting(struct server *s, struct lane lanes[LANES])
{
    int64_t ids[16], after = 0;
    ssize_t n;

    while (!is_ending(s) && (n = store_list_waiting_hooks(s->store, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n && !is_ending(s); i++) {
            struct waiting *w = is_queued(s, lanes, ids[i]) ? NULL : waiting_new(s, ids[i]);
            after = ids[i];
            if (!w)
                continue;
            pthread_mutex_lock(&s->lock);
            add(lanes, w);
            pthread_mutex_unlock(&s->lock);
        }
}

static void end_lanes(struct lane lanes[LANES])
{
    for (size_t i = 0; i < LANES; i++) {
        if (lanes[i].started)
            pthread_join(lanes[i].thread, NULL);
        for (struct waiting *w = lanes[i].first, *next; w; w = next) {
            next = w->next;
            waiting_free(w);
        }
    }
}

void *webhook_deliver_loop(void *data)
{
    struct server *s = data;
    struct lane lanes[LANES] = {0};

    for (size_t i = 0; i < LANES; i++)
        lanes[i].server = s;
    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        if (!s->delivered) {
            pthread_cond_wait(&s->woken, &s->lock);
            continue;
        }
        s->delivered = false;
        pthread_mutex_unlock(&s->lock);
        queue_waiting(s, lanes);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    end_lanes(lanes);
    return NULL;
}
