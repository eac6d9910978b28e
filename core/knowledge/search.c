/* Searching as a role: from its haystacks through the index to ranked hits. */
#include <jansson.h>
#include <math.h>

#include "runfs/str.h"
#include "search_internal.h"

struct search {
    struct searcher *searcher;
    struct search_hits *ret;
    struct concept_graph *graph; /* owned; NULL: it ranks otherwise */
    struct excerpt_words words;
    struct buf gone; /* paths, each with its NUL */
    size_t runs;     /* that were taken */
};

/* Each word as a string of FTS5, so that none is an operator; all in parentheses. */
static void quote_words(const char *query, struct buf *ret)
{
    static const char blanks[] = " \t\r\n";

    while (*(query += strspn(query, blanks))) {
        size_t len = strcspn(query, blanks);
        buf_adds(ret, ret->len ? " \"" : "(\"");
        for (size_t i = 0; i < len; i++)
            buf_adds(ret, query[i] == '"' ? "\"\"" : (char[]){query[i], '\0'});
        buf_adds(ret, "\"");
        query += len;
    }
    if (ret->len)
        buf_adds(ret, ")");
}

static bool is_wanted(void *data, const char *path)
{
    const struct search *s = data;

    return searcher_has(s->searcher, path);
}

/* Notes what is not. */
static bool is_there(struct search *s, const char *path)
{
    struct stat file;
    bool is = is_row_path(path) ? row_is_there(s->searcher->store, path) : lstat(path, &file) == 0;

    if (!is)
        buf_add(&s->gone, path, strlen(path) + 1);
    return is;
}

static int take_hit(void *data, const struct document_found *f)
{
    struct search *s = data;
    struct search_hits *ret = s->ret;
    bool run = row_kind_of(f->path) == &row_kinds[ROW_RUNS];

    if (run && s->runs == SEARCH_RUN_HITS_MAX)
        return 0;
    if (!s->graph && !is_there(s, f->path))
        return 0;
    struct search_hit hit = {.id = f->id, .path = arena_strdup(&ret->arena, f->path), .rank = f->rank};
    if (!hit.path)
        return -ENOMEM;
    ret->hits[ret->n++] = hit;
    s->runs += run;
    return ret->n == (s->graph ? SEARCH_CANDIDATES_MAX : SEARCH_HITS_MAX);
}

static int by_rank(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;

    if (x->rank != y->rank)
        return (x->rank < y->rank) - (x->rank > y->rank);
    if (row_kind_of(x->path) == &row_kinds[ROW_RUNS] && row_kind_of(y->path) == &row_kinds[ROW_RUNS])
        return strverscmp(y->path, x->path); /* the newest first */
    return strcmp(x->path, y->path);
}

/* The best of the candidates that are there. */
static void keep_best(struct search *s)
{
    struct search_hits *ret = s->ret;
    size_t n = 0;

    qsort(ret->hits, ret->n, sizeof(ret->hits[0]), by_rank);
    for (size_t i = 0; i < ret->n && n < SEARCH_HITS_MAX; i++)
        if (!s->graph || is_there(s, ret->hits[i].path))
            ret->hits[n++] = ret->hits[i];
    ret->n = n;
}

/* BM25 decides where concepts do not: it counts for less than 1. */
static int rank_by_concepts(struct search *s)
{
    struct search_hits *ret = s->ret;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ret->n; i++)
        r = concept_graph_add(s->graph, ret->hits[i].id);
    for (size_t i = 0; r == 0 && i < ret->n; i++)
        ret->hits[i].rank =
            concept_graph_rank(s->graph, i) + ret->hits[i].rank / (1 + fabs(ret->hits[i].rank));
    return r;
}

static void drop_gone(struct search *s)
{
    const char *end = buf_str(&s->gone) + s->gone.len;

    for (const char *path = buf_str(&s->gone); buf_ok(&s->gone) && path < end; path += strlen(path) + 1)
        (void)documents_drop(s->searcher->documents, path, NULL);
}

/* Titles and excerpts of the hits that are left; most that a graph ranks are not. */
static int add_texts(struct search *s)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->ret->n; i++) {
        struct search_hit *hit = &s->ret->hits[i];
        _buf_ struct buf title = BUF_INIT, body = BUF_INIT, excerpt = BUF_INIT;
        r = documents_text(s->searcher->documents, hit->id, &title, &body);
        if (r == 0)
            excerpt_add(&s->words, buf_str(&body), &excerpt);
        hit->title = arena_strdup(&s->ret->arena, buf_str(&title));
        hit->excerpt = arena_strdup(&s->ret->arena, buf_str(&excerpt));
        if (r == 0 &&
            (!buf_ok(&title) || !buf_ok(&body) || !buf_ok(&excerpt) || !hit->title || !hit->excerpt))
            r = -ENOMEM;
    }
    return r;
}

