/*
 * The schemas of workflow files and action manifests: which keys there are, what each may hold, and what
 * expressions may use there.
 */
#ifndef RUNFS_SCHEMA_H
#define RUNFS_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

/* What an expression may name at a place. A place has what it lists and what the places around it list. */
enum schema_context {
    CTX_GITHUB = 1 << 0,
    CTX_INPUTS = 1 << 1,
    CTX_VARS = 1 << 2,
    CTX_NEEDS = 1 << 3,
    CTX_STRATEGY = 1 << 4,
    CTX_MATRIX = 1 << 5,
    CTX_SECRETS = 1 << 6,
    CTX_STEPS = 1 << 7,
    CTX_JOB = 1 << 8,
    CTX_RUNNER = 1 << 9,
    CTX_ENV = 1 << 10,
    CTX_JOBS = 1 << 11,
    FN_JOB_STATUS = 1 << 12,  /* success() and failure() take job ids */
    FN_STEP_STATUS = 1 << 13, /* always(), success(), failure(), cancelled() without arguments */
    FN_HASH_FILES = 1 << 14,
};

enum schema_kind {
    SCHEMA_NULL,
    SCHEMA_BOOLEAN,
    SCHEMA_NUMBER,
    SCHEMA_STRING,
    SCHEMA_SEQUENCE,
    SCHEMA_MAPPING,
    SCHEMA_ONE_OF,
};

struct schema;

struct schema_property {
    const char *name; /* NULL ends the list */
    const struct schema *type;
    bool required;
    bool background; /* part of the background steps, which are off unless asked for */
    bool unlisted;   /* not suggested while they are off */
    bool forge;      /* Gitea's or Forgejo's own; unknown to GitHub */
};

struct schema {
    enum schema_kind kind;
    bool non_empty;                           /* string */
    unsigned context;                         /* enum schema_context */
    const char *const *values;                /* string: the only ones, ends with NULL */
    const struct schema *item;                /* sequence */
    const struct schema_property *properties; /* mapping; NULL: none */
    const struct schema *key, *value;         /* mapping: of any other key; NULL: there is none */
    const struct schema *const *one_of;       /* ends with NULL */
};

extern const struct schema schema_workflow, schema_any, schema_job_if, schema_step_if;
extern const struct schema schema_on; /* `on` as a mapping: its properties are the events */
extern const struct schema schema_action, schema_composite_if;
/* What the caller may pass for an input of a type, and its default. */
extern const struct schema schema_input_string, schema_input_boolean, schema_input_number;

#endif
