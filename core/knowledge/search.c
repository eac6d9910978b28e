/* Searching as a role: from its haystacks through the index to ranked hits. */
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>

#include "runfs/knowledge_rows.h"
#include "runfs/search.h"
#include "runfs/str.h"

struct search {
    struct store *st;
    const struct role *role;
    const struct haystack *haystack; /* that is looked at now */
    struct search_hits *ret;
    struct concept_graph *graph; /* owned; NULL: it ranks otherwise */
    struct known_files *known;   /* owned */
    struct root {
        const struct haystack *haystack;
        const char *path;
        struct root *next;
    } * roots; /* in arena */
    struct arena arena;
    struct buf gone; /* paths, each with its NUL */
    struct err *err;
};

/* -------------------------------------------------------------------------------------------- the role */

static const struct role *role_of(const struct role_file *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->roles[i].name, name) || str_eq(f->roles[i].shortname, name))
            return &f->roles[i];
    return NULL;
}

/* The role of that name (NULL: that is selected), in *ret_file; NULL: there is none. */
static const struct role *find_role(struct store *st, const char *asked, struct role_file *ret_file)
{
    _buf_ struct buf wanted = BUF_INIT;
    bool named = asked || (store_setting(st, SETTING_CONFIG, "roles/selected", &wanted) == 0 && wanted.len);
    int64_t id = 0;

    while (store_list_settings(st, SETTING_CONFIG, "roles/", id, &id, 1) == 1) {
        const struct setting_row *row = store_get_setting(st, SETTING_CONFIG, id);
        _buf_ struct buf text = BUF_INIT;
        struct err ignored = {0};
        bool is_file = row && str_ends(row->name, ".json") &&
                       store_setting(st, SETTING_CONFIG, row->name, &text) == 0 &&
                       role_file_read(row->name, buf_str(&text), text.len, ret_file, &ignored) == 0;
        setting_row_unref(row);
        const char *name = asked ? asked : named ? buf_str(&wanted) : is_file ? ret_file->selected : NULL;
        const struct role *role = !is_file ? NULL : name ? role_of(ret_file, name) : &ret_file->roles[0];
        if (role)
            return role;
        role_file_release(ret_file);
    }
    return NULL;
}

static int read_root(void *data, const char *path)
{
    struct search *s = data;
    struct root *root = arena_new(&s->arena, struct root);

    if (!root || !(root->path = arena_strdup(&s->arena, path)))
        return -ENOMEM;
    root->haystack = s->haystack;
    root->next = s->roots;
    s->roots = root;
    return haystack_read(s->st, s->known, s->haystack, path, s->err);
}

static int read_haystacks(struct search *s)
{
    int r = (s->known = known_files_new(s->st)) ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < s->role->n_haystacks; i++) {
        s->haystack = &s->role->haystacks[i];
        r = haystack_each_root(s->st, s->haystack, read_root, s);
    }
    return r;
}

static bool has_file(const struct search *s, const char *path)
{
    for (const struct root *root = s->roots; root; root = root->next)
        if (haystack_has(root->haystack, root->path, path))
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------- the search */

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

static int take_hit(void *data, int64_t id, const struct document_found *f)
{
    struct search *s = data;
    struct search_hits *ret = s->ret;
    struct stat file;

    if (!f->d.path || !f->d.title || !f->d.body || !f->excerpt)
        return -ENOMEM;
    if (!has_file(s, f->d.path))
        return 0;
    if (lstat(f->d.path, &file) < 0) {
        buf_add(&s->gone, f->d.path, strlen(f->d.path) + 1);
        return 0;
    }
    struct search_hit hit = {id, arena_strdup(&ret->arena, f->d.path), arena_strdup(&ret->arena, f->d.title),
                             arena_strdup(&ret->arena, f->excerpt), f->rank};
    if (!hit.path || !hit.title || !hit.excerpt || (s->graph && concept_graph_add(s->graph, f) < 0))
        return -ENOMEM;
    ret->hits[ret->n++] = hit;
    return ret->n == (s->graph ? SEARCH_CANDIDATES_MAX : SEARCH_HITS_MAX);
}

static int by_rank(const void *a, const void *b)
{
    const struct search_hit *x = a, *y = b;

    return x->rank != y->rank ? (x->rank < y->rank) - (x->rank > y->rank) : strcmp(x->path, y->path);
}

/* BM25 decides where concepts do not: it counts for less than 1. */
static void rank_by_concepts(struct search *s)
{
    struct search_hits *ret = s->ret;

    for (size_t i = 0; i < ret->n; i++)
        ret->hits[i].rank =
            concept_graph_rank(s->graph, i) + ret->hits[i].rank / (1 + fabs(ret->hits[i].rank));
}

static void drop_gone(struct search *s)
{
    const char *end = buf_str(&s->gone) + s->gone.len;

    for (const char *path = buf_str(&s->gone); buf_ok(&s->gone) && path < end; path += strlen(path) + 1)
        (void)store_drop_document(s->st, path, NULL);
}

int search_documents(struct store *st, const char *asked, const char *query, struct search_hits *ret,
                     struct err *err)
{
    static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER; /* two need not read the same files */
    _role_file_ struct role_file file = {0};
    _buf_ struct buf match = BUF_INIT;
    const struct role *role = find_role(st, asked, &file);
    struct search s = {.st = st, .role = role, .ret = ret, .err = err};

    ret->role = arena_strdup(&ret->arena, role ? role->name : "");
    quote_words(query, &match);
    if (!ret->role || !buf_ok(&match))
        return err_errno(err, -ENOMEM, "search");
    if (asked && !role)
        return err_set(err, -ENOENT, "there is no role '%s'", asked);
    if (!role || !match.len)
        return 0;
    pthread_mutex_lock(&reading);
    int r = read_haystacks(&s);
    pthread_mutex_unlock(&reading);
    if (r == 0 && role->relevance == RELEVANCE_GRAPH)
        r = concept_graph_new(st, role->kg, query, &s.graph);
    if (r == 0 && s.graph)
        concept_graph_expand(s.graph, &match);
    if (r == 0)
        r = !buf_ok(&match)
                ? -ENOMEM
                : store_each_document(st, buf_str(&match), role->relevance == RELEVANCE_TITLE ? 100.0 : 2.0,
                                      take_hit, &s);
    if (r == 0 && s.graph)
        rank_by_concepts(&s);
    qsort(ret->hits, ret->n, sizeof(ret->hits[0]), by_rank);
    if (ret->n > SEARCH_HITS_MAX)
        ret->n = SEARCH_HITS_MAX;
    drop_gone(&s);
    concept_graph_free(s.graph);
    known_files_free(s.known);
    arena_release(&s.arena);
    buf_release(&s.gone);
    return r < 0 && !(err && err->msg[0]) ? err_errno(err, r, "search") : r;
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
        buf_addf(&url, "file://%s", hit->path);
        json_array_append_new(results,
                              json_pack("{s:I, s:s, s:s, s:s, s:n, s:f, s:[]}", "id", (json_int_t)hit->id,
                                        "url", buf_str(&url), "title", hit->title, "body", hit->excerpt,
                                        "description", "rank", hit->rank, "tags"));
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
