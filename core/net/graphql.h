/*
 * GraphQL, as far as a server of a few types needs it: a query is read with its variables, and answered field
 * by field. GraphQL specification, "Language", "Execution", "Response". Private to core/net.
 */
#ifndef RUNFS_GRAPHQL_H
#define RUNFS_GRAPHQL_H

#include <jansson.h>
#include <stdbool.h>

/* What there is: a type, and its fields with blanks between. The first is what a query begins with. */
struct graphql_type {
    const char *name, *fields;
};

struct graphql {
    const struct graphql_type *types; /* one without a name ends them */
    const char *const
        *interfaces; /* names of what more than one type is: "... on" them fits all; NULL ends */
    /* A field of an object (which has its "__typename") that it does not hold itself; a new value, NULL: it
     * is what the object holds under its name, else null. */
    json_t *(*resolve)(void *data, const json_t *object, const char *field, const json_t *args);
    void *data;
    json_t *errors; /* owned by graphql_answer(), while it runs: for graphql_say() */
};

/*
 * Reads a query into JSON, fragments and operations by their names: a selection is a list of objects, each a
 * field ("name", "alias", "args", "of") or a fragment ("on", "of"), or the name of one ("spread"). variables:
 * those that are given, to which it adds what others are when nobody says. False: it is none that can be
 * read.
 */
enum { GRAPHQL_DEPTH_MAX = 32 };
bool graphql_read(const char *query, json_t *variables, json_t *fragments, json_t *operations);
/* The response: {"data"} with or without "errors", or "errors" alone. variables may be NULL. */
json_t *graphql_answer(struct graphql *g, const char *query, const json_t *variables, const char *operation);
/* Adds an error: type "NOT_FOUND" and the like, NULL for none. */
void graphql_say(struct graphql *g, const char *type, const char *message);

/* The list as a connection: nodes, edges, totalCount and pageInfo, what first, last, after and before in args
 * leave of it. */
json_t *graphql_connection(const char *type, const json_t *list, const json_t *args);

#endif
