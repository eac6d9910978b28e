/*
 * Searching as a role: the files of its haystacks, ranked by its relevance function. Any thread.
 */
#ifndef RUNFS_SEARCH_H
#define RUNFS_SEARCH_H

#include "runfs/arena.h"
#include "runfs/err.h"
#include "runfs/roles.h"
#include "runfs/store.h"

struct searcher;

/* Borrows the store. What it knows of files is in STATE/search.db, opened by the first search. */
int searcher_new(struct store *st, struct searcher **ret, struct err *err);
/* NULL allowed. False: a file system does not answer who reads files in the background; he is left behind
 * with all of it, the store too. */
bool searcher_free(struct searcher *s);
/* From now on the files of all roles are read into the index as soon as those, or the linked repositories,
 * change. */
int searcher_index(struct searcher *s, struct err *err);
/* Whether a role's files are being read now, and were not before since roles or repositories changed: what
 * is asked of them waits. role NULL: the selected one. ret_files: how many were read so far; NULL allowed. */
bool searcher_is_indexing(struct searcher *s, const char *role, size_t *ret_files);

enum {
    SEARCH_HITS_MAX = 50,
    SEARCH_CANDIDATES_MAX = 200, /* the best by BM25, among which concepts rank */
    SEARCH_RUNS_MAX = 10000,     /* the newest; older ones are not found */
    SEARCH_QUERY_MAX = 4096,     /* bytes of what is asked for */
    SEARCH_RUN_HITS_MAX = 10,    /* of one search: there may be thousands that are alike */
    HAYSTACK_FILES_MAX = 20000,  /* of one haystack; the rest is not read */
    HAYSTACK_FILE_MAX = 1024 * 1024,
    HAYSTACK_BYTES_MAX = 256 * 1024 * 1024, /* of one haystack's files together */
    HAYSTACK_DEPTH_MAX = 24
};

struct search_hit {
    int64_t id;
    const char *path; /* of a file, absolute; of a row of the store, below the mount */
    const char *title, *excerpt;
    double rank; /* more is better */
};

struct search_hits {
    struct arena arena;
    const char *role;                              /* "" without one */
    struct search_hit hits[SEARCH_CANDIDATES_MAX]; /* room to rank in; SEARCH_HITS_MAX are left */
    size_t n;
    uint64_t as_of; /* what the searcher knew then */
};

/*
 * Files, failures of steps, lessons, commands and runs that have all words of the query, the best first. role
 * NULL: the one that roles/selected names, else the first of the first file in roles/, and without any there
 * are no files; -ENOENT: no such role; -EINVAL: the query is longer than SEARCH_QUERY_MAX.
 * Looks first which files changed and reads those. A query is words, whatever they are made of. ret begins
 * zeroed and is released in any case; with the as_of of the same query's last hits, 1 says that they stand.
 */
int search_documents(struct searcher *s, const char *role, const char *query, struct search_hits *ret,
                     struct err *err);
void search_hits_release(struct search_hits *h);
#define _search_hits_ _cleanup_(search_hits_release)

/* The hits as JSON: query, role, total, results with id, url, title, body, rank, tags. */
json_t *search_results(const struct search_hits *h, size_t from, size_t n); /* only those; may be NULL */
int search_json(const char *query, const struct search_hits *h, struct buf *ret);

#endif
