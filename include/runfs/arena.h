/*
 * An arena: many small objects with one lifetime (a parsed file, a plan). Freed whole, never in parts.
 * One thread at a time while allocating; reading from many is fine.
 */
#ifndef RUNFS_ARENA_H
#define RUNFS_ARENA_H

#include <stddef.h>

#include "runfs/cleanup.h"

struct arena {
    struct arena_block *blocks; /* owned */
    size_t used;                /* bytes handed out in all */
};

void arena_release(struct arena *a);
#define _arena_ _cleanup_(arena_release)

/* All of it is the arena's, and lasts as long as that; NULL when out of memory. */
void *arena_alloc(struct arena *a, size_t size);                 /* zeroed, aligned for any object */
char *arena_strndup(struct arena *a, const char *s, size_t len); /* NUL-terminated */
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))

#endif
