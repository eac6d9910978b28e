/* Warm machines: booted before anybody asks, for labels that say how many. */
#include "core/machine/machine_internal.h"
#include "runfs/log.h"
#include "runfs/str.h"

struct warm {
    struct warm *next;
    char *label;              /* owned */
    struct machine_spec spec; /* owned */
    unsigned want, n;
    bool complained;
    struct machine *machines[POOL_MAX]; /* owned */
};

struct pool {
    struct machines *ms;
    pthread_mutex_t lock;
    struct warm *first;
};

int pool_new(struct machines *ms, struct pool **ret)
{
    struct pool *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->ms = ms;
    pthread_mutex_init(&p->lock, NULL);
    *ret = p;
    return 0;
}

static void release_all(struct machine **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        machine_release(list[i]);
}

static void warm_free(struct warm *w)
{
    release_all(w->machines, w->n);
    spec_release(&w->spec);
    free(w->label);
    free(w);
}

void pool_free(struct pool *p)
{
    while (p && p->first) {
        struct warm *next = p->first->next;
        warm_free(p->first);
        p->first = next;
    }
    if (p)
        pthread_mutex_destroy(&p->lock);
    free(p);
}

static bool same(const char *a, const char *b)
{
    return str_eq(a ? a : "", b ? b : "");
}

static bool fits(const struct machine_spec *a, const struct machine_spec *b)
{
    return same(a->backend, b->backend) && same(a->image, b->image) && same(a->name, b->name) &&
           a->network == b->network && a->namespaces == b->namespaces &&
           memcmp(&a->limits, &b->limits, sizeof(a->limits)) == 0;
}

static struct warm *find(struct pool *p, const char *label)
{
    struct warm *w = p->first;

    while (w && !str_eq(w->label, label))
        w = w->next;
    return w;
}

/* With the lock held: takes out those that are dead or booted with a mask that is no longer right. */
static size_t take_stale(struct pool *p, struct warm *w, struct machine **ret)
{
    size_t n = 0, left = 0;

    for (unsigned i = 0; i < w->n; i++) {
        struct machine *m = w->machines[i];
        if (left < w->want && agent_client_lives(&m->client) && mask_is_current(p->ms, m))
            w->machines[left++] = m;
        else
            ret[n++] = m;
    }
    w->n = (unsigned)left;
    return n;
}

/* ----------------------------------------------------------------------------------------------- taking */

/* What a cold machine would have been made with. */
static int make_ready(struct machine *m, const struct machine_spec *spec, struct err *err)
{
    size_t prefix = strlen(m->paths.home) - strlen("/home/runner");
    _free_ char *before = strndup(m->paths.home, prefix);
    struct machine_spec own;
    int r = before ? spec_copy(spec, &own) : -ENOMEM;

    if (r < 0)
        return err_errno(err, r, "machine");
    machine_free_paths(m);
    r = machine_set_paths(m, before, spec->workspace, err);
    if (r == 0)
        r = agent_client_make_dirs(&m->client, m->paths.workspace, err);
    if (r < 0) {
        spec_release(&own);
        return r;
    }
    machine_adopt_spec(m, &own);
    return 0;
}

/* One that fits, good or not; ret_known: whether the label has any to come. */
static struct machine *take_one(struct pool *p, const struct machine_spec *spec, bool *ret_known)
{
    pthread_mutex_lock(&p->lock);
    struct warm *w = find(p, spec->label);
    struct machine *m = w && w->n && fits(&w->spec, spec) ? w->machines[--w->n] : NULL;
    *ret_known = w && w->want;
    pthread_mutex_unlock(&p->lock);
    return m;
}

struct machine *pool_take(struct pool *p, const struct machine_spec *spec)
{
    struct machine *m;
    struct err err = {0};
    bool known = false;

    if (!spec->label || spec->snapshot || spec->revive)
        return NULL;
    while ((m = take_one(p, spec, &known))) {
        if (agent_client_lives(&m->client) && mask_is_current(p->ms, m) && make_ready(m, spec, &err) == 0)
            break;
        machine_release(m);
    }
    if (known)
        keeper_fill(p->ms->keeper);
    return m;
}

/* ---------------------------------------------------------------------------------------------- filling */

