/* A role's documents by the concepts that they name: which are a concept's, and what stands with it. */
#include "runfs/concepts.h"

#include "runfs/io.h"
#include "runfs/str.h"
#include "search_internal.h"

struct known_concept {
    struct arena arena;
    struct concept_view view;
};

struct concept_map {
    char *role; /* owned: its name */
    uint64_t as_of;
    int64_t looked_at;                /* mono_ns */
    int64_t *documents;               /* owned */
    const struct mentions **mentions; /* owned; the thesaurus's, of each document */
    size_t n_documents, cap;
    size_t starts[CONCEPTS_MAX + 1];           /* where the documents of each concept begin in that: */
    uint32_t *by_concept;                      /* owned: indices of documents */
    struct known_concept *known[CONCEPTS_MAX]; /* owned; NULL: nobody asked yet */
    struct concept_map *next;
};

static void known_free(struct known_concept *k)
{
    if (k)
        arena_release(&k->arena);
    free(k);
}

static void map_free(struct concept_map *m)
{
    for (size_t i = 0; i < CONCEPTS_MAX; i++)
        known_free(m->known[i]);
    free(m->by_concept);
    free(m->mentions);
    free(m->documents);
    free(m->role);
    free(m);
}

void concept_maps_free(struct concept_map **list)
{
    while (*list) {
        struct concept_map *m = *list;
        *list = m->next;
        map_free(m);
    }
}

/* ------------------------------------------------------------------------------------------------ making it
 */

struct making {
    const struct searcher *searcher;
    struct concept_map *map;
};

