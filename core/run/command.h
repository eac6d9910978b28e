/*
 * Workflow commands in a step's output: `::name key=value,key=value::message` and the older `##[name
 * key=value;]message` (GitHub documentation, "Workflow commands").
 */
#ifndef RUNFS_RUN_COMMAND_H
#define RUNFS_RUN_COMMAND_H

#include "runfs/buf.h"

enum { COMMAND_PROPERTIES = 16 };

struct command {
    char *name;    /* owned, lower case */
    char *message; /* owned, unescaped */
    struct {
        char *key, *value; /* owned, unescaped */
    } properties[COMMAND_PROPERTIES];
    size_t n;
};

void command_release(struct command *c);
#define _command_ _cleanup_(command_release)

/* Whether the line (without its newline) is a command; then ret is filled. -ENOMEM counts as no command. */
bool command_parse(const char *line, size_t len, struct command *ret);

/* The value of a property, "" without. */
const char *command_property(const struct command *c, const char *key);

#endif
