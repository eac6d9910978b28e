/*
 * Tokens: a workflow file as a tree of literals, sequences, mappings and expressions, each with its place in
 * the file. What YAML gave and the schema accepted; evaluating one against contexts gives plain JSON. Tokens
 * live in the arena of their workflow and never change, so any thread may read and evaluate them.
 */
#ifndef RUNFS_TOKEN_H
#define RUNFS_TOKEN_H

#include <jansson.h>

#include "runfs/err.h"
#include "runfs/expr.h"

enum token_kind {
    TOKEN_NULL,
    TOKEN_BOOLEAN,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_SEQUENCE,
    TOKEN_MAPPING,
    TOKEN_EXPRESSION, /* `${{ x }}`, or text with expressions in it, which became format('...', x, y) */
    TOKEN_INSERT,     /* `${{ insert }}` as a mapping's key */
};

struct token_pair {
    struct token *key, *value;
};

struct token {
    enum token_kind kind;
    int line, col; /* 1-based, as GitHub counts them */
    union {
        bool boolean;
        double number;
        struct {
            struct token **items;
            size_t n;
        } seq;
        struct {
            struct token_pair *pairs;
            size_t n;
        } map;
        struct expr *expr; /* owned by the workflow */
    };
    const char
        *str; /* TOKEN_STRING: its text. Other scalars: as written. TOKEN_EXPRESSION: the expression's text */
    size_t len;
};

/* The value of a mapping's literal key (exact), or NULL; t may be NULL. */
struct token *token_get(const struct token *t, const char *key);

/* Whether both say the same, wherever they stand; NULL is the same as NULL only. */
bool token_same(const struct token *a, const struct token *b);

/* Whether an expression stands anywhere in it. NULL has none. */
bool token_has_expr(const struct token *t);

/* Whether an expression in it uses that context ("needs"). NULL uses none. */
bool token_uses_context(const struct token *t, const char *context);

/*
 * Evaluates every expression in t. t NULL gives JSON null. Numbers become JSON numbers (NaN and infinities
 * strings).
 * `${{ insert }}: ${{ obj }}` splices a mapping, an expression that yields an array inside a sequence splices
 * it where GitHub does so. What all its expressions yield has at most about TOKEN_VALUES_MAX bytes. Duplicate
 * keys after evaluation are an error. err: "FILE (Line: L, Col: C):
 * message", prefixed as GitHub's "The template is not valid. " only by the caller.
 */
enum { TOKEN_VALUES_MAX = 10 * 1024 * 1024 };
int token_eval(const struct token *t, const char *file, const struct expr_env *env, json_t **ret,
               struct err *err);

/* As token_eval, for a place that holds a string, a boolean or a number; with GitHub's coercions and
 * messages. */
int token_eval_string(const struct token *t, const char *file, const struct expr_env *env, char **ret,
                      struct err *err);
int token_eval_boolean(const struct token *t, const char *file, const struct expr_env *env, bool fallback,
                       bool *ret, struct err *err);
int token_eval_number(const struct token *t, const char *file, const struct expr_env *env, double fallback,
                      double *ret, struct err *err);

#endif
