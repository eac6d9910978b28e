/* The daemon's HTTP server: it listens where config/listen says, and moves when that changes. */
#include "live_internal.h"
#include "runfs/log.h"
#include "runfs/str.h"

enum { CONNECTIONS_MAX = 512, OF_ADDRESS_MAX = 256, IDLE_SECONDS = 30 };

/* --------------------------------------------------------------------------------------------- listening */

static void listener_words(const struct listener *l, struct buf *ret)
{
    bool v6 = strchr(l->at.address, ':');

    if (l->at.tls)
        buf_adds(ret, "tls:");
    if (*l->at.address == '/')
        buf_adds(ret, l->at.address);
    else
        buf_addf(ret, v6 ? "[%s]:%u" : "%s:%u", l->at.address, l->http ? http_port(l->http) : l->at.port);
}

/* When the setting was written; 0: it is not there. */
static int64_t setting_at(struct store *st, const char *key)
{
    int64_t id = store_find_setting(st, SETTING_CONFIG, key);
    const struct setting_row *row = id > 0 ? store_get_setting(st, SETTING_CONFIG, id) : NULL;
    int64_t at = row ? row->changed_at : 0;

    setting_row_unref(row);
    return at;
}

/* The certificate and key of config/tls. */
struct pair {
    struct buf certificate, key;
    int64_t at;     /* when one of them was written last; 0: they are not both there */
    struct err err; /* why they cannot be used; code 0: they can */
};

static void pair_release(struct pair *p)
{
    if (p->key.ptr)
        explicit_bzero(p->key.ptr, p->key.len);
    buf_release(&p->key);
    buf_release(&p->certificate);
}

static void pair_read(struct store *st, struct pair *p)
{
    int64_t certificate = setting_at(st, "tls/certificate"), key = setting_at(st, "tls/key");

    if (store_setting(st, SETTING_CONFIG, "tls/certificate", &p->certificate) < 0 ||
        store_setting(st, SETTING_CONFIG, "tls/key", &p->key) < 0) {
        err_set(&p->err, -ENOENT, "write config/tls/certificate and config/tls/key first");
        return;
    }
    p->at = certificate > key ? certificate : key;
    (void)http_check_pair(buf_str(&p->certificate), buf_str(&p->key), &p->err);
}

static void listener_open(struct server *s, struct listener *l, const struct pair *pair)
{
    struct http_opts opts = {.address = l->at.address,
                             .port = l->at.port,
                             .prefix = "/api/v3",
                             .routes = server_routes,
                             .data = s,
                             .admit = access_admit,
                             .ended = access_log,
                             .max_connections = CONNECTIONS_MAX,
                             .max_of_address = OF_ADDRESS_MAX,
                             .idle_seconds = IDLE_SECONDS,
                             .certificate = l->at.tls ? buf_str(&pair->certificate) : NULL,
                             .key = l->at.tls ? buf_str(&pair->key) : NULL};
    _buf_ struct buf words = BUF_INIT;
    struct err err = {0};

    l->pair_at = pair->at;
    int r = l->at.tls && pair->err.code
                ? err_set(&err, pair->err.code, "cannot listen with tls: %s", pair->err.msg)
                : http_start(&opts, &l->http, &err);
    if (r < 0) {
        snprintf(l->why, sizeof(l->why), "%s", err.msg);
        log_error("http", "%s", err.msg);
        return;
    }
    listener_words(l, &words);
    log_info("http", "listening on %s", buf_str(&words));
}

static void wanted_listeners(struct server *s, struct listener *ret, size_t *ret_n)
{
    _buf_ struct buf value = BUF_INIT;

    *ret_n = 0;
    (void)store_setting(s->store, SETTING_CONFIG, "listen", &value);
    const char *text = buf_str(&value);
    while (*ret_n < LISTEN_MAX && config_listen_next(&text, &ret[*ret_n].at, NULL) > 0)
        ++*ret_n;
}

static bool same_place(const struct listener *a, const struct listener *b)
{
    return str_eq(a->at.address, b->at.address) && a->at.port == b->at.port && a->at.tls == b->at.tls;
}

/* Takes over a listener that is there, with its connections. While a new certificate and key are no pair (one
 * of them is yet to be written) it goes on with the old ones. */
static bool keep(struct listener *to, const struct listener *from, const struct pair *pair)
{
    bool renewed = to->at.tls && from->pair_at != pair->at;

    if (!from->http || to->http || !same_place(from, to) || (renewed && (!pair->at || !pair->err.code)))
        return false;
    to->http = from->http;
    to->pair_at = from->pair_at;
    if (renewed)
        snprintf(to->why, sizeof(to->why), "goes on with the pair before: %.900s", pair->err.msg);
    return true;
}

