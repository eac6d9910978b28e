/*
 * What the files of the expression engine share and nobody else sees: borrowed text, values whose memory the
 * evaluation keeps, the tree, and the state of an evaluation.
 */
#ifndef RUNFS_EXPR_INTERNAL_H
#define RUNFS_EXPR_INTERNAL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "runfs/arena.h"
#include "runfs/cleanup.h"
#include "runfs/expr.h"

enum { EXPR_MAX_DEPTH = 50, EXPR_MAX_LENGTH = 21000, EXPR_MAX_ARGS = 255 };

/* A piece of UTF-8 text, borrowed. */
struct slice {
    const char *s;
    size_t len;
};
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* casefold.c: all on valid UTF-8; what is not valid is read as U+FFFD, never beyond the end. */
void utf8_put(struct buf *b, uint32_t c); /* appends a character that is not ASCII */
int fold_compare(struct slice a, struct slice b);
bool fold_equal(struct slice a, struct slice b);
bool fold_starts(struct slice text, struct slice prefix);
bool fold_ends(struct slice text, struct slice suffix);
void fold_append(struct buf *b, struct slice text);                 /* the folded text */
int fold_contains(struct slice text, struct slice part, bool *ret); /* 0 or -ENOMEM */
size_t ascii_prefix(struct slice text);                             /* bytes; may stop up to seven early */
size_t utf16_length(struct slice text);
size_t space_length(const char *s, const char *end); /* bytes of the white space at s, 0 if it is none */

/* number.c */
double number_parse(struct slice text);         /* GitHub's coercion; NaN where there is none */
void number_to_json(double n, struct buf *ret); /* shortest that reads back the same */
enum { NUMBER_TEXT_MAX = 32 };
size_t number_format(double n, char to[NUMBER_TEXT_MAX]); /* number_to_string without a buf; returns length */

/*
 * A value during evaluation. Nothing in it is owned: text and JSON live in the contexts, in the parsed
 * expression or with the evaluation, so values are copied and dropped freely.
 */
struct val {
    enum value_kind kind;
    bool filtered; /* array made by `.*` */
    bool foreign;  /* came out of a context as it was: GitHub's memory counter counts those twice */
    union {
        bool boolean;
        double number;
        struct slice text;
        json_t *json;
    };
};

/* value.c: GitHub's rules, once, for both representations */
enum order {
    ORDER_NONE,
    ORDER_LESS,
    ORDER_EQUAL,
    ORDER_GREATER
}; /* none: NaN, or kinds that do not compare */

struct val val_from_json(json_t *json);
struct val val_from_value(const struct value *v);
int val_to_value(const struct val *v, struct value *ret); /* an owning copy; 0 or -ENOMEM */
bool val_truthy(const struct val *v);
double val_to_number(const struct val *v);
enum order val_order(const struct val *a, const struct val *b);
static inline bool val_primitive(const struct val *v)
{
    return v->kind != VALUE_ARRAY && v->kind != VALUE_OBJECT;
}

/* The text of a value; numbers are written to `room`, which must outlive the slice. */
struct slice val_text(const struct val *v, char room[NUMBER_TEXT_MAX]);

/* Appends text with each byte that is not UTF-8 replaced by U+FFFD. */
void utf8_repair(struct slice text, struct buf *ret);

/*
 * Memory as GitHub's evaluator counts it: one counter for each function while it produces, and one for the
 * evaluation (expr_eval.c). Adding fails when `max` would be passed.
 */
struct counter {
    size_t bytes, max;
};
bool counter_add(struct counter *c, size_t bytes);
int piece_add(struct counter *c, struct buf *out, struct slice piece); /* counted; 0 or -E2BIG */
size_t text_bytes(struct slice text); /* a .NET string: 26 bytes and two for each UTF-16 unit */

/* value_json.c */
int val_to_json_text(const struct val *v, struct counter *c, struct buf *ret); /* toJSON: 0, -E2BIG, -ELOOP */
int val_to_json_line(const struct val *v, struct buf *ret); /* compact, valid JSON: 0, -ELOOP */
void json_quote(struct slice text, struct buf *ret);

/* The tree. Nodes live in the expression's arena; text is borrowed from there too. */
enum node_kind {
    NODE_LITERAL,
    NODE_NAMED,
    NODE_INDEX,    /* two arguments: the collection, and the index or a wildcard */
    NODE_WILDCARD, /* only as an index */
    NODE_CALL,
    NODE_NOT,
    NODE_LESS,
    NODE_LESS_EQUAL,
    NODE_GREATER,
    NODE_GREATER_EQUAL,
    NODE_EQUAL,
    NODE_NOT_EQUAL,
    NODE_AND, /* two or more arguments: chains are flat, so that they do not count as depth */
    NODE_OR,
    NODE_GROUP, /* an open parenthesis while parsing; never in a finished tree */
};

struct eval;
struct node;
typedef int builtin_fn(struct eval *ev, const struct node *call, int level, struct val *ret);

/* A built-in function. It evaluates its own arguments, and only those it needs. */
struct builtin {
    const char *name;
    int min_args, max_args;
    bool odd; /* the number of arguments must be odd */
    builtin_fn *fn;
};
const struct builtin *builtin_find(struct slice name);
builtin_fn fn_format; /* expr_format.c */