/* Makes one for w->label, unless that has enough; false: it has, or there is none to be had. */
static bool fill_one(struct pool *p, const char *label, struct machine_spec *spec)
{
    struct machine *m = NULL;
    struct err err = {0};
    int r = machine_make(p->ms, spec, &m, &err);

    if (r == 0 && m->ops->rehearse && (r = m->ops->rehearse(m, &err)) < 0)
        machine_release(TAKE(m));
    pthread_mutex_lock(&p->lock);
    struct warm *w = find(p, label);
    bool welcome = r == 0 && w && w->n < w->want && fits(&w->spec, spec);
    if (welcome)
        w->machines[w->n++] = m;
    else if (r < 0 && w && !w->complained)
        log_warning("machine", "%s: no warm machine: %s", label, err.msg);
    if (w)
        w->complained = r < 0;
    pthread_mutex_unlock(&p->lock);
    if (r == 0 && !welcome)
        machine_release(m);
    return welcome;
}

/* The next label after `after` that wants more. Its name and spec are copies. */
static char *next_wanting(struct pool *p, size_t *at, struct machine_spec *ret)
{
    char *label = NULL;
    size_t i = 0;

    pthread_mutex_lock(&p->lock);
    for (struct warm *w = p->first; w && !label; w = w->next, i++) {
        if (i < *at || w->n >= w->want)
            continue;
        label = strdup(w->label);
        *at = i + 1;
        if (label && spec_copy(&w->spec, ret) < 0)
            free(TAKE(label));
    }
    pthread_mutex_unlock(&p->lock);
    return label;
}

void pool_fill(struct pool *p)
{
    struct machine *stale[POOL_MAX];
    struct machine_spec spec;
    size_t at = 0;
    char *label;

    pthread_mutex_lock(&p->lock);
    for (struct warm *w = p->first; w; w = w->next) {
        size_t n = take_stale(p, w, stale);
        release_all(stale, n);
    }
    pthread_mutex_unlock(&p->lock);
    while ((label = next_wanting(p, &at, &spec))) {
        while (fill_one(p, label, &spec))
            ;
        spec_release(&spec);
        free(label);
    }
}

/* --------------------------------------------------------------------------------------------- settings */

/* A spec as warm machines have it: nobody's, with a workspace that is there anyway. */
static int warm_spec(const char *label, const struct machine_spec *spec, struct machine_spec *ret)
{
    _buf_ struct buf title = BUF_INIT;
    struct machine_spec s = *spec;

    buf_addf(&title, "warm-%.200s", label);
    if (!buf_ok(&title))
        return -ENOMEM;
    s.title = title.ptr;
    s.label = label;
    s.workspace = "/home/runner/work/_temp";
    s.run_id = s.job_id = s.snapshot = s.revive = 0;
    s.keep = false;
    return spec_copy(&s, ret);
}

int machines_pool(struct machines *ms, const char *label, const struct machine_spec *spec, unsigned n,
                  struct err *err)
{
    struct pool *p = ms->pool;
    struct machine *old[POOL_MAX];
    size_t n_old = 0;
    struct machine_spec own;

    if (n > POOL_MAX)
        return err_set(err, -ERANGE, "at most %d machines are kept warm for a label", POOL_MAX);
    int r = warm_spec(label, spec, &own);
    if (r == 0)
        r = spec_check(&own, err);
    if (r < 0)
        return r == -ENOMEM ? err_errno(err, r, "pool") : r;
    pthread_mutex_lock(&p->lock);
    struct warm *w = find(p, label);
    if (!w && (w = calloc(1, sizeof(*w))) && (w->label = strdup(label))) {
        w->next = p->first;
        p->first = w;
    } else if (w && !w->label) {
        free(TAKE(w));
    }
    if (w) {
        bool keep = fits(&w->spec, &own) && n >= w->n;
        for (; !keep && w->n; n_old++)
            old[n_old] = w->machines[--w->n];
        spec_release(&w->spec);
        w->spec = own;
        w->want = n;
    }
    pthread_mutex_unlock(&p->lock);
    if (!w) {
        spec_release(&own);
        return err_errno(err, -ENOMEM, "pool");
    }
    release_all(old, n_old);
    keeper_fill(ms->keeper);
    return 0;
}

unsigned machines_warm(struct machines *ms, const char *label)
{
    pthread_mutex_lock(&ms->pool->lock);
    struct warm *w = find(ms->pool, label);
    unsigned n = w ? w->n : 0;
    pthread_mutex_unlock(&ms->pool->lock);
    return n;
}
