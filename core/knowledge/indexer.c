/*
 * What takes long is done before anybody looks: files of roles are read into the index as soon as roles come,
 * and pictures of what runs and files teach are drawn once that is known.
 */
#include <time.h>

#include "knowledge_internal.h"
#include "runfs/concepts.h"
#include "runfs/log.h"
#include "runfs/proc.h"
#include "runfs/str.h"
#include "search_internal.h"

/* The i-th role: its files, and what they say of its concepts. 1: there are no more. */
static int index_role(struct searcher *s, size_t i, struct err *err)
{
    struct thesaurus *t = NULL;
    struct concept_map *map;
    int r = searcher_refresh(s, err);
    const struct role *role = r == 0 && i < s->roles.n ? s->roles.roles[i].role : NULL;

    if (r < 0 || !role)
        return r < 0 ? r : 1;
    if (role->kg)
        r = searcher_concepts(s, role, &t);
    if (r == 0)
        r = searcher_update(s, role, err);
    if (r == 0 && t && t->concepts)
        r = concept_map_get(s, t, role->name, &map);
    return r;
}

/* Whoever searches comes in between two roles. */
static void index_all(struct searcher *s)
{
    int r = 0;

    for (size_t i = 0; r == 0; i++) {
        struct err err = {0};
        r = searcher_lock(s, &err);
        if (r < 0)
            break;
        r = index_role(s, i, &err);
        searcher_unlock(s);
        if (r < 0 && r != -ECANCELED)
            log_warning("search", "%s", err.msg[0] ? err.msg : strerrordesc_np(-r));
    }
}

/* The name of the i-th role that has concepts, from 0 on. NULL: there are no more. */
static char *name_of(struct searcher *s, size_t i)
{
    const struct role *role = NULL;

    if (searcher_lock(s, NULL) < 0)
        return NULL;
    for (size_t k = 0; k < s->roles.n; k++)
        if (s->roles.roles[k].role->kg && i-- == 0)
            role = s->roles.roles[k].role;
    char *name = role ? strdup(role->name) : NULL;
    searcher_unlock(s);
    return name;
}

/* What cannot be drawn now is drawn when it is asked for. */
static void draw_roles(struct searcher *s)
{
    for (size_t i = 0;; i++) {
        _buf_ struct buf ignored = BUF_INIT;
        _free_ char *name = name_of(s, i);
        if (!name)
            return;
        (void)concepts_svg(s, name, &ignored);
    }
}

static bool is_stopping(void *data)
{
    return atomic_load(&((struct searcher *)data)->progress.stop);
}

enum { QUIET_SECONDS = 1 };

/* Under the lock. Whether nothing was learnt for a while, and there is nothing else to do. */
static bool is_quiet(struct searcher *s)
{
    uint64_t as_of = store_as_of(s->store, CHANGE_KNOWN_COMMAND);
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += QUIET_SECONDS;
    while (!is_stopping(s) && !s->stale && pthread_cond_timedwait(&s->work, &s->lock, &until) == 0)
        ;
    return !is_stopping(s) && !s->stale && as_of == store_as_of(s->store, CHANGE_KNOWN_COMMAND);
}

static void draw_commands(struct searcher *s)
{
    _buf_ struct buf ignored = BUF_INIT;
    int64_t one;

    if (store_list_known_commands(s->store, 0, &one, 1) == 1)
        (void)knowledge_graph_svg(s->store, &ignored);
}

/* The lock is given back meanwhile. */
static void unlocked(struct searcher *s, void (*work)(struct searcher *s))
{
    pthread_mutex_unlock(&s->lock);
    work(s);
    pthread_mutex_lock(&s->lock);
}

static void *index_loop(void *data)
{
    struct searcher *s = data;

    proc_until(is_stopping, s);
    pthread_mutex_lock(&s->lock);
    while (!is_stopping(s))
        if (s->stale) {
            s->stale = false;
            unlocked(s, index_all);
            if (!s->stale)
                unlocked(s, draw_roles);
        } else if (!atomic_load(&s->undrawn)) {
            pthread_cond_wait(&s->work, &s->lock);
        } else if (is_quiet(s)) {
            atomic_store(&s->undrawn, false);
            unlocked(s, draw_commands);
        }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void wake(struct searcher *s, bool stale)
{
    pthread_mutex_lock(&s->lock);
    s->stale |= stale;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

void indexer_told(void *data, bool settled)
{
    struct searcher *s = data;
    bool first = !atomic_exchange(&s->undrawn, true);

    if (settled || first)
        wake(s, settled);
}

enum { STOP_SECONDS = 2 };

/* What it does ends at once, but for a file system that does not answer. */
bool indexer_stop(struct searcher *s)
{
    struct timespec until;

    if (!s->indexing)
        return true;
    atomic_store(&s->progress.stop, true);
    wake(s, false);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    s->indexing = pthread_timedjoin_np(s->indexer, NULL, &until) != 0;
    if (s->indexing)
        log_warning("search",
                    "a file system that a role searches does not answer: its reading is left behind");
    return !s->indexing;
}

int searcher_index(struct searcher *s, struct err *err)
{
    s->stale = true;
    int r = pthread_create(&s->indexer, NULL, index_loop, s);
    s->indexing = r == 0;
    return r == 0 ? 0 : err_errno(err, -r, "cannot index in the background");
}

bool searcher_is_indexing(struct searcher *s, const char *name, size_t *ret_files)
{
    int r = searcher_look(s);
    bool is = false;

    if (r == 1) {
        const struct role *role = role_list_get(&s->seen, name);
        is = s->stale || !role || !g_hash_table_contains(s->current, role->name);
        if (ret_files)
            *ret_files = atomic_load(&s->progress.files);
        searcher_looked(s);
    } else if (r == 0) {
        pthread_mutex_lock(&s->lock);
        is = s->stale && s->indexing; /* it begins in a moment */
        pthread_mutex_unlock(&s->lock);
        searcher_unlock(s);
    }
    return is;
}
