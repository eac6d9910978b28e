/*
 * Rows of the store as documents: found as files are, by their paths below the mount. The index hears which
 * rows changed, and looks at those before the next search.
 */
#include "runfs/knowledge_rows.h"
#include "runfs/str.h"
#include "search_internal.h"

enum { DIRTY_MAX = 256 }; /* of a kind, that are remembered; of more, all are looked at */

struct dirty {
    int64_t ids[DIRTY_MAX];
    size_t n;
    bool all;
};

struct row_watch {
    struct store *store;  /* borrowed */
    pthread_mutex_t lock; /* guards kinds */
    struct dirty kinds[ROW_KINDS];
    bool deaf; /* it is told of nothing */
    void (*told)(void *data, bool settled);
    void *data;
};

/* Steps run the same few commands again and again: those stand near the end. */
static void note_dirty(struct dirty *d, int64_t id)
{
    for (size_t i = d->n; i > 0; i--)
        if (d->ids[i - 1] == id)
            return;
    if (d->n == DIRTY_MAX)
        d->all = true;
    else if (!d->all)
        d->ids[d->n++] = id;
}

static void on_changed(void *data, const struct change *changes, size_t n)
{
    struct row_watch *w = data;
    bool settled = false, learnt = false;

    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < ROW_KINDS; k++)
            if (row_kinds[k].change == changes[i].kind && !w->kinds[k].all)
                note_dirty(&w->kinds[k], changes[i].id);
        /* how often a failure has to come is a setting */
        w->kinds[ROW_LESSONS].all |= changes[i].kind == CHANGE_CONFIG;
        settled |= changes[i].kind == CHANGE_CONFIG || changes[i].kind == CHANGE_REPO;
        learnt |= changes[i].kind == CHANGE_KNOWN_COMMAND;
    }
    pthread_mutex_unlock(&w->lock);
    if (settled || learnt)
        w->told(w->data, settled);
}

struct row_watch *row_watch_new(struct store *st, void (*told)(void *data, bool settled), void *data)
{
    struct row_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->store = st;
    w->told = told;
    w->data = data;
    pthread_mutex_init(&w->lock, NULL);
    row_watch_forget(w);
    w->deaf = store_subscribe(st, on_changed, w) < 0;
    return w;
}

