/*
 * The concepts of a role, compiled from its pages and its documents: which documents name one, and which
 * stand together with it. Any thread; what changed on disk is read first.
 */
#ifndef RUNFS_CONCEPTS_H
#define RUNFS_CONCEPTS_H

#include "runfs/search.h"

enum { CONCEPT_DOCUMENTS_MAX = SEARCH_HITS_MAX, CONCEPT_EDGES_MAX = 64, CONCEPT_ID_BITS = 36 };

struct concept_view {
    int64_t id;       /* of its slug: stays while others come and go, of CONCEPT_ID_BITS */
    const char *slug; /* unique among the role's */
    const char *name, *path;
    const char *const *synonyms;
    size_t n_synonyms;

    /* Only with CONCEPT_SEEN and CONCEPT_WHOLE. */
    size_t n_documents; /* that name it */
    /* The best of them: by how often they name it, and how much else they name that stands with it. */
    const struct concept_document {
        const char *path, *title;
        double rank;
    } * documents;
    size_t n_ranked;
    /* The concepts that are named in most of them. */
    const struct concept_edge {
        int64_t id;
        const char *slug;
        size_t documents;
    } * edges;
    size_t n_edges;
};

enum concept_part {
    CONCEPT_KNOWN, /* as it was read last, nothing is looked for */
    CONCEPT_PAGE,  /* what its page says */
    CONCEPT_SEEN,  /* whole, as it was for whoever looked at it a moment ago */
    CONCEPT_WHOLE
};

/* KNOWN and PAGE do not wait while files are read into the index.
 * role: a name, NULL for the selected one. fn is called once, unless there is no such concept: -ENOENT. It
 * must not call anything of this page or of search.h; c is valid during the call. */
typedef void concept_fn(void *data, const struct concept_view *c);
int concept_look(struct searcher *s, const char *role, int64_t id, enum concept_part part, concept_fn *fn,
                 void *data);
/* The concepts that most documents name, whole; fn as above. -ENOENT: the role has none. */
int concept_each(struct searcher *s, const char *role, size_t max, concept_fn *fn, void *data);
int64_t concept_find(struct searcher *s, const char *role, const char *slug); /* an id; 0: none */
/* Ids behind that one, ascending. */
ssize_t concept_list(struct searcher *s, const char *role, int64_t after, int64_t *ids, size_t max);

/* What stands together, for graphviz, and drawn (-ENOENT without the program dot): the 60 concepts that most
 * documents name, each with those that it stands with most. -ENOENT: there are none. Appended. */
int concepts_dot(struct searcher *s, const char *role, struct buf *ret);
int concepts_json(struct searcher *s, const char *role, struct buf *ret); /* the same as data */
int concepts_svg(struct searcher *s, const char *role, struct buf *ret);

#endif
