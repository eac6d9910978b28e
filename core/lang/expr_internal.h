/*
 * What the files of the expression engine share and nobody else sees: borrowed text, values whose memory the
 * evaluation keeps, the tree, and the state of an evaluation.
 */
#ifndef RUNFS_EXPR_INTERNAL_H
#define RUNFS_EXPR_INTERNAL_H

#include <math.h>
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
uint32_t utf8_next(const unsigned char **at, const unsigned char *end);
int fold_compare(struct slice a, struct slice b);
bool fold_equal(struct slice a, struct slice b);
bool fold_starts(struct slice text, struct slice prefix);
bool fold_ends(struct slice text, struct slice suffix);
int fold_contains(struct slice text, struct slice part, bool *ret); /* 0 or -ENOMEM */
size_t utf16_length(struct slice text);
size_t space_length(const char *s, const char *end); /* bytes of the white space at s, 0 if it is none */

/* number.c */
double number_parse(struct slice text);                     /* GitHub's coercion; NaN where there is none */
void number_to_json(double n, struct buf *ret);             /* shortest that reads back the same */
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

/* value.c: the same rules for both representations */
struct val val_from_json(json_t *json);
struct val val_from_value(const struct value *v);
struct value val_to_value(const struct val *v); /* an owning copy; out of memory it is Null and... see value.c */
bool val_truthy(const struct val *v);
double val_to_number(const struct val *v);
bool val_equal(const struct val *a, const struct val *b);
int val_compare(const struct val *a, const struct val *b, bool *ret_less, bool *ret_greater);
static inline bool val_primitive(const struct val *v)
{
    return v->kind != VALUE_ARRAY && v->kind != VALUE_OBJECT;
}

/* Text of a value; numbers are written to `room`, which must outlive the slice. */
struct slice val_text(const struct val *v, char room[NUMBER_TEXT_MAX]);

#endif