static int find_hits(struct search *s, const struct role *role, struct buf *match, struct err *err)
{
    if (s->graph)
        concept_graph_expand(s->graph, match, &s->words);
    if (!buf_ok(match))
        return -ENOMEM;
    int r = documents_find(
        s->searcher->documents,
        &(struct documents_query){.match = buf_str(match),
                                  .title_weight = role && role->relevance == RELEVANCE_TITLE ? 100.0 : 2.0,
                                  .wanted = is_wanted,
                                  .fn = take_hit,
                                  .data = s},
        err);
    if (r == 0 && s->graph)
        r = rank_by_concepts(s);
    keep_best(s);
    if (r == 0)
        r = add_texts(s);
    drop_gone(s);
    return r;
}

/* Brings all that a role searches up to date. 1: the hits of that time stand. */
static int prepare(struct searcher *s, const struct role *role, const char *query, uint64_t as_of,
                   struct concept_graph **ret, struct err *err)
{
    struct thesaurus *thesaurus = NULL;
    bool graph = role && role->relevance == RELEVANCE_GRAPH;
    int r = graph ? searcher_concepts(s, role, &thesaurus) : 0;

    if (r == 0)
        r = searcher_update(s, role, err);
    if (r == 0 && as_of && as_of == s->as_of)
        return 1;
    return r == 0 && graph ? concept_graph_new(s, thesaurus, query, ret) : r;
}

static int search(struct searcher *s, const char *asked, const char *query, struct search_hits *ret,
                  struct err *err)
{
    struct search search = {.searcher = s, .ret = ret};
    _buf_ struct buf match = BUF_INIT;
    int r = searcher_refresh(s, err);
    const struct role *role = r == 0 ? role_list_get(&s->roles, asked) : NULL;

    quote_words(query, &match);
    excerpt_words(&search.words, query);
    if (r == 0 && asked && !role)
        return err_set(err, -ENOENT, "there is no role '%s'", asked);
    if (r == 0 && (!(ret->role = arena_strdup(&ret->arena, role ? role->name : "")) || !buf_ok(&match)))
        r = -ENOMEM;
    if (r == 0)
        r = prepare(s, role, query, ret->as_of, &search.graph, err);
    ret->as_of = s->as_of;
    if (r == 0 && match.len)
        r = find_hits(&search, role, &match, err);
    concept_graph_free(search.graph);
    buf_release(&search.gone);
    return r < 0 && !(err && err->msg[0]) ? err_errno(err, r, "search") : r;
}

int search_documents(struct searcher *s, const char *role, const char *query, struct search_hits *ret,
                     struct err *err)
{
    /* each word costs a look at each file that has it, and everybody else waits meanwhile */
    int r = strlen(query) > SEARCH_QUERY_MAX
                ? err_set(err, -EINVAL, "a query has at most %d bytes", SEARCH_QUERY_MAX)
                : searcher_lock(s, err);

    if (r < 0)
        return r;
    r = search(s, role, query, ret, err);
    searcher_unlock(s);
    return r;
}

void search_hits_release(struct search_hits *h)
{
    arena_release(&h->arena);
    *h = (struct search_hits){0};
}

json_t *search_results(const struct search_hits *h, size_t from, size_t n)
{
    json_t *results = json_array();

    for (size_t i = from; i < h->n && i - from < n; i++) {
        const struct search_hit *hit = &h->hits[i];
        _buf_ struct buf url = BUF_INIT;
        const struct row_kind *kind = row_kind_of(hit->path);
        buf_addf(&url, "%s%s", kind ? "" : "file://", hit->path);
        json_array_append_new(
            results, json_pack("{s:I, s:s, s:s, s:s, s:n, s:f, s:o}", "id", (json_int_t)hit->id, "url",
                               buf_str(&url), "title", hit->title, "body", hit->excerpt, "description",
                               "rank", hit->rank, "tags", kind ? json_pack("[s]", kind->tag) : json_array()));
    }
    return results;
}

int search_json(const char *query, const struct search_hits *h, struct buf *ret)
{
    _json_ json_t *results = search_results(h, 0, h->n);
    _json_ json_t *all = json_pack("{s:s, s:s, s:i, s:O}", "query", query, "role", h->role, "total",
                                   (int)h->n, "results", results);
    _free_ char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    if (!text)
        return utf8_valid(query, strlen(query)) ? -ENOMEM : -EILSEQ;
    buf_addf(ret, "%s\n", text);
    return buf_ok(ret) ? 0 : -ENOMEM;
}
