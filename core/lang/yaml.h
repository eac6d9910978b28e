/*
 * YAML as GitHub reads it: a tree of scalars, sequences and mappings with their places. YAML 1.2 core schema;
 * aliases are expanded (bounded); one document a file.
 */
#ifndef RUNFS_LANG_YAML_H
#define RUNFS_LANG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "runfs/arena.h"
#include "runfs/err.h"

enum yaml_kind { YAML_NULL, YAML_BOOLEAN, YAML_NUMBER, YAML_STRING, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    int line, col; /* 1-based; columns count characters */
    bool boolean;
    double number;
    const char *str; /* scalars: their text */
    size_t len;
    struct yaml_node **items; /* sequence: n of them; mapping: key, value, key, value, ... (2n) */
    size_t n;
};

struct yaml_error {
    int line, col; /* 0: none */
    char msg[256];
};

enum { YAML_DEPTH_MAX = 100, YAML_NODES_MAX = 500000 };

/* Everything is allocated in a. Returns 0, -EINVAL (ret_error filled) or -ENOMEM. An empty file gives *ret
 * NULL. */
int yaml_parse(const char *text, size_t len, struct arena *a, struct yaml_node **ret,
               struct yaml_error *ret_error);

#endif
