/* The concepts of a role: its pages, and the automaton that finds what they are called. */
#include "runfs/concepts.h"
#include "runfs/automaton.h"
#include "runfs/str.h"
#include "search_internal.h"

static const char *const page_names[] = {"*.md", "*.markdown"};
static const struct haystack pages_at = {.patterns = page_names, .n_patterns = ARRAY_LEN(page_names)};

static int read_page(void *data, const char *path, const struct stat *file)
{
    struct concepts *c = data;
    _buf_ struct buf text = BUF_INIT;
    struct stat now;

    (void)file;
    if (c->n == CONCEPTS_MAX)
        return 0; /* the walk goes on, so that a change is heard */
    if (haystack_text(path, CONCEPT_SIZE_MAX, &text, &now) < 0 || !text.len)
        return 0;
    int r = concept_read(strrchr(path, '/') + 1, buf_str(&text), text.len, &c->pages[c->n]);
    if (r == 0 && !(c->pages[c->n].path = arena_strdup(&c->pages[c->n].arena, path)))
        r = -ENOMEM;
    if (r == 0)
        c->n++;
    else
        concept_page_release(&c->pages[c->n]);
    return r == -ENOENT ? 0 : r;
}

int concepts_read(struct concepts *c, const char *root, struct watch *watch,
                  const struct index_progress *progress)
{
    watch_begin(watch);
    int r = haystack_each_file(&pages_at, root, watch, progress, read_page, c);
    if (r == 0)
        watch_end(watch);
    else
        watch_forget(watch);
    return r;
}

bool concepts_is_page(const char *root, const char *path)
{
    return haystack_has(&pages_at, root, path);
}

static int compile_terms(struct concepts *c)
{
    size_t n = 0, max = 0;

    for (size_t i = 0; i < c->n; i++)
        max += c->pages[i].n_synonyms;
    _free_ struct automaton_term *terms = calloc(max + 1, sizeof(*terms));
    if (!terms)
        return -ENOMEM;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->pages[i].n_synonyms; k++)
            terms[n++] = (struct automaton_term){c->pages[i].synonyms[k], (uint32_t)i};
    return automaton_new(terms, n, &c->automaton);
}

/* ------------------------------------------------------------------------------------------- what they are
 * called by
 */

enum { SLUG_MAX = 80 };

/* Of the name alone, so that other concepts come and go without changing it; a bit short of what ids may be,
 * for those that have to go on to the next. */
static int64_t hash_of(const char *slug)
{
    return (int64_t)(str_hash(slug) >> (64 - CONCEPT_ID_BITS + 1)) | 1;
}

/* Pages of one name, and names of one number, are told apart in the order in which they were read. */
static int name_page(struct concepts *c, size_t i, GHashTable *slugs, GHashTable *ids)
{
    _buf_ struct buf slug = BUF_INIT;

    buf_add_slug(&slug, c->pages[i].name, SLUG_MAX);
    size_t len = slug.len;
    for (int n = 2; buf_ok(&slug) && g_hash_table_contains(slugs, buf_str(&slug)); n++) {
        slug.len = len;
        buf_addf(&slug, "-%d", n);
    }
    c->ids[i].slug = buf_ok(&slug) ? arena_strdup(&c->pages[i].arena, buf_str(&slug)) : NULL;
    if (!c->ids[i].slug)
        return -ENOMEM;
    c->ids[i].id = hash_of(c->ids[i].slug);
    while (g_hash_table_contains(ids, &c->ids[i].id))
        c->ids[i].id++;
    g_hash_table_add(slugs, (void *)c->ids[i].slug);
    g_hash_table_add(ids, &c->ids[i].id);
    return 0;
}

static int by_id(const void *a, const void *b, void *data)
{
    const struct concepts *c = data;
    int64_t x = c->ids[*(const uint16_t *)a].id, y = c->ids[*(const uint16_t *)b].id;

    return (x > y) - (x < y);
}

static int name_pages(struct concepts *c)
{
    GHashTable *slugs = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTable *ids = g_hash_table_new(g_int64_hash, g_int64_equal);
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->n; i++) {
        r = name_page(c, i, slugs, ids);
        c->by_id[i] = (uint16_t)i;
    }
    g_hash_table_destroy(slugs);
    g_hash_table_destroy(ids);
    if (r == 0)
        qsort_r(c->by_id, c->n, sizeof(c->by_id[0]), by_id, c);
    return r;
}

int concepts_compile(struct concepts *c)
{
    int r = name_pages(c);

    return r < 0 ? r : compile_terms(c);
}

ssize_t concepts_by_slug(const struct concepts *c, const char *slug)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->ids[i].slug, slug))
            return (ssize_t)i;
    return -1;
}

size_t concepts_behind(const struct concepts *c, int64_t id)
{
    size_t from = 0, to = c->n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (c->ids[c->by_id[middle]].id > id)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

void concepts_free(struct concepts *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        concept_page_release(&c->pages[i]);
    automaton_free(c->automaton);
    free(c);
}
