/* What is kept between two searches: the roles, the index of their files, their concepts. */
#include <time.h>

#include "runfs/str.h"
#include "search_internal.h"

enum { SEARCH_WAIT_SECONDS = 20 };

int searcher_new(struct store *st, struct searcher **ret, struct err *err)
{
    struct searcher *s = calloc(1, sizeof(*s));

    if (!s)
        return err_errno(err, -ENOMEM, "cannot search");
    s->store = st;
    s->as_of = 1;
    atomic_store(&s->undrawn, true);
    s->current = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    pthread_cond_init(&s->work, NULL);
    s->rows = row_watch_new(st, indexer_told, s);
    if (!s->rows) {
        searcher_free(s);
        return err_errno(err, -ENOMEM, "cannot search");
    }
    *ret = s;
    return 0;
}

/* ------------------------------------------------------------------------------------------- who has it */

/* Under the lock. Searching may have to look at the mount itself, which asks threads that may all be waiting
 * here. */
static int wait_until_free(struct searcher *s, bool or_reading)
{
    struct timespec until;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SEARCH_WAIT_SECONDS;
    while (r == 0 && s->busy && !(or_reading && s->reading))
        r = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    return s->busy && !(or_reading && s->reading) ? -EBUSY : 0;
}

int searcher_lock(struct searcher *s, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    int r = wait_until_free(s, false);
    bool reading = s->reading;
    if (r == 0)
        s->busy = true;
    pthread_mutex_unlock(&s->lock);
    if (r == 0)
        return 0;
    return reading ? err_set(err, r, "files are being indexed, %zu so far", atomic_load(&s->progress.files))
                   : err_set(err, r, "another search takes its time");
}

void searcher_unlock(struct searcher *s)
{
    pthread_mutex_lock(&s->lock);
    s->busy = s->reading = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

int searcher_look(struct searcher *s)
{
    pthread_mutex_lock(&s->lock);
    int r = wait_until_free(s, true);
    bool only = r == 0 && s->busy;
    if (only)
        r = role_list_refresh(&s->seen, s->store);
    if (only && r >= 0)
        return 1;
    if (r == 0)
        s->busy = true;
    pthread_mutex_unlock(&s->lock);
    return r;
}

void searcher_looked(struct searcher *s)
{
    pthread_mutex_unlock(&s->lock);
}

/* From here to the unlocking, roles and pages stay as they are. */
static void begin_reading(struct searcher *s)
{
    pthread_mutex_lock(&s->lock);
    if (!s->reading)
        atomic_store(&s->progress.files, 0);
    s->reading = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* role NULL: of none of them all files were read. */
static void set_current(struct searcher *s, const char *role)
{
    char *name = role ? strdup(role) : NULL;

    pthread_mutex_lock(&s->lock);
    if (!role)
        g_hash_table_remove_all(s->current);
    else if (name)
        g_hash_table_add(s->current, name);
    pthread_mutex_unlock(&s->lock);
}

/* ------------------------------------------------------------------------------------------------- places */

static void place_free(struct place *p)
{
    watch_free(p->watch);
    arena_release(&p->arena);
    free(p);
}

void places_free(struct place **list, bool unwanted_only)
{
    while (*list) {
        struct place *p = *list;
        if (unwanted_only && p->wanted) {
            list = &p->next;
            continue;
        }
        *list = p->next;
        place_free(p);
    }
}

static bool same_patterns(const struct haystack *a, const struct haystack *b)
{
    bool same = a->n_patterns == b->n_patterns;

    for (size_t i = 0; same && i < a->n_patterns; i++)
        same = str_eq(a->patterns[i], b->patterns[i]);
    return same;
}

static struct place *place_new(const struct haystack *h, const char *root)
{
    struct place *p = calloc(1, sizeof(*p));
    const char **patterns = p ? arena_array(&p->arena, const char *, h->n_patterns + 1) : NULL;
    bool ok = patterns && (p->root = arena_strdup(&p->arena, root)) && (p->watch = watch_new(root));

    for (size_t i = 0; ok && i < h->n_patterns; i++)
        ok = (patterns[i] = arena_strdup(&p->arena, h->patterns[i])) != NULL;
    if (!ok) {
        if (p)
            place_free(p);
        return NULL;
    }
    p->haystack = (struct haystack){.location = p->root, .patterns = patterns, .n_patterns = h->n_patterns};
    return p;
}

struct place *place_get(struct place **list, const struct haystack *h, const char *root)
{
    for (; *list; list = &(*list)->next)
        if (str_eq((*list)->root, root) && same_patterns(&(*list)->haystack, h))
            return *list;
    return *list = place_new(h, root);
}

/* ------------------------------------------------------------------------------------------------ settings
 */

bool searcher_free(struct searcher *s)
{
    if (!s)
        return true;
    if (!indexer_stop(s))
        return false;
    row_watch_free(s->rows);
    role_list_release(&s->roles);
    role_list_release(&s->seen);
    thesauri_free(s);
    places_free(&s->places, false);
    documents_close(s->documents);
    g_hash_table_destroy(s->current);
    pthread_cond_destroy(&s->changed);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return true;
}

static uint64_t mix(uint64_t stamp, int64_t value)
{
    return (stamp ^ (uint64_t)value) * 0x9e3779b97f4a7c15u;
}

/* Another number whenever a linked repository came, went or changed. */
static uint64_t repos_stamp(struct store *st)
{
    uint64_t stamp = 1;
    int64_t id = 0;

    while (store_list_repos(st, id, &id, 1) == 1) {
        const struct repo_row *row = store_get_repo(st, id);
        stamp = mix(mix(stamp, id), row ? row->changed_at : 0);
        repo_row_unref(row);
    }
    return stamp;
}

int searcher_refresh(struct searcher *s, struct err *err)
{
    uint64_t as_of = store_as_of(s->store, CHANGE_REPO);
    uint64_t stamp = as_of == s->repos_as_of ? s->repos_stamp : repos_stamp(s->store);
    int r = role_list_refresh(&s->roles, s->store);

    if (r < 0)
        return err_errno(err, r, "cannot read the roles");
    s->repos_as_of = as_of;
    if (r == 0 && stamp == s->repos_stamp)
        return 0;
    thesauri_free(s);
    set_current(s, NULL);
    s->swept = false;
    s->as_of++;
    s->repos_stamp = stamp;
    return 0;
}

/* --------------------------------------------------------------------------------------------------- files
 */

struct update {
    struct searcher *s;
    const struct haystack *haystack;
    uint64_t changed;
    bool only_mark; /* which places roles have */
    struct err *err;
};

static int update_root(void *data, const char *root)
{
    struct update *u = data;
    struct place *p = place_get(&u->s->places, u->haystack, root);

    if (!p)
        return err_errno(u->err, -ENOMEM, "search");
    p->wanted = true;
    if (u->only_mark || index_is_stopped(&u->s->progress))
        return u->only_mark ? 0 : -ECANCELED;
    p->round = u->s->round;
    return haystack_update(u->s->documents, &p->haystack, root, p->watch, &u->s->progress, &u->changed,
                           u->err);
}

static int update_role(struct update *u, const struct role *role)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < role->n_haystacks; i++) {
        u->haystack = &role->haystacks[i];
        r = haystack_each_root(u->s->store, u->haystack, update_root, u);
    }
    return r;
}

