/*
 * A repository on this host for who looks through it: its tags, its folders and files at a commit, what
 * differs between two. Like worktree.h: nothing runs that the repository names. Strings are the arena's; what
 * is no UTF-8 is left out, since nobody could ask for it.
 */
#ifndef RUNFS_BROWSE_H
#define RUNFS_BROWSE_H

#include <stdint.h>

#include "runfs/arena.h"
#include "runfs/buf.h"

/* "COMMIT NAME" of each tag of a commit, the highest version first. NULL-terminated; NULL: git cannot tell.
 */
const char *const *browse_tags(const char *path, struct arena *a);

/* What "commit", "tree", "blob" or "tag" that id or name is of; "" where there is none. */
const char *browse_type(const char *path, const char *id, struct arena *a);

struct browse_entry {
    const char *mode, *type, *id; /* "100644", "blob" */
    const char *path;             /* from the folder that was asked for; of browse_find() from the root */
    int64_t size;                 /* -1: not a file */
};
enum { BROWSE_ENTRIES_MAX = 20000 };
/* The entries of a commit or a tree (its id), with all below them where `deep`. 0; -ENOENT: there is no such
 * tree; -ENOMEM. ret_more: there are more than fit. */
int browse_tree(const char *path, const char *id, bool deep, struct arena *a, struct browse_entry **ret,
                size_t *ret_n, bool *ret_more);
/* What lies there at that commit, "a/b" or "" for all. 0 or -ENOENT, -ENOMEM. */
int browse_find(const char *path, const char *commit, const char *file, struct arena *a,
                struct browse_entry *ret);
/* Appends a file's bytes. 0, -ENOENT, -EFBIG: more than max. */
int browse_blob(const char *path, const char *id, int64_t max, struct buf *ret);

/* How many commits `one` has that `other` has not, and the other way round (ids). False: git cannot tell. */
bool browse_distance(const char *path, const char *one, const char *other, int64_t *ret_one,
                     int64_t *ret_other);

struct browse_change {
    const char *id;               /* of the blob, that was there before where it is gone */
    const char *path, *former;    /* former: what it was called; NULL: the same */
    const char *status;           /* "added", "removed", "modified", "renamed", "copied", "changed" */
    int64_t additions, deletions; /* lines; 0 of what has none */
};
/* What differs between two commits (ids; "" as `from`: nothing was there), at most max of it. 0 or -ENOENT,
 * -ENOMEM. */
int browse_changes(const char *path, const char *from, const char *to, size_t max, struct arena *a,
                   struct browse_change **ret, size_t *ret_n);
/* The same as a text for patch(1). Appended. */
int browse_diff(const char *path, const char *from, const char *to, struct buf *ret);

#endif
