/*
 * YAML text as a tree of tokens: literals, sequences and mappings, with their places. Aliases share what they
 * name, so the tree is a graph, and a hostile one has cycles: who walks it bounds depth and steps.
 */
#ifndef RUNFS_YAML_H
#define RUNFS_YAML_H

#include "runfs/arena.h"
#include "runfs/token.h"

enum { YAML_MAX_DEPTH = 50 };

/* Why a text was refused; line and col are 0 where the sentence stands for the whole file. */
struct yaml_error {
    int line, col;
    struct err err;
};

/* Parses one document. Returns 0, -EINVAL (error filled) or -ENOMEM. The tree lives in the arena. */
int yaml_read(struct arena *arena, const char *text, size_t len, struct token **ret,
              struct yaml_error *error);

#endif