struct sweep {
    struct update u;
    struct buf gone; /* paths, each with its NUL */
};

static int take_unwanted(void *data, const struct known_document *known)
{
    struct sweep *w = data;

    if (!known->path)
        return -ENOMEM;
    if (is_row_path(known->path))
        return 0;
    for (const struct place *p = w->u.s->places; p; p = p->next)
        if (haystack_has(&p->haystack, p->root, known->path))
            return 0;
    buf_add(&w->gone, known->path, strlen(known->path) + 1);
    return buf_ok(&w->gone) ? 0 : -ENOMEM;
}

static int drop_all(struct searcher *s, const struct buf *paths, struct err *err)
{
    const char *end = buf_str(paths) + paths->len;
    int r = documents_begin(s->documents, err);

    for (const char *path = buf_str(paths); r == 0 && path < end; path += strlen(path) + 1)
        r = documents_drop(s->documents, path, err);
    if (r == 0)
        return documents_commit(s->documents, err);
    documents_rollback(s->documents);
    return r;
}

/* Drops what no role asks for any more. */
static int sweep(struct searcher *s, struct err *err)
{
    struct sweep w = {.u = {.s = s, .only_mark = true, .err = err}};
    int r = 0;

    for (struct place *p = s->places; p; p = p->next)
        p->wanted = false;
    for (size_t i = 0; r == 0 && i < s->roles.n_files; i++)
        for (size_t k = 0; r == 0 && k < s->roles.files[i].n; k++)
            r = update_role(&w.u, &s->roles.files[i].roles[k]);
    if (r == 0) {
        places_free(&s->places, true);
        r = documents_each(s->documents, take_unwanted, &w);
    }
    if (r == 0 && w.gone.len)
        r = drop_all(s, &w.gone, err);
    s->swept = r == 0;
    buf_release(&w.gone);
    return r;
}

bool searcher_has(const struct searcher *s, const char *path)
{
    if (is_row_path(path))
        return true;
    for (const struct place *p = s->places; p; p = p->next)
        if (p->round == s->round && haystack_has(&p->haystack, p->root, path))
            return true;
    return false;
}

static void take_documents(struct searcher *s)
{
    documents_tell(s->documents, thesauri_forget, s);
    documents_until(s->documents, &s->progress.stop);
}

int searcher_update(struct searcher *s, const struct role *role, struct err *err)
{
    struct update u = {.s = s, .err = err};
    int r = 0;

    begin_reading(s);
    if (s->damaged) {
        set_current(s, NULL);
        documents_close(TAKE(s->documents));
        places_free(&s->places, false);
        thesauri_forget_all(s);
        row_watch_forget(s->rows);
    }
    if (!s->documents) {
        r = documents_open(store_dir(s->store), s->damaged, &s->documents, err);
        if (r == 0)
            take_documents(s);
    }
    if (r == 0)
        s->damaged = false;
    if (r == 0 && !s->swept)
        r = sweep(s, err);
    s->round++;
    if (r == 0 && role)
        r = update_role(&u, role);
    if (r == 0)
        r = rows_update(s, &u.changed, err);
    if (r == 0 && u.changed)
        s->as_of++;
    if (r == 0 && role)
        set_current(s, role->name);
    s->damaged |= r == -EIO; /* what is damaged is made again from the files by the next search */
    return r;
}
