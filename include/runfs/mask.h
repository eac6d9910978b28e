/*
 * Masking: what is secret never reaches a log, a file or a reader; it becomes `***`.
 * The forms of a secret that are masked are those of GitHub's runner (its value encoders): the value, each of
 * its lines, its base64 at the three offsets, JSON, URI, XML, expression and command line escapes, and the
 * parts in which PowerShell prints a value that holds `&`. Matches that overlap or touch become one `***`.
 *
 * A mask belongs to one job. Adding and applying may happen on different threads: it has a lock of its own,
 * and a secret added while streams are open counts for all that they have not yet given out. A stream belongs
 * to one thread at a time.
 */
#ifndef RUNFS_MASK_H
#define RUNFS_MASK_H

#include <stdbool.h>

#include "runfs/buf.h"

struct mask;

struct mask *mask_new(void); /* NULL: no memory */
void mask_free(struct mask *m);

/* Adds a secret with all its forms. Empty ones are ignored. Returns 0 or -ENOMEM. */
int mask_add(struct mask *m, const char *secret);
/* The same of what a job says is secret: -E2BIG once there are more than MASK_FORMS_MAX forms, or they have
 * more than MASK_BYTES_MAX bytes, as all of them are kept and looked for. It is not masked in every form
 * then. */
int mask_add_said(struct mask *m, const char *secret);
enum { MASK_FORMS_MAX = 50000, MASK_BYTES_MAX = 64 * 1024 * 1024 };

/* Whether looking for secrets took much more than texts are worth, as it does only where both were made for
 * that. From then on each text is `***` as a whole. */
bool mask_exhausted(struct mask *m);

/* Appends text with every secret replaced; overlapping ones become one `***`. */
void mask_apply(struct mask *m, const char *text, size_t len, struct buf *out);

/* Whether some secret stands in the text. */
bool mask_matches(struct mask *m, const char *text, size_t len);

/*
 * Text that comes in pieces, cut anywhere. What could be the beginning of a secret is held until the next
 * piece or the flush shows what it is; no more than the longest form of a secret less one byte is ever held.
 */
struct mask_stream {
    struct mask *mask; /* borrowed */
    struct buf held;   /* not yet given out */
    ssize_t masked; /* bytes of `held` that a `***` given out already stands for; -1: what comes next does not
                       even touch one */
};
#define MASK_STREAM(m) ((struct mask_stream){.mask = (m), .masked = -1})
void mask_stream_release(struct mask_stream *s);
#define _mask_stream_ _cleanup_(mask_stream_release)

/* Takes a piece and appends to out what may be given out. What memory does not suffice to hold becomes `***`.
 */
void mask_stream_feed(struct mask_stream *s, const char *text, size_t len, struct buf *out);

/* Appends all that is held: the stream ended, or somebody waits to see it. The stream may go on after it. */
void mask_stream_flush(struct mask_stream *s, struct buf *out);

#endif