/* What is gone is closed before what is new is opened. */
static void follow_setting(struct server *s)
{
    struct listener next[LISTEN_MAX] = {0}, old[LISTEN_MAX] = {0};
    _cleanup_(pair_release) struct pair pair = {0};
    size_t n, n_old = 0;
    bool tls = false;

    wanted_listeners(s, next, &n);
    for (size_t i = 0; i < n; i++)
        tls |= next[i].at.tls;
    if (tls)
        pair_read(s->store, &pair);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_listeners; i++) {
        bool kept = false;
        for (size_t k = 0; k < n && !kept; k++)
            kept = keep(&next[k], &s->listeners[i], &pair);
        if (!kept)
            old[n_old++] = s->listeners[i];
    }
    s->n_listeners = 0;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n_old; i++)
        http_stop(old[i].http);
    for (size_t i = 0; i < n; i++)
        if (!next[i].http)
            listener_open(s, &next[i], &pair);
    pthread_mutex_lock(&s->lock);
    memcpy(s->listeners, next, sizeof(next));
    s->n_listeners = n;
    pthread_mutex_unlock(&s->lock);
}

static void *keeper(void *data)
{
    struct server *s = data;

    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        if (!s->changed) {
            pthread_cond_wait(&s->woken, &s->lock);
            continue;
        }
        s->changed = false;
        pthread_mutex_unlock(&s->lock);
        follow_setting(s);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void on_changed(void *data, const struct change *changes, size_t n)
{
    struct server *s = data;
    bool config = false, hook = false;

    live_changed(&s->live, changes, n);
    for (size_t i = 0; i < n; i++) {
        config |= changes[i].kind == CHANGE_CONFIG;
        hook |= changes[i].kind == CHANGE_HOOK && changes[i].created;
    }
    if (!config && !hook)
        return;
    pthread_mutex_lock(&s->lock);
    s->changed |= config;
    s->delivered |= hook;
    if (config)
        pthread_cond_signal(&s->woken);
    if (hook)
        pthread_cond_signal(&s->brought);
    pthread_mutex_unlock(&s->lock);
}

/* -------------------------------------------------------------------------------------------------- life */

int server_new(struct store *st, struct engine *e, struct searcher *searcher, struct server **ret,
               struct err *err)
{
    struct server *s = calloc(1, sizeof(*s));

    if (!s)
        return err_errno(err, -ENOMEM, "cannot start the HTTP server");
    s->store = st;
    s->engine = e;
    s->searcher = searcher;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->peers_lock, NULL);
    pthread_mutex_init(&s->names_lock, NULL);
    pthread_mutex_init(&s->live.lock, NULL);
    pthread_cond_init(&s->woken, NULL);
    pthread_cond_init(&s->brought, NULL);
    s->changed = s->delivered = true;
    int r = api_make_keys(s);
    if (r == 0)
        r = store_subscribe(st, on_changed, s);
    if (r == 0)
        r = -pthread_create(&s->keeper, NULL, keeper, s);
    s->has_keeper = r == 0;
    if (r == 0)
        r = -pthread_create(&s->deliverer, NULL, webhook_deliver_loop, s);
    s->has_deliverer = r == 0;
    if (r < 0) {
        server_free(s);
        return err_errno(err, r, "cannot start the HTTP server");
    }
    *ret = s;
    return 0;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    store_unsubscribe(s->store, on_changed, s);
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    pthread_cond_signal(&s->woken);
    pthread_cond_signal(&s->brought);
    pthread_mutex_unlock(&s->lock);
    if (s->has_keeper)
        pthread_join(s->keeper, NULL);
    if (s->has_deliverer)
        pthread_join(s->deliverer, NULL);
    live_end(&s->live);
    pthread_mutex_lock(&s->lock);
    size_t n = s->n_listeners;
    s->n_listeners = 0; /* who is still being answered looks for one that is open */
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++)
        http_stop(s->listeners[i].http);
    pthread_mutex_destroy(&s->live.lock);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->peers_lock);
    pthread_mutex_destroy(&s->names_lock);
    webhook_free_names(s);
    pthread_cond_destroy(&s->woken);
    pthread_cond_destroy(&s->brought);
    explicit_bzero(s->box_secret, sizeof(s->box_secret));
    free(s);
}

void server_status(struct server *s, struct buf *ret)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_listeners; i++) {
        buf_adds(ret, "listen: ");
        listener_words(&s->listeners[i], ret);
        buf_addf(ret, "%s%s\n", *s->listeners[i].why ? ": " : "", s->listeners[i].why);
    }
    pthread_mutex_unlock(&s->lock);
}

bool server_browse(struct server *s, struct buf *ret)
{
    bool found = false;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_listeners && !found; i++) {
        const struct listener *l = &s->listeners[i];
        if (!l->http || *l->at.address == '/')
            continue;
        bool any4 = str_eq(l->at.address, "0.0.0.0"), any6 = str_eq(l->at.address, "::");
        const char *address = any4 ? "127.0.0.1" : any6 ? "::1" : l->at.address;
        buf_addf(ret, strchr(address, ':') ? "%s://[%s]:%u" : "%s://%s:%u", l->at.tls ? "https" : "http",
                 address, http_port(l->http));
        found = true;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}
