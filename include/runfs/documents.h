/*
 * The full-text index of what roles search: STATE/search.db, beside the store. All of it can be read again
 * from the files that it is made of, so it is written without waiting for the disk, and made anew where it is
 * of another version, damaged, or from before a crash of the machine. One thread at a time.
 */
#ifndef RUNFS_DOCUMENTS_H
#define RUNFS_DOCUMENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runfs/buf.h"
#include "runfs/err.h"

struct documents;

/* anew: what is there is not trusted. */
int documents_open(const char *state_dir, bool anew, struct documents **ret, struct err *err);
void documents_close(struct documents *d); /* NULL allowed */

/* Once *stop is true (NULL: never), what is going on and what comes ends with -ECANCELED, and the open commit
 * is undone. Closing is as ever. */
void documents_until(struct documents *d, const atomic_bool *stop);

/* A file as it was read, or what else has a path and a text. Borrowed. */
struct document {
    const char *path, *title, *body;
    int64_t changed_at, size;
};

/* Several writes, one commit; it does not nest. Without one, each write is committed for itself. */
int documents_begin(struct documents *d, struct err *err);
int documents_commit(struct documents *d, struct err *err);
void documents_rollback(struct documents *d);
/* Puts it in place of what has that path. */
int documents_put(struct documents *d, const struct document *one, struct err *err);
int documents_drop(struct documents *d, const char *path, struct err *err); /* none of that path: fine */

/* As what a document was put. 1: it is there, 0: none of that path */
int documents_stamp(struct documents *d, const char *path, int64_t *ret_changed_at, int64_t *ret_size,
                    struct err *err);
/* What is there of a document, appended. -ENOENT */
int documents_body(struct documents *d, int64_t id, struct buf *ret);
int documents_text(struct documents *d, int64_t id, struct buf *ret_title, struct buf *ret_body);
int documents_name(struct documents *d, int64_t id, struct buf *ret_path, struct buf *ret_title);

/* Calls fn with the id of each document that is written or dropped from now on. */
typedef void changed_document_fn(void *data, int64_t id);
void documents_tell(struct documents *d, changed_document_fn *fn, void *data);

/* All that were read, and as what, by ascending ids. path is valid during the call, and NULL where memory is
 * out. */
struct known_document {
    int64_t id;
    const char *path;
    int64_t changed_at, size;
};
typedef int known_document_fn(void *data, const struct known_document *known);
int documents_each(struct documents *d, known_document_fn *fn, void *data);

/*
 * Those that an FTS5 expression matches and that wanted() lets pass, the best first by BM25 with so much
 * weight for a title. fn: below 0 is an error, above 0 ends it. f is valid during the call. Neither may call
 * anything of this page.
 */
struct document_found {
    int64_t id;
    const char *path;
    double rank; /* more is better */
};
struct documents_query {
    const char *match;
    double title_weight;
    bool (*wanted)(void *data, const char *path);
    int (*fn)(void *data, const struct document_found *f);
    void *data;
};
int documents_find(struct documents *d, const struct documents_query *q, struct err *err);

#endif
