/* The concepts of roles as long as nothing changes where they are written, and which documents name them. */
#include <glib.h>

#include "runfs/automaton.h"
#include "runfs/str.h"
#include "search_internal.h"

static void forget_documents(struct thesaurus *t)
{
    concept_maps_free(&t->maps);
    if (t->mentions)
        g_hash_table_remove_all(t->mentions);
}

static void forget_concepts(struct thesaurus *t)
{
    forget_documents(t);
    concepts_free(t->concepts);
    t->concepts = NULL;
}

void thesauri_free(struct searcher *s)
{
    while (s->thesauri) {
        struct thesaurus *t = s->thesauri;
        s->thesauri = t->next;
        forget_concepts(t);
        g_hash_table_destroy(t->mentions);
        places_free(&t->places, false);
        free(t->kg);
        free(t);
    }
}

void thesauri_forget(void *data, int64_t id)
{
    struct searcher *s = data;

    for (struct thesaurus *t = s->thesauri; t; t = t->next) {
        concept_maps_free(&t->maps);
        g_hash_table_remove(t->mentions, &id);
    }
}

void thesauri_forget_all(struct searcher *s)
{
    for (struct thesaurus *t = s->thesauri; t; t = t->next)
        forget_documents(t);
}

/* ------------------------------------------------------------------------------------------------ concepts
 */

struct look {
    struct searcher *s;
    struct thesaurus *thesaurus;
    struct place *place;
    bool changed;
    size_t roots;
};

static int note_page(void *data, const char *path)
{
    struct look *look = data;

    look->changed |= concepts_is_page(look->place->root, path);
    return 0;
}

static int look_at_root(void *data, const char *root)
{
    static const struct haystack any = {0};
    struct look *look = data;

    look->place = place_get(&look->thesaurus->places, &any, root);
    if (!look->place)
        return -ENOMEM;
    look->place->round = look->s->round;
    look->roots++;
    int r = watch_look(look->place->watch, note_page, look);
    look->changed |= r == 1;
    return r < 0 ? r : 0;
}

static int read_concepts(struct searcher *s, struct thesaurus *t)
{
    struct concepts *new = calloc(1, sizeof(*new));
    int r = new ? 0 : -ENOMEM;

    for (struct place *p = t->places; r == 0 && p; p = p->next)
        if (p->round == s->round)
            r = concepts_read(new, p->root, p->watch, &s->progress);
    if (r == 0)
        r = concepts_compile(new);
    forget_concepts(t);
    t->concepts = r == 0 ? TAKE(new) : NULL;
    concepts_free(new);
    s->as_of++;
    return r;
}

struct thesaurus *thesaurus_of(const struct searcher *s, const char *kg)
{
    struct thesaurus *t = s->thesauri;

    while (t && !str_eq(t->kg, kg))
        t = t->next;
    return t;
}

static struct thesaurus *get_thesaurus(struct searcher *s, const char *kg)
{
    struct thesaurus *t = thesaurus_of(s, kg);

    if (t)
        return t;
    t = calloc(1, sizeof(*t));
    if (!t || !(t->kg = strdup(kg))) {
        free(t);
        return NULL;
    }
    t->mentions = g_hash_table_new_full(g_int64_hash, g_int64_equal, free, free);
    t->next = s->thesauri;
    return s->thesauri = t;
}

int searcher_concepts(struct searcher *s, const struct role *role, struct thesaurus **ret)
{
    struct look look = {.s = s, .thesaurus = get_thesaurus(s, role->kg)};
    const struct haystack at = {.location = role->kg};

    if (!look.thesaurus)
        return -ENOMEM;
    s->round++;
    int r = haystack_each_root(s->store, &at, look_at_root, &look);
    look.changed |= !look.thesaurus->concepts || look.roots != look.thesaurus->n_roots;
    look.thesaurus->n_roots = look.roots;
    if (r == 0 && look.changed)
        r = read_concepts(s, look.thesaurus);
    *ret = look.thesaurus;
    return r;
}

/* ------------------------------------------------------------------------------------------------ mentions
 */

struct tally {
    uint16_t counts[CONCEPTS_MAX];
    uint16_t met[CONCEPTS_MAX]; /* which of them are not 0 */
    size_t n;
};

static void count_mention(void *data, uint32_t concept)
{
    struct tally *t = data;

    if (!t->counts[concept])
    t->met[t->n++] = (uint16_t) concept;
    if (t->counts[concept] < UINT16_MAX)
        t->counts[concept]++;
}

static int match_text(const struct concepts *c, const struct buf *text, struct mentions **ret)
{
    struct tally tally;

    memset(tally.counts, 0, sizeof(tally.counts));
    tally.n = 0;
    int r = automaton_match(c->automaton, buf_str(text), text->len, count_mention, &tally);
    struct mentions *m = r == 0 ? malloc(sizeof(*m) + tally.n * sizeof(m->all[0])) : NULL;
    if (!m)
        return -ENOMEM;
    m->n = tally.n;
    for (size_t i = 0; i < tally.n; i++)
        m->all[i] = (struct mention){tally.met[i], tally.counts[tally.met[i]]};
    *ret = m;
    return 0;
}

int thesaurus_mentions(struct searcher *s, struct thesaurus *t, int64_t id, const struct mentions **ret)
{
    _buf_ struct buf body = BUF_INIT;
    struct mentions *new = NULL;

    *ret = g_hash_table_lookup(t->mentions, &id);
    if (*ret)
        return 0;
    int64_t *key = malloc(sizeof(*key));
    int r = key ? documents_body(s->documents, id, &body) : -ENOMEM;
    if (r == 0)
        r = buf_ok(&body) ? match_text(t->concepts, &body, &new) : -ENOMEM;
    if (r < 0) {
        free(key);
        return r;
    }
    *key = id;
    g_hash_table_insert(t->mentions, key, new);
    *ret = new;
    return 0;
}
