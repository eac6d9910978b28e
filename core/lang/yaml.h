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

/* A tree, and the token in it that stands where the text could not be read any further; NULL: it was read. */
struct yaml_tree {
    struct token *root, *broken;
};

/*
 * Parses one document. Returns 0, -EINVAL (error filled) or -ENOMEM. The tree lives in the arena. What is
 * YAML and yet refused (a tag, an unknown anchor) leaves in `ret` what was read before, with `broken` as its
 * last token where collections were open; with an error of syntax the root is NULL.
 */
int yaml_read(struct arena *arena, const char *text, size_t len, struct yaml_tree *ret,
              struct yaml_error *error);

#endif
