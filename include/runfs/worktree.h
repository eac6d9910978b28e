/*
 * What git says of a checkout on this host: its branch, its last commit, where it came from, what changed
 * between two commits. Nothing here runs hooks, filters or programs that the repository's configuration
 * names.
 */
#ifndef RUNFS_WORKTREE_H
#define RUNFS_WORKTREE_H

#include <stdbool.h>

#include "runfs/arena.h"

/* Strings are the arena's; "" where git knows none. Dates as git's %aI: "2026-01-31T12:00:00+01:00". */
struct commit {
    const char *id, *parent, *tree, *message;
    const char *author, *author_email, *author_date, *committer, *committer_email, *committer_date;
    const char *parents; /* all of them, with blanks between */
};

struct worktree {
    const char *path;
    const char *remote;    /* URL of origin */
    const char *full_name; /* "owner/name" by that URL */
    const char *server;    /* "https://github.com" by that URL */
    const char *ref;       /* what is checked out: "refs/heads/main"; "" detached, or no checkout */
    const char *
        default_branch; /* origin's, else main or master where they exist, else what is checked out; "main" */
    struct commit head;
};

/* Reads all of it; a directory that is no checkout, or "", gives empty strings. 0 or -ENOMEM. */
int worktree_read(const char *path, struct arena *a, struct worktree *ret);
/* Only remote, full_name and server of it: one question instead of three. */
void worktree_read_remote(const char *path, struct arena *a, struct worktree *ret);
/* The commit of a ref or id, also as a branch of origin; "" where there is none. */
const char *worktree_resolve(const char *path, const char *rev, struct arena *a);
/* "COMMIT NAME" of each branch: its own by name, then those of origin that have other names. NULL-terminated;
 * NULL: git cannot tell. */
const char *const *worktree_branches(const char *path, struct arena *a);
/* All of a commit; empty strings where there is none. */
int worktree_commit(const char *path, const char *rev, struct arena *a, struct commit *ret);
/* Those that a commit has behind it, itself first. 0, also when there are none; -ENOENT: git cannot tell. */
struct log_query {
    const char *rev;
    const char *without; /* an id: nor what that one has behind it; NULL: all */
    const char *file;    /* a file or a folder that they changed; this and what follows NULL: whatever */
    const char *author;  /* a part of a name or an address */
    const char *since, *until; /* RFC 3339 */
    size_t skip, max;
};
int worktree_log(const char *path, const struct log_query *q, struct arena *a, struct commit **ret,
                 size_t *ret_n);
/* The nearest tag; "" for none. */
const char *worktree_nearest_tag(const char *path, struct arena *a);
/*
 * Paths that differ between two commits (ids), both names of what was renamed; since_fork: since the second
 * one left the first ("three dots"). "" as `from` is the empty tree. NULL-terminated, at most
 * WORKTREE_PATHS_MAX as on GitHub; NULL: git cannot tell.
 */
enum { WORKTREE_PATHS_MAX = 300 };
const char *const *worktree_changed_paths(const char *path, const char *from, const char *to, bool since_fork,
                                          struct arena *a);
/* The last commit that both have, "" for none. */
const char *worktree_fork_point(const char *path, const char *one, const char *other, struct arena *a);

/* "owner/name" and "https://host" out of a remote's URL; false for one that has none (a path). */
bool remote_parse(const char *url, struct arena *a, const char **ret_full_name, const char **ret_server);

/* A whole commit's name in lower case. */
bool git_is_sha(const char *text);

#endif
