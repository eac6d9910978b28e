/* Ranking by concepts: which of them the query and the documents name, and how they hang together. */
#include "runfs/automaton.h"
#include "runfs/search.h"
#include "runfs/str.h"

enum { NAMED_MAX = 16, EXPANSIONS_MAX = 64 };

struct concept_graph {
    struct concept_page pages[CONCEPTS_MAX]; /* owned */
    size_t n;
    struct automaton *automaton; /* owned; values are indices of pages */
    uint32_t named[NAMED_MAX];   /* by the query */
    size_t n_named;
    uint16_t *counts[SEARCH_CANDIDATES_MAX]; /* owned; how often each concept is in a document */
    size_t n_documents;
    bool ranked;
    uint32_t *edges[NAMED_MAX]; /* owned; with how many documents one of the query shares each */
};

static int read_page(void *data, const char *path, const struct stat *file)
{
    struct concept_graph *g = data;
    _buf_ struct buf text = BUF_INIT;
    struct stat now;

    (void)file;
    if (g->n == CONCEPTS_MAX)
        return 1;
    if (haystack_text(path, CONCEPT_SIZE_MAX, &text, &now) < 0 || !text.len)
        return 0;
    int r = concept_read(strrchr(path, '/') + 1, buf_str(&text), text.len, &g->pages[g->n]);
    if (r == 0)
        g->n++;
    else
        concept_page_release(&g->pages[g->n]);
    return r == -ENOENT ? 0 : r;
}

static const char *const page_names[] = {"*.md", "*.markdown"};
static const struct haystack pages_at = {.patterns = page_names, .n_patterns = ARRAY_LEN(page_names)};

static int read_pages(void *data, const char *root)
{
    return haystack_each_file(&pages_at, root, read_page, data);
}

static int compile(struct concept_graph *g)
{
    size_t n = 0, max = 0;

    for (size_t i = 0; i < g->n; i++)
        max += g->pages[i].n_synonyms;
    _free_ struct automaton_term *terms = calloc(max + 1, sizeof(*terms));
    if (!terms)
        return -ENOMEM;
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->pages[i].n_synonyms; k++)
            terms[n++] = (struct automaton_term){g->pages[i].synonyms[k], (uint32_t)i};
    return automaton_new(terms, n, &g->automaton);
}

static void name_concept(void *data, uint32_t page)
{
    struct concept_graph *g = data;

    for (size_t i = 0; i < g->n_named; i++)
        if (g->named[i] == page)
            return;
    if (g->n_named < NAMED_MAX)
        g->named[g->n_named++] = page;
}

int concept_graph_new(struct store *st, const char *kg, const char *query, struct concept_graph **ret)
{
    struct concept_graph *g = calloc(1, sizeof(*g));
    struct haystack at = pages_at;

    if (!g)
        return -ENOMEM;
    at.location = kg;
    int r = haystack_each_root(st, &at, read_pages, g);
    if (r >= 0)
        r = compile(g);
    if (r == 0)
        r = automaton_match(g->automaton, query, strlen(query), name_concept, g);
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
    for (size_t i = 0; i <= g->n && i < CONCEPTS_MAX; i++)
        concept_page_release(&g->pages[i]);
    for (size_t i = 0; i < g->n_documents; i++)
        free(g->counts[i]);
    for (size_t i = 0; i < NAMED_MAX; i++)
        free(g->edges[i]);
    automaton_free(g->automaton);
    free(g);
}

void concept_graph_expand(const struct concept_graph *g, struct buf *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n_named; i++) {
        const struct concept_page *page = &g->pages[g->named[i]];
        for (size_t k = 0; k < page->n_synonyms && n < EXPANSIONS_MAX; k++, n++) {
            buf_adds(ret, " OR \"");
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
    uint16_t *counts = calloc(g->n + 1, sizeof(*counts));

    if (!counts || g->n_documents == SEARCH_CANDIDATES_MAX) {
        free(counts);
        return -ENOMEM;
    }
    g->counts[g->n_documents++] = counts;
    return automaton_match(g->automaton, f->d.body, strlen(f->d.body), count_concept, counts);
}

/* An edge of a concept to itself counts the documents that it is in. */
static void count_edges(struct concept_graph *g)
{
    g->ranked = true;
    for (size_t i = 0; i < g->n_named; i++) {
        g->edges[i] = calloc(g->n + 1, sizeof(*g->edges[i]));
        for (size_t d = 0; g->edges[i] && d < g->n_documents; d++)
            for (size_t c = 0; g->counts[d][g->named[i]] && c < g->n; c++)
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
        for (size_t c = 0; g->edges[i] && c < g->n; c++)
            rank += counts[c] ? g->edges[i][c] : 0;
    }
    return rank;
}
