/*
 * The inside of searching: haystacks, concepts, and what is kept between two searches. Private to
 * core/knowledge.
 */
#ifndef RUNFS_SEARCH_INTERNAL_H
#define RUNFS_SEARCH_INTERNAL_H

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "runfs/documents.h"
#include "runfs/role_list.h"
#include "runfs/search.h"
#include "runfs/watch.h"

/* ------------------------------------------------------------------------------------------- haystack.c */

/* The directories (or the file) that a haystack is, absolute and without links. A relative one is in each
 * linked repository, and never outside of it. */
typedef int haystack_root_fn(void *data, const char *path);
int haystack_each_root(struct store *st, const struct haystack *h, haystack_root_fn *fn, void *data);
/* Whether a file below a root is one of its files, by its name. */
bool haystack_has(const struct haystack *h, const char *root, const char *path);

/* What others may see of an update, and do to it. */
struct index_progress {
    atomic_bool stop;    /* it ends with -ECANCELED, and nothing of its last group is kept */
    atomic_size_t files; /* that were read */
};
bool index_is_stopped(const struct index_progress *progress);

/* Its files, without following links or going into other file systems; none below a mount of runfs. The walk
 * is one of watch (NULL allowed). fn: not 0 ends it, and is returned. */
typedef int haystack_file_fn(void *data, const char *path, const struct stat *file);
int haystack_each_file(const struct haystack *h, const char *root, struct watch *watch,
                       const struct index_progress *progress, haystack_file_fn *fn, void *data);
/* Appends a file's text, nothing where it is longer than max or no text. -ENOENT: it is no regular file that
 * can be read, or a link leads to it. */
int haystack_text(const char *path, size_t max, struct buf *ret, struct stat *ret_file);

/* Has the index hold what changed below a root since watch said last; *ret_changed counts the documents that
 * were written or dropped. */
int haystack_update(struct documents *d, const struct haystack *h, const char *root, struct watch *watch,
                    struct index_progress *progress, uint64_t *ret_changed, struct err *err);

int64_t stat_changed_at(const struct stat *file);

/* ------------------------------------------------------------------------------------------ readahead.c */

/* A file as it is to be indexed; result is not 0 where it cannot be. */
struct read_file {
    char *path; /* owned, as the buffers */
    struct buf text, title;
    int64_t changed_at, size;
    int result;
};
void read_file_now(struct read_file *f); /* path is given */

/* Files that threads read ahead, and that are taken in the order in which they were added. One thread adds
 * them, one takes them. */
struct readahead;
struct readahead *readahead_new(void); /* NULL: no memory */
void readahead_free(struct readahead *r);
int readahead_add(struct readahead *r, const char *path);
void readahead_end(struct readahead *r); /* no more will be added */
/* Borrowed until the next call; waits for one. NULL: there are no more. */
const struct read_file *readahead_next(struct readahead *r);

/* --------------------------------------------------------------------------------------------- excerpt.c */

/* What is asked for: words of texts that live as long. */
struct excerpt_words {
    struct excerpt_word {
        const char *text;
        size_t len;
    } words[64];
    size_t n;
};
void excerpt_words(struct excerpt_words *w, const char *text); /* adds those of a text */
/* Appends the part of a text that has most of them, its beginning where it has none. */
void excerpt_add(const struct excerpt_words *w, const char *text, struct buf *ret);

/* -------------------------------------------------------------------------------------------- concepts.c */

enum { CONCEPTS_MAX = 2000 };

/* The pages of a role's concepts, and the automaton that finds them by what they are called. */
struct concepts {
    struct concept_page pages[CONCEPTS_MAX]; /* owned */
    struct concept_id {
        int64_t id;
        const char *slug; /* in the page's arena */
    } ids[CONCEPTS_MAX];
    uint16_t by_id[CONCEPTS_MAX]; /* indices of pages by ascending ids */
    size_t n;
    struct automaton *automaton; /* owned; values are indices of pages */
};
/* Adds the pages below a root. The walk is one of watch. */
int concepts_read(struct concepts *c, const char *root, struct watch *watch,
                  const struct index_progress *progress);