void row_watch_free(struct row_watch *w)
{
    if (!w)
        return;
    store_unsubscribe(w->store, on_changed, w);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void row_watch_forget(struct row_watch *w)
{
    pthread_mutex_lock(&w->lock);
    for (size_t k = 0; k < ROW_KINDS; k++)
        w->kinds[k].all = true;
    pthread_mutex_unlock(&w->lock);
}

/* ------------------------------------------------------------------------------------------------- writing
 */

struct row_update {
    struct searcher *searcher;
    uint64_t *changed;
    struct err *err;
};

static int drop_path(struct row_update *u, const char *path)
{
    int64_t changed_at, size;
    int r = documents_stamp(u->searcher->documents, path, &changed_at, &size, u->err);

    if (r <= 0)
        return r;
    ++*u->changed;
    return documents_drop(u->searcher->documents, path, u->err);
}

/* Has the index hold a row as it is; what it holds already is not written again. */
static int put_row(struct row_update *u, const struct row_kind *kind, int64_t id)
{
    struct store *st = u->searcher->store;
    _row_document_ struct row_document d = {0};
    _buf_ struct buf path = BUF_INIT;
    int64_t changed_at = 0, size = 0;
    int r = index_is_stopped(&u->searcher->progress) ? -ECANCELED : kind->head(st, id, &d), known;

    buf_addf(&path, "%s%s", kind->prefix, buf_str(&d.name));
    if (r == -ENOENT)
        return d.name.len && buf_ok(&path) ? drop_path(u, buf_str(&path)) : 0;
    if (r == 0 && kind->stamp_of_body) {
        r = kind->body(st, id, &d.body);
        d.size = (int64_t)str_hash(buf_str(&d.body));
    }
    if (r < 0 || !buf_ok(&path))
        return r == -ENOENT ? 0 : r < 0 ? r : -ENOMEM;
    known = documents_stamp(u->searcher->documents, buf_str(&path), &changed_at, &size, u->err);
    if (known < 0 || (known && changed_at == d.changed_at && size == d.size))
        return known < 0 ? known : 0;
    if (!kind->stamp_of_body)
        r = kind->body(st, id, &d.body);
    if (r < 0 || !buf_ok(&d.body))
        return r == -ENOENT ? 0 : r < 0 ? r : -ENOMEM;
    ++*u->changed;
    return documents_put(u->searcher->documents,
                         &(struct document){.path = buf_str(&path),
                                            .title = buf_str(&d.title),
                                            .body = buf_str(&d.body),
                                            .changed_at = d.changed_at,
                                            .size = d.size},
                         u->err);
}

static int put_all(struct row_update *u, const struct row_kind *kind)
{
    int64_t ids[64];
    ssize_t n = 0;
    int r = 0;

    for (int64_t after = 0; r == 0 && (n = kind->list(u->searcher->store, after, ids, ARRAY_LEN(ids))) > 0;
         after = ids[n - 1])
        for (ssize_t i = 0; r == 0 && i < n; i++)
            r = put_row(u, kind, ids[i]);
    return r == 0 && n < 0 ? (int)n : r;
}

struct gone {
    struct store *store;
    const struct index_progress *progress;
    const bool *all;  /* which kinds are looked at */
    struct buf paths; /* each with its NUL */
};

static int take_gone(void *data, const struct known_document *known)
{
    struct gone *g = data;

    if (!known->path)
        return -ENOMEM;
    if (index_is_stopped(g->progress))
        return -ECANCELED;
    if (!is_row_path(known->path))
        return 0;
    const struct row_kind *kind = row_kind_of(known->path);
    if ((!kind || g->all[kind - row_kinds]) && !row_is_there(g->store, known->path))
        buf_add(&g->paths, known->path, strlen(known->path) + 1);
    return buf_ok(&g->paths) ? 0 : -ENOMEM;
}

/* Drops what is gone, of the kinds that are looked at as a whole. */
static int drop_gone(struct row_update *u, const bool *all)
{
    struct gone g = {.store = u->searcher->store, .progress = &u->searcher->progress, .all = all};
    int r = documents_each(u->searcher->documents, take_gone, &g);
    const char *end = buf_str(&g.paths) + g.paths.len;

    for (const char *path = buf_str(&g.paths); r == 0 && path < end; path += strlen(path) + 1)
        r = drop_path(u, path);
    buf_release(&g.paths);
    return r;
}

/* -------------------------------------------------------------------------------------------------- keeping
 */

static int by_number(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* What was noted is this update's; one that fails looks at all the next time. False: nothing was. */
static bool take_dirty(struct row_watch *w, struct dirty *ret)
{
    bool any = false;

    pthread_mutex_lock(&w->lock);
    for (size_t k = 0; k < ROW_KINDS; k++) {
        struct dirty *d = &w->kinds[k];
        ret[k].all = d->all || w->deaf;
        ret[k].n = d->n;
        memcpy(ret[k].ids, d->ids, d->n * sizeof(d->ids[0]));
        any |= ret[k].all || d->n > 0;
        d->n = 0;
        d->all = false;
    }
    pthread_mutex_unlock(&w->lock);
    return any;
}

static int put_dirty(struct row_update *u, struct dirty *dirty)
{
    bool all[ROW_KINDS], any = false;
    int r = 0;

    for (size_t k = 0; r == 0 && k < ROW_KINDS; k++) {
        struct dirty *d = &dirty[k];
        any |= all[k] = d->all;
        qsort(d->ids, d->n, sizeof(d->ids[0]), by_number);
        if (d->all)
            r = put_all(u, &row_kinds[k]);
        for (size_t i = 0; r == 0 && !d->all && i < d->n; i++)
            r = put_row(u, &row_kinds[k], d->ids[i]);
    }
    return r == 0 && any ? drop_gone(u, all) : r;
}

int rows_update(struct searcher *s, uint64_t *ret_changed, struct err *err)
{
    struct row_update u = {s, ret_changed, err};
    struct dirty dirty[ROW_KINDS];

    if (!take_dirty(s->rows, dirty))
        return 0;
    int r = documents_begin(s->documents, err);
    if (r == 0)
        r = put_dirty(&u, dirty);
    if (r == 0)
        r = documents_commit(s->documents, err);
    else
        documents_rollback(s->documents);
    if (r < 0)
        row_watch_forget(s->rows);
    return r < 0 && !(err && err->msg[0]) ? err_errno(err, r, "what is known of runs") : r;
}
