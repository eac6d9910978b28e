/* Tokens: looking into them. */
#include "runfs/token.h"

#include <string.h>

#include "runfs/str.h"
#include "workflow_internal.h"

struct token *token_get(const struct token *t, const char *key)
{
    if (!t || t->kind != TOKEN_MAPPING)
        return NULL;
    for (size_t i = 0; i < t->map.n; i++)
        if (token_is(t->map.pairs[i].key, key))
            return t->map.pairs[i].value;
    return NULL;
}

bool token_is(const struct token *t, const char *text)
{
    return t && t->kind == TOKEN_STRING && t->str[0] == text[0] && str_eq(t->str, text);
}

bool token_same(const struct token *a, const struct token *b)
{
    if (!a || !b || a->kind != b->kind)
        return a == b;
    switch (a->kind) {
    case TOKEN_SEQUENCE:
        for (size_t i = 0; i < a->seq.n && a->seq.n == b->seq.n; i++)
            if (!token_same(a->seq.items[i], b->seq.items[i]))
                return false;
        return a->seq.n == b->seq.n;
    case TOKEN_MAPPING:
        for (size_t i = 0; i < a->map.n && a->map.n == b->map.n; i++)
            if (!token_same(a->map.pairs[i].key, b->map.pairs[i].key) ||
                !token_same(a->map.pairs[i].value, b->map.pairs[i].value))
                return false;
        return a->map.n == b->map.n;
    case TOKEN_BOOLEAN:
        return a->boolean == b->boolean;
    case TOKEN_NUMBER:
        return a->number == b->number;
    case TOKEN_STRING:
    case TOKEN_EXPRESSION:
        return a->len == b->len && memcmp(a->str, b->str, a->len) == 0;
    default: /* null, insert: there is only one of each */
        return true;
    }
}

/* Whether an expression in t is chosen; a NULL context chooses every one, and `insert` too. */
static bool any_expr(const struct token *t, const char *context)
{
    if (!t)
        return false;
    switch (t->kind) {
    case TOKEN_EXPRESSION:
        return !context || expr_names(t->expr, context);
    case TOKEN_INSERT:
        return !context;
    case TOKEN_SEQUENCE:
        for (size_t i = 0; i < t->seq.n; i++)
            if (any_expr(t->seq.items[i], context))
                return true;
        return false;
    case TOKEN_MAPPING:
        for (size_t i = 0; i < t->map.n; i++)
            if (any_expr(t->map.pairs[i].key, context) || any_expr(t->map.pairs[i].value, context))
                return true;
        return false;
    default:
        return false;
    }
}

bool token_has_expr(const struct token *t)
{
    return any_expr(t, NULL);
}

bool token_uses_context(const struct token *t, const char *context)
{
    return any_expr(t, context);
}

const char *token_text(struct arena *arena, const struct token *t)
{
    switch (t->kind) {
    case TOKEN_NULL:
        return "";
    case TOKEN_BOOLEAN:
        return t->boolean ? "true" : "false";
    case TOKEN_NUMBER: {
        _buf_ struct buf text = BUF_INIT;
        number_to_string(t->number, &text);
        return buf_ok(&text) ? arena_strdup(arena, buf_str(&text)) : NULL;
    }
    case TOKEN_INSERT:
        return "${{ insert }}";
    default:
        return t->str ? t->str : "";
    }
}

struct token *token_string(struct arena *arena, const struct token *at, const char *text, size_t len)
{
    struct token *t = arena_new(arena, struct token);
    char *copy = arena_strndup(arena, text, len);

    if (!t || !copy)
        return NULL;
    *t = (struct token){TOKEN_STRING, at->line, at->col, .str = copy, .len = len};
    return t;
}
