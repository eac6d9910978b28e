/* Failures as documents: what steps failed with is found as files are, by its path below knowledge/. */
#include "runfs/knowledge_rows.h"
#include "runfs/str.h"
#include "search_internal.h"

enum { DIRTY_MAX = 256 }; /* that are remembered; of more, all are looked at */

struct failure_watch {
    struct store *store;  /* borrowed */
    pthread_mutex_t lock; /* guards what follows */
    int64_t ids[DIRTY_MAX];
    size_t n;
    bool all, deaf; /* deaf: it is told of nothing */
};

static void on_changed(void *data, const struct change *changes, size_t n)
{
    struct failure_watch *w = data;

    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < n; i++) {
        if (changes[i].kind != CHANGE_FAILURE)
            continue;
        if (w->n == DIRTY_MAX)
            w->all = true;
        else
            w->ids[w->n++] = changes[i].id;
    }
    pthread_mutex_unlock(&w->lock);
}

struct failure_watch *failure_watch_new(struct store *st)
{
    struct failure_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->store = st;
    w->all = true;
    pthread_mutex_init(&w->lock, NULL);
    w->deaf = store_subscribe(st, on_changed, w) < 0;
    return w;
}

void failure_watch_free(struct failure_watch *w)
{
    if (!w)
        return;
    store_unsubscribe(w->store, on_changed, w);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void failure_watch_forget(struct failure_watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->all = true;
    pthread_mutex_unlock(&w->lock);
}

bool is_failure_path(const char *path)
{
    return str_starts(path, FAILURE_PATH);
}

bool failure_is_there(struct store *st, const char *path)
{
    return store_find_failure(st, path + strlen(FAILURE_PATH)) > 0;
}

/* ------------------------------------------------------------------------------------------------- writing
 */

static int add_site(void *data, const struct failure_site *site)
{
    buf_addf(data, "%s, %s, %s\n", site->workflow, site->job, site->step);
    return 0;
}

static void add_commands(struct store *st, int64_t id, struct buf *ret)
{
    int64_t ids[8];
    ssize_t n = store_list_failure_links(st, FAILURE_COMMANDS, id, 0, ids, ARRAY_LEN(ids));

    for (ssize_t i = 0; i < n; i++) {
        const struct known_command_row *c = store_get_known_command(st, ids[i]);
        if (c)
            buf_addf(ret, "%s\n", c->name);
        known_command_row_unref(c);
    }
}

/* What it says, in which commands, where, and what mended it. */
static int body_of(struct store *st, const struct failure_row *f, struct buf *ret)
{
    buf_addf(ret, "%s\n%s\n", f->line, f->signature);
    add_commands(st, f->id, ret);
    int r = store_each_failure_site(st, f->id, add_site, ret);
    buf_adds(ret, f->fix);
    return r < 0 ? r : buf_ok(ret) ? 0 : -ENOMEM;
}

/* For failures, size says by which run it was fixed: `changed_at` is when it was met. */
static int put_failure(struct searcher *s, const struct failure_row *f, uint64_t *ret_changed,
                       struct err *err)
{
    _buf_ struct buf path = BUF_INIT, body = BUF_INIT;
    int r = body_of(s->store, f, &body);

    buf_addf(&path, FAILURE_PATH "%s", f->slug);
    if (r < 0 || !buf_ok(&path))
        return err_errno(err, r < 0 ? r : -ENOMEM, "failures");
    ++*ret_changed;
    return documents_put(s->documents,
                         &(struct document){.path = buf_str(&path),
                                            .title = f->signature,
                                            .body = buf_str(&body),
                                            .changed_at = f->changed_at,
                                            .size = f->fixed_run_id},
                         err);
}

static int put_ids(struct searcher *s, const int64_t *ids, size_t n, uint64_t *ret_changed, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct failure_row *f = store_get_failure(s->store, ids[i]);
        if (f)
            r = put_failure(s, f, ret_changed, err);
        failure_row_unref(f);
    }
    return r;
}

/* ---------------------------------------------------------------------------------------------- all of them
 */

struct indexed {
    int64_t changed_at, size;
};

static int note_indexed(void *data, const struct known_document *known)
{
    GHashTable *table = data;

    if (!known->path)
        return -ENOMEM;
    if (!is_failure_path(known->path))
        return 0;
    struct indexed *i = malloc(sizeof(*i));
    char *slug = strdup(known->path + strlen(FAILURE_PATH));
    if (!i || !slug) {
        free(i);
        free(slug);
        return -ENOMEM;
    }
    *i = (struct indexed){known->changed_at, known->size};
    g_hash_table_insert(table, slug, i);
    return 0;
}

static int put_if_new(struct searcher *s, GHashTable *indexed, int64_t id, uint64_t *ret_changed,
                      struct err *err)
{
    const struct failure_row *f = store_get_failure(s->store, id);
    const struct indexed *i = f ? g_hash_table_lookup(indexed, f->slug) : NULL;
    int r = 0;

    if (f && !(i && i->changed_at == f->changed_at && i->size == f->fixed_run_id))
        r = put_failure(s, f, ret_changed, err);
    if (f)
        g_hash_table_remove(indexed, f->slug);
    failure_row_unref(f);
    return r;
}

static int drop_rest(struct searcher *s, GHashTable *indexed, uint64_t *ret_changed, struct err *err)
{
    GHashTableIter iter;
    gpointer slug;
    int r = 0;

    g_hash_table_iter_init(&iter, indexed);
    while (r == 0 && g_hash_table_iter_next(&iter, &slug, NULL)) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, FAILURE_PATH "%s", (const char *)slug);
        ++*ret_changed;
        r = buf_ok(&path) ? documents_drop(s->documents, buf_str(&path), err) : -ENOMEM;
    }
    return r;
}

static int put_all(struct searcher *s, uint64_t *ret_changed, struct err *err)
{
    GHashTable *indexed = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
    int64_t ids[64];
    ssize_t n = 0;
    int r = documents_each(s->documents, note_indexed, indexed);

    for (int64_t after = 0; r == 0 && (n = store_list_failures(s->store, after, ids, ARRAY_LEN(ids))) > 0;
         after = ids[n - 1])
        for (ssize_t i = 0; r == 0 && i < n; i++)
            r = put_if_new(s, indexed, ids[i], ret_changed, err);
    if (r == 0 && n < 0)
        r = (int)n;
    if (r == 0)
        r = drop_rest(s, indexed, ret_changed, err);
    g_hash_table_destroy(indexed);
    return r;
}

/* -------------------------------------------------------------------------------------------------- keeping
 */

/* What was noted is this update's; one that fails looks at all the next time. */
static size_t take_dirty(struct failure_watch *w, int64_t *ids, bool *ret_all)
{
    pthread_mutex_lock(&w->lock);
    size_t n = w->n;
    memcpy(ids, w->ids, n * sizeof(*ids));
    *ret_all = w->all || w->deaf;
    w->n = 0;
    w->all = false;
    pthread_mutex_unlock(&w->lock);
    return n;
}

int failures_update(struct searcher *s, uint64_t *ret_changed, struct err *err)
{
    int64_t ids[DIRTY_MAX];
    bool all;
    size_t n = take_dirty(s->failures, ids, &all);

    if (n == 0 && !all)
        return 0;
    int r = documents_begin(s->documents, err);
    if (r == 0)
        r = all ? put_all(s, ret_changed, err) : put_ids(s, ids, n, ret_changed, err);
    if (r == 0)
        r = documents_commit(s->documents, err);
    else
        documents_rollback(s->documents);
    if (r < 0)
        failure_watch_forget(s->failures);
    return r;
}
