/*
 * Reading a YAML tree by the schema: tokens, and every complaint in the order in which GitHub makes it.
 */
#ifndef RUNFS_LANG_SCHEMA_READ_H
#define RUNFS_LANG_SCHEMA_READ_H

#include "runfs/workflow.h"
#include "schema.h"
#include "yaml.h"

/* Every expression of a workflow, so that they can be freed with it. Lives in the arena. */
struct expr_list {
    struct expr *expr; /* owned */
    struct expr_list *next;
};

struct schema_reader {
    struct arena *arena;
    struct lint *lint;
    const char *file;
    struct expr_list *exprs; /* newest first */
    bool background_steps;
    size_t depth;
    bool no_memory;
};

/* Adds a complaint at a place (line 0: none). */
void lint_add(struct lint *l, const char *file, int line, int col, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Reads a tree as the named definition. NULL only without memory; complaints are in lint. */
struct token *schema_read(struct schema_reader *r, const struct yaml_node *node, const char *definition);

/*
 * Parses one expression that may use what `uses` says and keeps it with the others. A complaint is added at
 * the given place. NULL: it is in error.
 */
struct expr *schema_expr(struct schema_reader *r, const char *text, size_t len, uint32_t uses, int line,
                         int col);

/* What the conditions of jobs and steps may use. */
uint32_t schema_uses(const char *definition);

#endif
