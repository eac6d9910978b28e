/* The concepts of a role: its pages, and the automaton that finds what they are called. */
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
    if (r == 0)
        c->n++;
    else
        concept_page_release(&c->pages[c->n]);
    return r == -ENOENT ? 0 : r;
}

int concepts_read(struct concepts *c, const char *root, struct watch *watch)
{
    watch_begin(watch);
    int r = haystack_each_file(&pages_at, root, watch, read_page, c);
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

int concepts_compile(struct concepts *c)
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

void concepts_free(struct concepts *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        concept_page_release(&c->pages[i]);
    automaton_free(c->automaton);
    free(c);
}
