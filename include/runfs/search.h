/*
 * Searching as a role: the files of its haystacks, ranked by its relevance function. Any thread.
 */
#ifndef RUNFS_SEARCH_H
#define RUNFS_SEARCH_H

#include "runfs/arena.h"
#include "runfs/err.h"
#include "runfs/roles.h"
#include "runfs/store.h"

enum {
    SEARCH_HITS_MAX = 50,
    HAYSTACK_FILES_MAX = 20000, /* of one haystack; the rest is not read */
    HAYSTACK_FILE_MAX = 1024 * 1024,
    HAYSTACK_DEPTH_MAX = 24
};

struct search_hit {
    int64_t id;
    const char *path, *title, *excerpt;
    double rank; /* more is better */
};

struct search_hits {
    struct arena arena;
    const char *role; /* "" without one */
    struct search_hit hits[SEARCH_HITS_MAX];
    size_t n;
};

/*
 * Files that have all words of the query, the best first, for the role that roles/selected names, else the
 * first of the first file in roles/. Looks first which files changed and reads those. Without a role there is
 * nothing to find. A query is words, whatever they are made of. ret begins zeroed and is released in any
 * case.
 */
int search_documents(struct store *st, const char *query, struct search_hits *ret, struct err *err);
void search_hits_release(struct search_hits *h);
#define _search_hits_ _cleanup_(search_hits_release)

/* The hits as JSON: query, role, total, results with id, url, title, body, rank, tags. */
int search_json(const char *query, const struct search_hits *h, struct buf *ret);

/* The directories (or the file) that a haystack is, absolute and without links. A relative one is in each
 * linked repository, and never outside of it. (haystack.c) */
typedef int haystack_root_fn(void *data, const char *path);
int haystack_each_root(struct store *st, const struct haystack *h, haystack_root_fn *fn, void *data);
/* Reads what changed below it. */
int haystack_read(struct store *st, const struct haystack *h, const char *root, struct err *err);
/* Whether a file below a root is one of its files. */
bool haystack_has(const struct haystack *h, const char *root, const char *path);

#endif
