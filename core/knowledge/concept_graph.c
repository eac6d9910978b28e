/* Ranking by concepts: which of them the query and the documents name, and how they hang together. */
#include "runfs/automaton.h"
#include "search_internal.h"

enum { NAMED_MAX = 16, EXPANSIONS_MAX = 64 };

struct concept_graph {
    struct searcher *searcher;       /* borrowed */
    struct thesaurus *thesaurus;     /* borrowed */
    const struct concepts *concepts; /* its own */
    uint32_t named[NAMED_MAX];       /* by the query */
    size_t n_named;
    const struct mentions *documents[SEARCH_CANDIDATES_MAX]; /* the thesaurus's */
    size_t n_documents;
    bool ranked;
    uint32_t *edges[NAMED_MAX]; /* owned; with how many documents one of the query shares each */
};

static void name_concept(void *data, uint32_t page)
{
    struct concept_graph *g = data;

    for (size_t i = 0; i < g->n_named; i++)
        if (g->named[i] == page)
            return;
    if (g->n_named < NAMED_MAX)
        g->named[g->n_named++] = page;
}

int concept_graph_new(struct searcher *s, struct thesaurus *t, const char *query, struct concept_graph **ret)
{
    struct concept_graph *g = calloc(1, sizeof(*g));

    if (!g)
        return -ENOMEM;
    g->searcher = s;
    g->thesaurus = t;
    g->concepts = t->concepts;
    int r = automaton_match(g->concepts->automaton, query, strlen(query), name_concept, g);
    if (r < 0) {
        concept_graph_free(g);
        return r;
    }
    *ret = g;
    return 0;
}

void concept_graph_free(struct concept_graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < NAMED_MAX; i++)
        free(g->edges[i]);
    free(g);
}

void concept_graph_expand(const struct concept_graph *g, struct buf *ret, struct excerpt_words *words)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n_named; i++) {
        const struct concept_page *page = &g->concepts->pages[g->named[i]];
        for (size_t k = 0; k < page->n_synonyms && n < EXPANSIONS_MAX; k++, n++) {
            buf_adds(ret, " OR \"");
            excerpt_words(words, page->synonyms[k]);
            for (const char *c = page->synonyms[k]; *c; c++)
                buf_adds(ret, *c == '"' ? "\"\"" : (char[]){*c, '\0'});
            buf_adds(ret, "\"");
        }
    }
}

int concept_graph_add(struct concept_graph *g, int64_t document)
{
    if (g->n_documents == SEARCH_CANDIDATES_MAX)
        return -ENOMEM;
    int r = thesaurus_mentions(g->searcher, g->thesaurus, document, &g->documents[g->n_documents]);
    g->n_documents += r == 0 ? 1 : 0;
    return r;
}

static uint16_t count_of(const struct mentions *m, uint32_t concept)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->all[i].concept == concept)
            return m->all[i].count;
    return 0;
}

/* An edge of a concept to itself counts the documents that it is in. */
static void count_edges(struct concept_graph *g)
{
    g->ranked = true;
    for (size_t i = 0; i < g->n_named; i++) {
        g->edges[i] = calloc(g->concepts->n + 1, sizeof(*g->edges[i]));
        for (size_t d = 0; g->edges[i] && d < g->n_documents; d++) {
            const struct mentions *m = g->documents[d];
            bool named = count_of(m, g->named[i]) > 0;
            for (size_t k = 0; named && k < m->n; k++)
                g->edges[i][m->all[k].concept]++;
        }
    }
}

double concept_graph_rank(struct concept_graph *g, size_t document)
{
    double rank = 0;

    if (!g->ranked)
        count_edges(g);
    const struct mentions *m = document < g->n_documents ? g->documents[document] : NULL;
    for (size_t i = 0; m && i < g->n_named; i++) {
        uint16_t count = count_of(m, g->named[i]);
        rank += count;
        for (size_t k = 0; count && g->edges[i] && k < m->n; k++)
            rank += g->edges[i][m->all[k].concept];
    }
    return rank;
}
