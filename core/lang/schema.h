/*
 * The schema of workflow files as one table: which keys a mapping may have, of what type each value is, and which contexts
 * and functions an expression in it may use. Facts: GitHub's workflow schema, "workflow-v1.0".
 */
#ifndef RUNFS_LANG_SCHEMA_H
#define RUNFS_LANG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runfs/expr.h"

enum definition_kind {
    DEF_STRING,
    DEF_CONSTANT,
    DEF_VALUES,
    DEF_BOOLEAN,
    DEF_NUMBER,
    DEF_NULL,
    DEF_SEQUENCE,
    DEF_MAPPING,
    DEF_ONE_OF,
};

struct property {
    const char *name; /* NULL ends a list */
    const char *type;
    bool required;
};

struct definition {
    const char *name;
    enum definition_kind kind;
    uint32_t uses;                       /* contexts and functions that expressions may use, in and below it */
    bool non_empty;                      /* string */
    const char *const *values;           /* constant, values, one-of (names of definitions); NULL-terminated */
    const struct property *properties;   /* mapping; NULL: none */
    const char *loose_key, *loose_value; /* mapping: types of other keys; NULL: there may be none */
    const char *item;                    /* sequence */
};

const struct definition *schema_find(const char *name); /* never NULL for a name that the table uses */

/* The names that a set of `uses` allows, in a form for expr_parse. */
void schema_scope(uint32_t uses, struct expr_scope *ret, const char *names[], struct expr_function functions[]);
enum { SCHEMA_NAMES_MAX = 13, SCHEMA_FUNCTIONS_MAX = 6 };

#endif
