/*
 * Searching as a role: the files of its haystacks, ranked by its relevance function. Any thread.
 */
#ifndef RUNFS_SEARCH_H
#define RUNFS_SEARCH_H

#include <sys/stat.h>

#include "runfs/arena.h"
#include "runfs/err.h"
#include "runfs/knowledge_rows.h"
#include "runfs/roles.h"
#include "runfs/store.h"

enum {
    SEARCH_HITS_MAX = 50,
    SEARCH_CANDIDATES_MAX = 200, /* the best by BM25, among which concepts rank */
    HAYSTACK_FILES_MAX = 20000,  /* of one haystack; the rest is not read */
    HAYSTACK_FILE_MAX = 1024 * 1024,
    HAYSTACK_BYTES_MAX = 256 * 1024 * 1024, /* of one haystack's files together */
    HAYSTACK_DEPTH_MAX = 24
};

struct search_hit {
    int64_t id;
    const char *path, *title, *excerpt;
    double rank; /* more is better */
};

struct search_hits {
    struct arena arena;
    const char *role;                              /* "" without one */
    struct search_hit hits[SEARCH_CANDIDATES_MAX]; /* room to rank in; SEARCH_HITS_MAX are left */
    size_t n;
};

/*
 * Files that have all words of the query, the best first. role NULL: the one that roles/selected names, else
 * the first of the first file in roles/, and without any there is nothing to find; -ENOENT: no such role.
 * Looks first which files changed and reads those. A query is words, whatever they are made of. ret begins
 * zeroed and is released in any case.
 */
int search_documents(struct store *st, const char *role, const char *query, struct search_hits *ret,
                     struct err *err);
void search_hits_release(struct search_hits *h);
#define _search_hits_ _cleanup_(search_hits_release)

/* The hits as JSON: query, role, total, results with id, url, title, body, rank, tags. */
json_t *search_results(const struct search_hits *h, size_t from, size_t n); /* only those; may be NULL */
int search_json(const char *query, const struct search_hits *h, struct buf *ret);

/* The directories (or the file) that a haystack is, absolute and without links. A relative one is in each
 * linked repository, and never outside of it. (haystack.c) */
typedef int haystack_root_fn(void *data, const char *path);
int haystack_each_root(struct store *st, const struct haystack *h, haystack_root_fn *fn, void *data);
/* What was read of all haystacks, and as what; NULL: no memory, or it cannot be read. */
struct known_files;
struct known_files *known_files_new(struct store *st);
void known_files_free(struct known_files *k); /* NULL allowed */
/* Reads what changed below it. */
int haystack_read(struct store *st, const struct known_files *known, const struct haystack *h,
                  const char *root, struct err *err);
/* Whether a file below a root is one of its files. */
bool haystack_has(const struct haystack *h, const char *root, const char *path);

/* Its files, without following links or going into other file systems; none below a FUSE mount. fn: not 0
 * ends it, and is returned. */
typedef int haystack_file_fn(void *data, const char *path, const struct stat *file);
int haystack_each_file(const struct haystack *h, const char *root, haystack_file_fn *fn, void *data);
/* Appends a file's text, nothing where it is longer than max or no text. -ENOENT: it is no regular file. */
int haystack_text(const char *path, size_t max, struct buf *ret, struct stat *ret_file);

/*
 * The graph of a role's concepts over the documents that a search found: a concept is a node, two in one
 * document are an edge. (concept_graph.c)
 */
enum { CONCEPTS_MAX = 2000 };
struct concept_graph;
/* Reads the pages at that place (as a haystack's) and finds which of them the query names. */
int concept_graph_new(struct store *st, const char *kg, const char *query, struct concept_graph **ret);
void concept_graph_free(struct concept_graph *g); /* NULL allowed */
/* Appends what else the concepts of the query are called, each as " OR " and a string of FTS5. */
void concept_graph_expand(const struct concept_graph *g, struct buf *ret);
/* Documents are added in order, then ranked by node rank, edge rank and document rank; 0 where none of the
 * query's concepts is in it. */
int concept_graph_add(struct concept_graph *g, const struct document_found *f);
double concept_graph_rank(struct concept_graph *g, size_t document);

#endif