struct node {
    enum node_kind kind;
    uint16_t depth; /* of the tree below and including it; stops counting at UINT16_MAX */
    uint32_t n_args;
    uint32_t at;         /* byte offset of the token it came from, for messages */
    uint32_t start, end; /* bytes of its whole part, with the parentheses around it */
    uint32_t id;         /* 0, 1, 2... in no particular order; below expr.n_nodes */
    struct node *args, *last, *next;
    union {
        struct val literal;
        struct {
            struct slice name;
            struct node *next; /* the one before it in the text */
        } named;
        struct {
            const struct builtin *builtin; /* NULL: a function of the scope */
            const char *name;
            int min_args, max_args;
        } call;
    };
};

/* Most expressions fit, with their text and their nodes, in the one block that this is the head of. */
enum { EXPR_ROOM = 880 };
struct expr {
    struct arena arena; /* what does not fit */
    struct slice text;  /* NUL-terminated, valid UTF-8 */
    struct node *root;  /* NULL: blank */
    struct node *named; /* all of NODE_NAMED, last one first */
    uint32_t n_nodes, used;
    bool renamed; /* it names a context by another name: which depends on what else there is */
    _Alignas(max_align_t) char room[EXPR_ROOM];
};
void *expr_alloc(struct expr *e, size_t size); /* zeroed; NULL: no memory */

/* expr_tree.c */
void node_push(struct node **stack, struct node *node);
struct node *node_pop(struct node **stack);
void node_add_arg(struct node *parent, struct node *child); /* flattens && and || */
int node_precedence(const struct node *op);                 /* 0: no operator, or one that stays open */
bool node_calls(const struct node *node, struct slice function);

/* What an expression may name: the scope, or, when `contexts_only`, the keys of contexts and no functions. */
struct parse_scope {
    const struct expr_scope *scope;
    bool contexts_only;
    const json_t *contexts;
};

/* expr_lex.c */
enum token_kind {
    TOKEN_END, /* of the text */
    TOKEN_LITERAL,
    TOKEN_NAME,
    TOKEN_FUNCTION, /* a name, and "(" comes next */
    TOKEN_PROPERTY, /* a name behind "." */
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_OPEN_INDEX,
    TOKEN_CLOSE_INDEX,
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_WILDCARD,
    TOKEN_NOT,
    TOKEN_BINARY,
    TOKEN_BAD, /* no symbol of the language */
};

struct token {
    enum token_kind kind;
    uint32_t start, end;   /* bytes */
    enum node_kind binary; /* TOKEN_BINARY */
    struct val literal;    /* TOKEN_LITERAL */
};

struct lexer {
    struct slice text;
    struct expr *expr; /* where unescaped strings go */
    size_t at;
    enum token_kind last; /* the token before; TOKEN_END at the start */
};
int lexer_next(struct lexer *lx, struct token *ret); /* 0 (TOKEN_END for ever at the end) or -ENOMEM */

/* expr_parse.c: makes e->root of e->text. Returns 0, -EINVAL (err filled) or -ENOMEM. */
int expr_parse_tree(struct expr *e, const struct parse_scope *scope, struct expr_err *err);

/* expr.c: expr_parse() for either kind of scope; and fills err with `WHAT[: 'TOKEN']. Located at position N
 * within expression: TEXT`. Returns -EINVAL or -ENOMEM. */
int expr_parse_in(const char *text, size_t len, const struct parse_scope *scope, struct expr **ret,
                  struct expr_err *err);
int expr_fail(struct expr_err *err, enum expr_phase phase, struct slice text, const char *what,
              const struct slice *token, size_t at);

/* expr_cache.c: a NULL cache knows and keeps nothing */
const struct expr *expr_cache_find(struct expr_cache *cache, struct slice text,
                                   const json_t *contexts);     /* borrowed; NULL: parse it */
void expr_cache_keep(struct expr_cache *cache, struct expr *e); /* takes it */
json_t *expr_cache_contexts(struct expr_cache *cache,
                            struct slice text); /* new reference; NULL as json_loadb */

/* expr_eval.c */
struct keep; /* memory that an evaluation holds until its end */
struct eval {
    const struct expr *expr;
    const struct expr_env *env;
    struct expr_err *err;
    struct keep *kept;
    size_t max_memory;
    size_t produced; /* bytes of all values ever made: bounds what `kept` may hold */
    size_t used;
    int deepest;      /* the last of used_at that is in use */
    struct val *seen; /* for explaining: the value of each node by its id; NULL otherwise */
    bool *was_seen;
    size_t used_at[EXPR_MAX_DEPTH + 1];
};
void eval_begin(struct eval *ev, const struct expr *e, const struct expr_env *env, struct expr_err *err);
int eval_root(struct eval *ev, struct val *ret); /* *ret is good until eval_end */
void eval_end(struct eval *ev);
int eval_node(struct eval *ev, const struct node *node, int level, struct val *ret);
int eval_fail(struct eval *ev, const struct node *node, const char *what);
int eval_keep_text(struct eval *ev, struct buf *text, struct val *ret); /* takes the text */
int eval_keep_json(struct eval *ev, json_t *json, size_t bytes,
                   struct val *ret); /* takes the reference, of about that size; NULL: -ENOMEM */

/* expr_explain.c: appends the lines of a part that was evaluated (or not), and of its parts. */
void explain_node(const struct eval *ev, const struct node *node, struct buf *lines);

#endif
