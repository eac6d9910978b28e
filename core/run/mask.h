/*
 * Masking: what is secret never reaches a log, a file or a reader; it becomes `***`.
 * The forms of a secret that are masked are those of GitHub's runner (its value encoders): the value, each of
 * its lines, its base64 at the three offsets, JSON, URI, XML and shell escapes.
 *
 * A mask belongs to one job. Adding and applying may happen on different threads: it has a lock of its own.
 */
#ifndef RUNFS_RUN_MASK_H
#define RUNFS_RUN_MASK_H

#include "runfs/buf.h"

struct mask;

struct mask *mask_new(void); /* NULL: no memory */
void mask_free(struct mask *m);

/* Adds a secret with all its forms. Empty ones are ignored. Returns 0 or -ENOMEM. */
int mask_add(struct mask *m, const char *secret);

/* Appends text with every secret replaced; overlapping ones become one `***`. */
void mask_apply(struct mask *m, const char *text, size_t len, struct buf *out);

/* Whether some secret stands in the text. */
bool mask_matches(struct mask *m, const char *text, size_t len);

/*
 * How many bytes at the end of text could be the beginning of a secret that goes on in what comes next, and
 * so must be held back. 0 without secrets.
 */
size_t mask_holdback(struct mask *m, const char *text, size_t len);

#endif