static int take_document(void *data, const struct known_document *known)
{
    struct making *making = data;
    struct concept_map *m = making->map;

    if (!known->path)
        return -ENOMEM;
    if (!searcher_has(making->searcher, known->path) ||
        (is_row_path(known->path) && row_kind_of(known->path) != &row_kinds[ROW_FAILURES]))
        return 0;
    if (m->n_documents == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 256;
        int64_t *more = reallocarray(m->documents, cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        m->documents = more;
        m->cap = cap;
    }
    m->documents[m->n_documents++] = known->id;
    return 0;
}

static int read_mentions(struct searcher *s, struct thesaurus *t, struct concept_map *m)
{
    int r = 0;

    m->mentions = calloc(m->n_documents + 1, sizeof(const struct mentions *));
    for (size_t i = 0; m->mentions && r == 0 && i < m->n_documents; i++)
        r = index_is_stopped(&s->progress) ? -ECANCELED
                                           : thesaurus_mentions(s, t, m->documents[i], &m->mentions[i]);
    return m->mentions ? r : -ENOMEM;
}

static int sort_documents(struct concept_map *m, size_t n_concepts)
{
    size_t at[CONCEPTS_MAX], n = 0;

    for (size_t i = 0; i < m->n_documents; i++)
        for (size_t k = 0; k < m->mentions[i]->n; k++)
            m->starts[m->mentions[i]->all[k].concept + 1]++;
    for (size_t c = 0; c < n_concepts; c++) {
        n += m->starts[c + 1];
        m->starts[c + 1] = n;
        at[c] = m->starts[c];
    }
    m->by_concept = calloc(n + 1, sizeof(*m->by_concept));
    for (size_t i = 0; m->by_concept && i < m->n_documents; i++)
        for (size_t k = 0; k < m->mentions[i]->n; k++)
            m->by_concept[at[m->mentions[i]->all[k].concept]++] = (uint32_t)i;
    return m->by_concept ? 0 : -ENOMEM;
}

static int make_map(struct searcher *s, struct thesaurus *t, const char *role, struct concept_map **ret)
{
    struct concept_map *m = calloc(1, sizeof(*m));
    int r = m && (m->role = strdup(role)) ? 0 : -ENOMEM;

    if (r == 0)
        r = documents_each(s->documents, take_document, &(struct making){s, m});
    if (r == 0)
        r = read_mentions(s, t, m);
    if (r == 0)
        r = sort_documents(m, t->concepts->n);
    if (r == 0) {
        m->as_of = s->as_of;
        *ret = m;
    } else if (m) {
        map_free(m);
    }
    return r;
}

int concept_map_get(struct searcher *s, struct thesaurus *t, const char *role, struct concept_map **ret)
{
    struct concept_map **at = &t->maps;

    while (*at && !str_eq((*at)->role, role))
        at = &(*at)->next;
    if (*at && (*at)->as_of == s->as_of) {
        *ret = *at;
        return 0;
    }
    if (*at) {
        struct concept_map *old = *at;
        *at = old->next;
        map_free(old);
    }
    int r = make_map(s, t, role, ret);
    if (r == 0) {
        (*ret)->next = t->maps;
        t->maps = *ret;
    }
    return r;
}

/* ---------------------------------------------------------------------------------------- of one concept */

struct ranked {
    double rank;
    uint32_t which; /* document, or concept */
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->rank != y->rank ? (x->rank < y->rank) - (x->rank > y->rank)
                              : (x->which > y->which) - (x->which < y->which);
}

/* In how many of the documents that name it each concept is. */
static void count_edges(const struct concept_map *m, size_t concept, uint32_t *ret)
{
    for (size_t i = m->starts[concept]; i < m->starts[concept + 1]; i++) {
        const struct mentions *all = m->mentions[m->by_concept[i]];
        for (size_t k = 0; k < all->n; k++)
            ret[all->all[k].concept]++;
    }
}

static int keep_edges(struct known_concept *known, const struct concepts *c, size_t concept,
                      const uint32_t *edges)
{
    struct ranked ranked[CONCEPTS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        if (edges[i] && i != concept)
            ranked[n++] = (struct ranked){edges[i], (uint32_t)i};
    qsort(ranked, n, sizeof(ranked[0]), by_rank);
    n = n < CONCEPT_EDGES_MAX ? n : CONCEPT_EDGES_MAX;
    struct concept_edge *kept = arena_array(&known->arena, struct concept_edge, n + 1);
    for (size_t i = 0; kept && i < n; i++) {
        const struct concept_id *id = &c->ids[ranked[i].which];
        kept[i] = (struct concept_edge){id->id, id->slug, edges[ranked[i].which]};
    }
    known->view.edges = kept;
    known->view.n_edges = n;
    return kept ? 0 : -ENOMEM;
}

/* As searching ranks by one concept, but over all documents: how often it is named, and for each concept that
 * stands with it, in how many documents they do. */
static double rank_of(const struct mentions *all, size_t concept, const uint32_t *edges)
{
    double rank = 0;

    for (size_t k = 0; k < all->n; k++)
        rank += edges[all->all[k].concept] + (all->all[k].concept == concept ? all->all[k].count : 0);
    return rank;
}

static int name_document(struct searcher *s, struct known_concept *known, int64_t id,
                         struct concept_document *ret)
{
    _buf_ struct buf path = BUF_INIT, title = BUF_INIT;
    int r = documents_name(s->documents, id, &path, &title);

    ret->path = arena_strdup(&known->arena, buf_str(&path));
    ret->title = arena_strdup(&known->arena, buf_str(&title));
    return r == 0 && !(buf_ok(&path) && buf_ok(&title) && ret->path && ret->title) ? -ENOMEM : r;
}

static int keep_documents(struct searcher *s, struct known_concept *known, const struct concept_map *m,
                          size_t concept, const uint32_t *edges)
{
    size_t n = m->starts[concept + 1] - m->starts[concept];
    _free_ struct ranked *ranked = calloc(n + 1, sizeof(*ranked));
    int r = 0;

    for (size_t i = 0; ranked && i < n; i++) {
        uint32_t document = m->by_concept[m->starts[concept] + i];
        ranked[i] = (struct ranked){rank_of(m->mentions[document], concept, edges), document};
    }
    if (ranked)
        qsort(ranked, n, sizeof(*ranked), by_rank);
    known->view.n_documents = n;
    n = n < CONCEPT_DOCUMENTS_MAX ? n : CONCEPT_DOCUMENTS_MAX;
    struct concept_document *kept = arena_array(&known->arena, struct concept_document, n + 1);
    for (size_t i = 0; ranked && kept && r == 0 && i < n; i++) {
        kept[i].rank = ranked[i].rank;
        r = name_document(s, known, m->documents[ranked[i].which], &kept[i]);
    }
    known->view.documents = kept;
    known->view.n_ranked = n;
    return ranked && kept ? r : -ENOMEM;
}

static void view_page(const struct concepts *c, size_t i, struct concept_view *ret)
{
    *ret = (struct concept_view){.id = c->ids[i].id,
                                 .slug = c->ids[i].slug,
                                 .name = c->pages[i].name,
                                 .path = c->pages[i].path,
                                 .synonyms = c->pages[i].synonyms,
                                 .n_synonyms = c->pages[i].n_synonyms};
}

static int get_known(struct searcher *s, const struct concepts *c, struct concept_map *m, size_t concept,
                     const struct concept_view **ret)
{
    if (!m->known[concept]) {
        struct known_concept *new = calloc(1, sizeof(*new));
        _free_ uint32_t *edges = calloc(c->n + 1, sizeof(*edges));
        int r = new &&edges ? 0 : -ENOMEM;
        if (r == 0) {
            view_page(c, concept, &new->view);
            count_edges(m, concept, edges);
            r = keep_edges(new, c, concept, edges);
        }
        if (r == 0)
            r = keep_documents(s, new, m, concept, edges);
        if (r < 0) {
            known_free(new);
            return r;
        }
        m->known[concept] = new;
    }
    *ret = &m->known[concept]->view;
    return 0;
}

/* -------------------------------------------------------------------------------------------------- asking
 */

enum { SEEN_NS = 500 * 1000 * 1000 };

/* The thesaurus of a role, and the role; -ENOENT: it has none. only: another thread reads files; -ESTALE: it
 * has to be waited for. */
static int get_thesaurus(struct searcher *s, const char *name, enum concept_part part, bool only,
                         struct thesaurus **ret, const struct role **ret_role)
{
    bool known = only || part == CONCEPT_KNOWN || part == CONCEPT_SEEN;
    int r = known ? 0 : searcher_refresh(s, NULL);
    const struct role *role = r == 0 ? role_list_get(only ? &s->seen : &s->roles, name) : NULL;

    if (r < 0 || !role || !role->kg)
        return r < 0 ? r : -ENOENT;
    *ret_role = role;
    if (known)
        *ret = thesaurus_of(s, role->kg);
    else
        r = searcher_concepts(s, role, ret);
    return r == 0 && !(*ret && (*ret)->concepts) ? (only ? -ESTALE : -ENOENT) : r;
}

/* What was looked at a moment ago, as it was then. */
static struct known_concept *get_seen(struct thesaurus *t, const char *role, size_t concept)
{
    struct concept_map *m = t->maps;

    while (m && !str_eq(m->role, role))
        m = m->next;
    return m && mono_ns() - m->looked_at < SEEN_NS ? m->known[concept] : NULL;
}

static int look(struct searcher *s, const char *name, int64_t id, enum concept_part part, bool only,
                concept_fn *fn, void *data)
{
    const struct role *role = NULL;
    struct thesaurus *t = NULL;
    struct concept_map *map = NULL;
    struct concept_view page;
    const struct concept_view *view = &page;
    int r = get_thesaurus(s, name, part, only, &t, &role);

    if (r < 0)
        return r;
    size_t behind = concepts_behind(t->concepts, id - 1);
    size_t i = behind < t->concepts->n ? t->concepts->by_id[behind] : 0;
    if (behind == t->concepts->n || t->concepts->ids[i].id != id)
        return -ENOENT;
    view_page(t->concepts, i, &page);
    struct known_concept *seen = part == CONCEPT_SEEN ? get_seen(t, role->name, i) : NULL;
    if (part == CONCEPT_SEEN && !seen)
        return -ESTALE;
    if (seen)
        view = &seen->view;
    if (part == CONCEPT_WHOLE)
        r = searcher_update(s, role, NULL);
    if (r == 0 && part == CONCEPT_WHOLE)
        r = concept_map_get(s, t, role->name, &map);
    if (r == 0 && map) {
        map->looked_at = mono_ns();
        r = get_known(s, t->concepts, map, i, &view);
    }
    if (r == 0)
        fn(data, view);
    return r;
}

static bool can_look(enum concept_part part)
{
    return part == CONCEPT_KNOWN || part == CONCEPT_PAGE;
}

/* Whoever only looks does not wait for files that are being read. What is not known there, they wait for. */
static int look_only(struct searcher *s, const char *role, int64_t id, enum concept_part part, concept_fn *fn,
                     void *data)
{
    int r = searcher_look(s);

    if (r < 0)
        return r;
    bool only = r == 1;
    r = look(s, role, id, part, only, fn, data);
    if (only)
        searcher_looked(s);
    else
        searcher_unlock(s);
    return only && r == -ENOENT ? -ESTALE : r;
}

int concept_look(struct searcher *s, const char *role, int64_t id, enum concept_part part, concept_fn *fn,
                 void *data)
{
    int r = can_look(part) ? look_only(s, role, id, part, fn, data) : -ESTALE;

    if (r != -ESTALE)
        return r;
    r = searcher_lock(s, NULL);
    if (r < 0)
        return r;
    r = look(s, role, id, part, false, fn, data);
    if (r == -ESTALE || (r == -ENOENT && part == CONCEPT_SEEN))
        r = look(s, role, id, CONCEPT_WHOLE, false, fn, data);
    searcher_unlock(s);
    return r;
}

static int each(struct searcher *s, const char *name, size_t max, concept_fn *fn, void *data)
{
    const struct role *role = NULL;
    struct thesaurus *t = NULL;
    struct concept_map *map = NULL;
    struct ranked ranked[CONCEPTS_MAX];
    size_t n = 0;
    int r = get_thesaurus(s, name, CONCEPT_WHOLE, false, &t, &role);

    if (r == 0)
        r = searcher_update(s, role, NULL);
    if (r == 0)
        r = concept_map_get(s, t, role->name, &map);
    for (size_t i = 0; r == 0 && i < t->concepts->n; i++)
        if (map->starts[i + 1] > map->starts[i])
            ranked[n++] = (struct ranked){(double)(map->starts[i + 1] - map->starts[i]), (uint32_t)i};
    qsort(ranked, n, sizeof(ranked[0]), by_rank);
    for (size_t i = 0; r == 0 && i < n && i < max; i++) {
        const struct concept_view *view = NULL;
        r = get_known(s, t->concepts, map, ranked[i].which, &view);
        if (r == 0)
            fn(data, view);
    }
    return r;
}

int concept_each(struct searcher *s, const char *role, size_t max, concept_fn *fn, void *data)
{
    int r = searcher_lock(s, NULL);

    if (r < 0)
        return r;
    r = each(s, role, max, fn, data);
    searcher_unlock(s);
    return r;
}

/* Runs fn with a role's concepts, first as they are known where files are being read. */
typedef ssize_t concepts_fn(const struct concepts *c, void *data);
static ssize_t with_concepts(struct searcher *s, const char *name, enum concept_part part, concepts_fn *fn,
                             void *data)
{
    const struct role *role = NULL;
    struct thesaurus *t = NULL;
    int r = searcher_look(s);
    ssize_t n = -1;

    if (r == 1) {
        r = get_thesaurus(s, name, part, true, &t, &role);
        n = r == 0 ? fn(t->concepts, data) : r;
        searcher_looked(s);
        if (n >= 0 || r == -ENOENT)
            return n;
        r = searcher_lock(s, NULL);
    }
    if (r < 0)
        return r;
    r = get_thesaurus(s, name, part, false, &t, &role);
    n = r == 0 ? fn(t->concepts, data) : r;
    searcher_unlock(s);
    return n;
}

struct finding {
    const char *slug;
    int64_t id;
};

static ssize_t find_slug(const struct concepts *c, void *data)
{
    struct finding *f = data;
    ssize_t i = concepts_by_slug(c, f->slug);

    f->id = i < 0 ? 0 : c->ids[i].id;
    return i;
}

int64_t concept_find(struct searcher *s, const char *name, const char *slug)
{
    struct finding f = {.slug = slug};

    (void)with_concepts(s, name, CONCEPT_PAGE, find_slug, &f);
    return f.id;
}

struct listing {
    int64_t after, *ids;
    size_t max;
};

static ssize_t list_ids(const struct concepts *c, void *data)
{
    const struct listing *l = data;
    size_t n = 0;

    for (size_t i = concepts_behind(c, l->after); i < c->n && n < l->max; i++)
        l->ids[n++] = c->ids[c->by_id[i]].id;
    return (ssize_t)n;
}

ssize_t concept_list(struct searcher *s, const char *name, int64_t after, int64_t *ids, size_t max)
{
    ssize_t n = with_concepts(s, name, after ? CONCEPT_KNOWN : CONCEPT_PAGE, list_ids,
                              &(struct listing){after, ids, max});

    return n == -ENOENT ? 0 : n;
}