int concepts_compile(struct concepts *c);
void concepts_free(struct concepts *c); /* NULL allowed */
bool concepts_is_page(const char *root, const char *path);
ssize_t concepts_by_slug(const struct concepts *c, const char *slug); /* an index; -1: none */
size_t concepts_behind(const struct concepts *c, int64_t id); /* into by_id: the first with a larger id */

/* -------------------------------------------------------------------------------------------- thesaurus.c */

/* The concepts that a document names, and how often. */
struct mention {
    uint16_t concept, count;
};
struct mentions {
    size_t n;
    struct mention all[];
};

/* The concepts at a role's kg, as long as nothing changes there. */
struct thesaurus {
    char *kg;                  /* owned */
    struct place *places;      /* owned */
    size_t n_roots;            /* of places: those that are there */
    struct concepts *concepts; /* owned; NULL: to be read */
    GHashTable *mentions;      /* owned: struct mentions by the document's id, of those that were looked at */
    struct concept_map *maps;  /* owned: of the roles with these concepts */
    struct thesaurus *next;
};
struct searcher;
void thesauri_free(struct searcher *s);
void thesauri_forget(void *searcher, int64_t document);                   /* what it names: it changed */
void thesauri_forget_all(struct searcher *s);                             /* of all documents */
struct thesaurus *thesaurus_of(const struct searcher *s, const char *kg); /* as it was read last; NULL */
/* What a document names, borrowed until it changes. */
int thesaurus_mentions(struct searcher *s, struct thesaurus *t, int64_t id, const struct mentions **ret);

/* ---------------------------------------------------------------------------------------- concept_graph.c */

/*
 * The graph of concepts over the documents that a search found: a concept is a node, two in one document are
 * an edge.
 */
struct concept_graph;
/* Borrows the thesaurus. Finds which of its concepts the query names. */
int concept_graph_new(struct searcher *s, struct thesaurus *t, const char *query, struct concept_graph **ret);
void concept_graph_free(struct concept_graph *g); /* NULL allowed */
/* Appends what else the concepts of the query are called, each as " OR " and a string of FTS5; and their
 * words. */
void concept_graph_expand(const struct concept_graph *g, struct buf *ret, struct excerpt_words *words);
/* Documents are added in order, then ranked by node rank, edge rank and document rank; 0 where none of the
 * query's concepts is in it. */
int concept_graph_add(struct concept_graph *g, int64_t document);
double concept_graph_rank(struct concept_graph *g, size_t document);

/* ------------------------------------------------------------------------------------------ concept_map.c */

struct concept_map; /* a role's documents by concepts */
void concept_maps_free(struct concept_map **list);
/* That of a role as its index is now, made where it is not known: behind searcher_update() of the role. */
int concept_map_get(struct searcher *s, struct thesaurus *t, const char *role, struct concept_map **ret);

/* -------------------------------------------------------------------------- row_documents.c, row_kinds.c */

/* A row of the store as a document of every role. */
struct row_document {
    struct buf name; /* behind the prefix of its kind */
    struct buf title, body;
    int64_t changed_at, size; /* others where the text is another */
};
void row_document_release(struct row_document *d);
#define _row_document_ _cleanup_(row_document_release)

struct row_kind {
    const char *prefix; /* of its path below the mount */
    const char *tag;
    enum change_kind change;                             /* by which one hears of it */
    bool stamp_of_body;                                  /* its size is made of its body */
    int64_t (*find)(struct store *st, const char *name); /* 0: it is not there, or no document */
    ssize_t (*list)(struct store *st, int64_t after, int64_t *ids, size_t max);
    /* All but the body. -ENOENT as find; with the name, if that is known. */
    int (*head)(struct store *st, int64_t id, struct row_document *ret);
    int (*body)(struct store *st, int64_t id, struct buf *ret); /* appended */
};
enum { ROW_FAILURES, ROW_LESSONS, ROW_COMMANDS, ROW_RUNS, ROW_KINDS };
extern const struct row_kind row_kinds[ROW_KINDS];

