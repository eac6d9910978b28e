/* How a mask is made, by mask_layer.c and mask_search.c; what for, and for whom, machine_internal.h says.
 * Paths of the host have no leading slash here: they are those of the layer, whose directory is `at`. Results
 * are 0 or -errno. */
#ifndef RUNFS_MACHINE_MASK_H
#define RUNFS_MACHINE_MASK_H

#include "runfs/buf.h"

/* mask_layer.c */
/* Makes a directory that merges with the host's: same mode and owner. One that is there is left. */
int mask_mirror(int at, const char *path);
/* A directory becomes an empty one, anything else vanishes. */
int mask_hide(int at, const char *path, bool is_dir);

/* mask_search.c */
struct mask_searched {
    struct buf dirs; /* absolute paths of the directories that were looked into, each with its NUL */
    uint64_t state;  /* what these were like */
    int64_t look_at; /* mono_ns() from which on it is worth while to ask whether they are the same */
};
/*
 * Hides what machines are not to see of the host's data, but for what is hidden already (absolute paths,
 * NULL-terminated). *ret is as before a first search or of an earlier one.
 */
int mask_search(int at, char *const *hidden, struct mask_searched *ret);
/* Whether none of these directories got or lost a name since: a search would find what it has found. */
bool mask_search_same(struct mask_searched *searched);

#endif
