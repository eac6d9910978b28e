/* Ranking by concepts: which of them the query and the documents name, and how they hang together. */
#include "runfs/automaton.h"
#include "search_internal.h"

enum { NAMED_MAX = 16, EXPANSIONS_MAX = 64 };

struct concept_graph {
    const struct concepts *concepts; /* borrowed */
    uint32_t named[NAMED_MAX];       /* by the query */
    size_t n_named;
    uint16_t *counts[SEARCH_CANDIDATES_MAX]; /* owned; how often each concept is in a document */
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

int concept_graph_new(const struct concepts *c, const char *query, struct concept_graph **ret)
{
    struct concept_graph *g = calloc(1, sizeof(*g));

    if (!g)
        return -ENOMEM;
    g->concepts = c;
    int r = automaton_match(c->automaton, query, strlen(query), name_concept, g);
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
    for (size_t i = 0; i < g->n_documents; i++)
        free(g->counts[i]);
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

static void count_concept(void *data, uint32_t page)
{
    uint16_t *counts = data;

    if (counts[page] < UINT16_MAX)
        counts[page]++;
}

int concept_graph_add(struct concept_graph *g, const struct document_found *f)
{
    uint16_t *counts = calloc(g->concepts->n + 1, sizeof(*counts));

    if (!counts || g->n_documents == SEARCH_CANDIDATES_MAX) {
        free(counts);
        return -ENOMEM;
    }
    g->counts[g->n_documents++] = counts;
    return automaton_match(g->concepts->automaton, f->d.body, strlen(f->d.body), count_concept, counts);
}

/* An edge of a concept to itself counts the documents that it is in. */
static void count_edges(struct concept_graph *g)
{
    g->ranked = true;
    for (size_t i = 0; i < g->n_named; i++) {
        g->edges[i] = calloc(g->concepts->n + 1, sizeof(*g->edges[i]));
        for (size_t d = 0; g->edges[i] && d < g->n_documents; d++)
            for (size_t c = 0; g->counts[d][g->named[i]] && c < g->concepts->n; c++)
                g->edges[i][c] += g->counts[d][c] > 0;
    }
}

double concept_graph_rank(struct concept_graph *g, size_t document)
{
    double rank = 0;

    if (!g->ranked)
        count_edges(g);
    const uint16_t *counts = document < g->n_documents ? g->counts[document] : NULL;
    for (size_t i = 0; counts && i < g->n_named; i++) {
        if (!counts[g->named[i]])
            continue;
        rank += counts[g->named[i]];
        for (size_t c = 0; g->edges[i] && c < g->concepts->n; c++)
            rank += counts[c] ? g->edges[i][c] : 0;
    }
    return rank;
}
