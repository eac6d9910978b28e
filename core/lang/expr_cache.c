/*
 * Parsed expressions, kept between requests: a stream of requests mostly asks the same few expressions about
 * other contexts. One place for each hash; a newcomer replaces what is there.
 */
#include "expr_internal.h"

enum { SLOTS = 1024, TEXT_MAX = 4096 };

struct expr_cache {
    struct expr *slots[SLOTS]; /* owned */
};

struct expr_cache *expr_cache_new(void)
{
    return calloc(1, sizeof(struct expr_cache));
}

void expr_cache_free(struct expr_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        expr_free(cache->slots[i]);
    free(cache);
}

static size_t hash(struct slice text)
{
    uint64_t h = text.len * 0x9e3779b97f4a7c15u;
    size_t i = 0;

    for (uint64_t word; i + sizeof(word) <= text.len; i += sizeof(word)) {
        memcpy(&word, text.s + i, sizeof(word));
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (; i < text.len; i++)
        h = (h ^ (unsigned char)text.s[i]) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 40) % SLOTS;
}

/* What is kept was parsed with any name allowed; which are known is asked each time. */
static bool names_known(const struct expr *e, const json_t *contexts)
{
    for (const struct node *n = e->named; n; n = n->named.next)
        if (!json_object_get_nocase(contexts, n->named.name.s, n->named.name.len))
            return false;
    return true;
}

int expr_cache_get(struct expr_cache *cache, struct slice text, const json_t *contexts, struct expr **ret)
{
    if (!cache || text.len > TEXT_MAX)
        return -ENOENT;
    struct expr **slot = &cache->slots[hash(text)];
    struct expr *e = *slot;
    if (!e || e->text.len != text.len || memcmp(e->text.s, text.s, text.len) != 0) {
        int r = expr_parse_in(text.s, text.len, &(struct parse_scope){0}, &e, NULL);
        if (r < 0)
            return r == -ENOMEM ? r : -ENOENT; /* parsed once more for the words */
        expr_free(*slot);
        *slot = e;
    }
    if (!names_known(e, contexts))
        return -ENOENT;
    *ret = e;
    return 0;
}
