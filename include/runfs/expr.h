/*
 * Expressions: GitHub's language between `${{` and `}}`.
 * The rules are those of "Evaluate expressions in workflows and actions" (GitHub documentation) and of
 * GitHub's open implementation; where this header is silent, tests against GitHub's own data decide.
 *
 * A value is a scalar or a JSON tree. Values are immutable once made; JSON trees may be shared between
 * threads. Nothing here does I/O or knows workflows: contexts come as one JSON object, functions that need
 * the outside (hashFiles, success, failure, always, cancelled) come as callbacks.
 */
#ifndef RUNFS_EXPR_H
#define RUNFS_EXPR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "runfs/buf.h"
#include "runfs/err.h"

enum value_kind { VALUE_NULL, VALUE_BOOLEAN, VALUE_NUMBER, VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT };

struct value {
    enum value_kind kind;
    bool filtered; /* an array made by `.*`: property access maps over it */
    union {
        bool boolean;
        double
            number;   /* NaN and infinities too, which JSON has not: so numbers stand outside the JSON tree */
        json_t *json; /* VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT: owned reference */
    };
};

void value_release(struct value *v);
#define _value_ _cleanup_(value_release)

struct value value_from_json(json_t *json); /* takes a new reference; NULL and JSON null give VALUE_NULL */
json_t *value_to_json(
    const struct value *v); /* new reference; NaN and infinities become their strings; NULL: no memory */
/* Bytes that are not UTF-8 become U+FFFD. Out of memory it is Null. */
struct value value_string(const char *s, size_t len);
struct value value_boolean(bool b);
struct value value_number(double n);

/* Appends valid compact JSON (NaN and infinities as strings). 0, or -ELOOP for more than 2,048 levels. */
int value_write_json(const struct value *v, struct buf *ret);

bool value_truthy(const struct value *v);
double value_to_number(const struct value *v); /* GitHub's coercion; NaN where there is none */
void value_to_string(const struct value *v,
                     struct buf *ret); /* appends: "true", .NET G15 numbers, "Array", "Object", "" */
void number_to_string(double n,
                      struct buf *ret); /* appends as .NET's G15 invariant: 1E+15, 0.1, NaN, Infinity */
bool value_equal(const struct value *a, const struct value *b); /* the == operator */
const char *
value_kind_name(enum value_kind kind); /* "Null", "Boolean", "Number", "String", "Array", "Object" */

/* Case-insensitive lookup as contexts do it: the exact name wins, then the first that matches by Unicode
 * case. Borrowed. */
json_t *json_object_get_nocase(const json_t *object, const char *key, size_t len);

enum expr_phase { EXPR_OK, EXPR_LEXING, EXPR_PARSING, EXPR_EVALUATION };

struct expr_err {
    enum expr_phase phase;
    char *msg; /* owned; as GitHub words it: "Unexpected symbol: ')'. Located at position 5 within expression:
                  1 < )" */
};
void expr_err_release(struct expr_err *e);
#define _expr_err_ _cleanup_(expr_err_release)
const char *expr_phase_name(enum expr_phase phase); /* "lexing", "parsing", "evaluation" */

/* A function that is not built in. min/max: how many arguments. */
struct expr_function {
    const char *name; /* compared without regard to ASCII case */
    int min_args, max_args;
};

/* What a place in a workflow lets an expression use; arrays end with a NULL name. */
struct expr_scope {
    const char *const *named_values;       /* contexts; NULL array: any name is allowed */
    const struct expr_function *functions; /* beside the built-in ones; NULL: none */
    bool forges; /* gitea, forgejo and forge are names of the context github, where that is one */
};

struct expr; /* a parsed expression; immutable, so any number of threads may evaluate it */

/*
 * Parses text (which need not end with NUL). Limits as GitHub has them: 21,000 characters, depth 50.
 * An empty or blank text is a valid expression that evaluates to Null. Returns 0, -EINVAL (err filled) or
 * -ENOMEM.
 */
int expr_parse(const char *text, size_t len, const struct expr_scope *scope, struct expr **ret,
               struct expr_err *err);
void expr_free(struct expr *e);
const char *expr_text(const struct expr *e);                /* its source */
bool expr_names(const struct expr *e, const char *context); /* whether it uses that context */
bool expr_calls_status(const struct expr *e);               /* success, failure, always or cancelled */

/* Calls a function of the scope. args[0..n) are borrowed; *ret is given. Return 0 or -errno with err's
 * sentence. */
typedef int expr_call_fn(void *data, const char *function, const struct value *args, size_t n,
                         struct value *ret, struct err *err);

struct expr_env {
    json_t *contexts;   /* borrowed object: {"github": {...}, "env": {...}, ...}; an absent one is Null */
    expr_call_fn *call; /* for the functions of the scope; NULL: calling one is an evaluation error */
    void *data;
    bool exact_env; /* env.a is not env.A: true where steps run, as environment variables are on Linux */
    size_t
        max_memory; /* bytes a single evaluation may produce; 0: GitHub's 10 MiB (of UTF-16, as it counts) */
};

int expr_eval(const struct expr *e, const struct expr_env *env, struct value *ret, struct expr_err *err);

/*
 * Evaluates and explains: appends one line for each part that was evaluated, indented by its depth,
 * `PART => VALUE` (strings quoted, long values cut), parts that short-circuiting left out marked `(not
 * evaluated)`. Literals have no lines of their own. When evaluation fails the lines tell how far it came.
 */
int expr_explain(const struct expr *e, const struct expr_env *env, struct value *ret, struct buf *lines,
                 struct expr_err *err);

/*
 * Evaluates with no functions but the built-in ones, with the keys of contexts (borrowed; NULL: none) as the
 * only named values (gitea, forgejo and forge are github, where that is one and they are none) and with the 1
 * MiB that GitHub's evaluator allows by itself, and appends one line:
 * {"kind":"String","value":...} or {"error":{"kind":"lexing|parsing|evaluation","message":"..."}}.
 * Returns 0, -EINVAL when the line tells an error, -ENOMEM.
 */
int expr_eval_line(const char *text, size_t len, json_t *contexts, struct buf *out);

struct expr_cache;

/*
 * The same for a request in JSON: {"expr": "...", "contexts": {...}}, contexts being optional. The cache may
 * be NULL. What is no such request gives an error of the kind "input". Returns 0 when a line was appended,
 * whatever it says, or -ENOMEM.
 */
int expr_eval_request(struct expr_cache *cache, const char *request, size_t len, struct buf *out);

/* What a run of requests remembers: expressions and contexts, up to a fixed number. One thread at a time. */
struct expr_cache *expr_cache_new(void); /* NULL: no memory */
void expr_cache_free(struct expr_cache *cache);

/*
 * Finds the end of an expression in text that starts behind its "${{": the offset of the closing "}}" outside
 * quotes, or -1 when there is none.
 */
ssize_t expr_find_end(const char *text, size_t len);

#endif
