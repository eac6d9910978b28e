/*
 * Parsed expressions, kept between requests: a stream of requests mostly asks the same few expressions about
 * other contexts. One place for each hash; a newcomer replaces what is there.
 */
#include "expr_internal.h"

enum { SLOTS = 1024, TEXT_MAX = 4096, CONTEXTS_SLOTS = 128, CONTEXTS_MAX = 16384 };

struct kept_contexts {
    char *text; /* owned */
    size_t len;
    json_t *json; /* owned reference */
};

struct expr_cache {
    struct expr *slots[SLOTS]; /* owned */
    struct kept_contexts contexts[CONTEXTS_SLOTS];
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
    for (size_t i = 0; i < CONTEXTS_SLOTS; i++) {
        free(cache->contexts[i].text);
        json_decref(cache->contexts[i].json);
    }
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
    return (size_t)(h >> 40);
}

/* What is kept was parsed with any name allowed; which are known is asked each time. */
static bool names_known(const struct expr *e, const json_t *contexts)
{
    for (const struct node *n = e->named; n; n = n->named.next)
        if (!json_object_get_nocase(contexts, n->named.name.s, n->named.name.len))
            return false;
    return true;
}

const struct expr *expr_cache_find(struct expr_cache *cache, struct slice text, const json_t *contexts)
{
    if (!cache || text.len > TEXT_MAX)
        return NULL;
    const struct expr *e = cache->slots[hash(text) % SLOTS];
    bool found = e && e->text.len == text.len && memcmp(e->text.s, text.s, text.len) == 0;
    return found && names_known(e, contexts) ? e : NULL;
}

void expr_cache_keep(struct expr_cache *cache, struct expr *e)
{
    if (!cache || e->text.len > TEXT_MAX || e->renamed) {
        expr_free(e);
        return;
    }
    struct expr **slot = &cache->slots[hash(e->text) % SLOTS];
    expr_free(*slot);
    *slot = e;
}

json_t *expr_cache_contexts(struct expr_cache *cache, struct slice text)
{
    const size_t flags = JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;

    if (!cache || text.len > CONTEXTS_MAX)
        return json_loadb(text.s, text.len, flags, NULL);
    struct kept_contexts *slot = &cache->contexts[hash(text) % CONTEXTS_SLOTS];
    if (slot->text && slot->len == text.len && memcmp(slot->text, text.s, text.len) == 0)
        return json_incref(slot->json);
    json_t *json = json_loadb(text.s, text.len, flags, NULL);
    char *copy = json ? malloc(text.len + 1) : NULL;
    if (!copy)
        return json; /* kept or not, it is good for this request */
    free(slot->text);
    json_decref(slot->json);
    *slot = (struct kept_contexts){memcpy(copy, text.s, text.len), text.len, json_incref(json)};
    return json;
}
