/* What webhooks brought goes to the engine, one after the other, in the order in which it came. The rows are
 * the queue, so what was accepted is not lost when the daemon ends. */
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "server_internal.h"

/* Gitea and Forgejo say "synchronized" where GitHub says "synchronize". */
static int as_github(const struct hook_row *row, struct buf *payload)
{
    bool gitea =
        strcasestr(row->headers, "\nX-Gitea-Event:") || strcasestr(row->headers, "\nX-Forgejo-Event:");
    _json_ json_t *json = NULL;

    if (!gitea || !str_starts(row->event, "pull_request"))
        return 0;
    json = json_loadb(buf_str(payload), payload->len, 0, NULL);
    const char *action = json_string_value(json_object_get(json, "action"));
    if (!action || !str_eq(action, "synchronized"))
        return 0;
    json_object_set_new(json, "action", json_string("synchronize"));
    _free_ char *text = json_dumps(json, JSON_COMPACT);
    buf_reset(payload);
    buf_adds(payload, text);
    return text && buf_ok(payload) ? 0 : -ENOMEM;
}

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
        r = as_github(row, &payload);
    if (r == 0)
        r = engine_deliver(s->engine, row->event, buf_str(&payload), payload.len, &result, &err);
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

static void deliver_waiting(struct server *s)
{
    int64_t ids[16], after = 0;
    ssize_t n;

    while (!is_ending(s) && (n = store_list_waiting_hooks(s->store, after, ids, ARRAY_LEN(ids))) > 0)
        for (ssize_t i = 0; i < n && !is_ending(s); i++) {
            const struct hook_row *row = store_get_hook(s->store, ids[i]);
            if (row)
                deliver_one(s, row);
            hook_row_unref(row);
            after = ids[i];
        }
}

void *webhook_deliver_loop(void *data)
{
    struct server *s = data;

    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        if (!s->delivered) {
            pthread_cond_wait(&s->woken, &s->lock);
            continue;
        }
        s->delivered = false;
        pthread_mutex_unlock(&s->lock);
        deliver_waiting(s);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