static inline bool is_row_path(const char *path) /* that of a file is absolute */
{
    return path[0] != '/';
}
const struct row_kind *row_kind_of(const char *path); /* NULL: a file's */
bool row_is_there(struct store *st, const char *path);

struct row_watch; /* hears of those that change */
/* told: called from within the store's commit, when settings or repositories changed (settled), or what is
 * known of commands. */
struct row_watch *row_watch_new(struct store *st, void (*told)(void *data, bool settled), void *data);
void row_watch_free(struct row_watch *w);   /* NULL allowed */
void row_watch_forget(struct row_watch *w); /* the next update looks at all */
/* Has the index hold what changed since the last one; counts what was written or dropped. */
int rows_update(struct searcher *s, uint64_t *ret_changed, struct err *err);

/* -------------------------------------------------------------------------------------------- searcher.c */

/* A place of a haystack: a root with its patterns, kept current. */
struct place {
    struct arena arena;
    const char *root;
    struct haystack haystack; /* its patterns */
    struct watch *watch;      /* owned */
    bool wanted;              /* a role has it */
    uint64_t round;           /* when it was looked at last */
    struct place *next;
};
/* The place of a haystack's root, made where it is new. NULL: no memory. */
struct place *place_get(struct place **list, const struct haystack *h, const char *root);
void places_free(struct place **list, bool unwanted_only);

/*
 * One thread at a time has all of it (busy). While that one reads files, which may take long, it changes
 * neither the roles nor the pages of concepts (reading), and others may look at those under the lock.
 */
struct searcher {
    struct store *store;
    pthread_mutex_t lock;   /* guards busy, reading, current, stale; and see above */
    pthread_cond_t changed; /* one of them */
    pthread_cond_t work;    /* there is some for the indexer, whom nothing else is to wake */
    bool busy, reading;
    GHashTable *current;            /* owned: names of roles all of whose files were read */
    struct index_progress progress; /* of the thread that reads */
    bool stale, indexing;           /* of the indexer: there is something to do, it was started */
    atomic_bool undrawn;            /* the command graph changed since the indexer drew it */
    struct role_list seen;          /* as they are, of those that only look */
    pthread_t indexer;

    /* of the thread that has it: */
    struct documents *documents; /* owned; NULL: not opened yet */
    bool damaged;                /* it is to be made anew */
    struct role_list roles;
    uint64_t repos_stamp;       /* of the repositories that haystacks and concepts were looked for in */
    uint64_t repos_as_of;       /* store_as_of() them then; 0: never */
    bool swept;                 /* nothing is in the index that no role asks for */
    uint64_t round;             /* of updates */
    uint64_t as_of;             /* goes up whenever anything changes */
    struct place *places;       /* owned */
    struct thesaurus *thesauri; /* owned */
    struct row_watch *rows;     /* owned */
};

/* Under the lock. Reads roles again if any of them or the repositories changed. */
int searcher_refresh(struct searcher *s, struct err *err);
/* Has the index hold a role's files, and nothing of roles that are gone. */
int searcher_update(struct searcher *s, const struct role *role, struct err *err);
/* Whether the role that was updated last has that document. */
bool searcher_has(const struct searcher *s, const char *path);
/* The role's concepts as they are now, borrowed until the next call: before searcher_update(). (thesaurus.c)
 */
int searcher_concepts(struct searcher *s, const struct role *role, struct thesaurus **ret);
/* Waits until no other thread has it, so long; then it is the caller's to unlock. -EBUSY */
int searcher_lock(struct searcher *s, struct err *err);
void searcher_unlock(struct searcher *s);
/* As searcher_lock, but does not wait for one that reads files: 1: it may only be looked at, shortly; then
 * unlock with searcher_looked(). */
int searcher_look(struct searcher *s);
void searcher_looked(struct searcher *s);

/* --------------------------------------------------------------------------------------------- indexer.c */

void indexer_told(void *searcher, bool settled);
bool indexer_stop(struct searcher *s); /* as searcher_free */

#endif
