/* Reads the files of roles into the index as soon as roles come, so that nobody's first look has to wait. */
#include "runfs/log.h"
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

static void *index_loop(void *data)
{
    struct searcher *s = data;

    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->progress.stop)) {
        if (!s->stale) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        s->stale = false;
        pthread_mutex_unlock(&s->lock);
        index_all(s);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void indexer_wake(void *data)
{
    struct searcher *s = data;

    pthread_mutex_lock(&s->lock);
    s->stale = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void indexer_stop(struct searcher *s)
{
    if (!s->indexing)
        return;
    atomic_store(&s->progress.stop, true);
    indexer_wake(s);
    pthread_join(s->indexer, NULL);
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
        searcher_unlock(s);
    }
    return is;
}
