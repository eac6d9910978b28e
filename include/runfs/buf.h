/*
 * A growing byte string, always NUL-terminated, that may hold NULs inside.
 *
 * Allocation failure is sticky: the buffer keeps what it had, ignores what comes after, and buf_ok() is
 * false; so a writer appends freely and checks once, at the end. Zero-initialised (BUF_INIT) is a valid empty
 * buffer. A buffer belongs to one thread at a time.
 */
#ifndef RUNFS_BUF_H
#define RUNFS_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runfs/cleanup.h"

struct buf {
    char *ptr; /* owned; NULL while empty */
    size_t len;
    size_t cap;
    bool failed;
};

#define BUF_INIT ((struct buf){0})
#define _buf_ _cleanup_(buf_release)

void buf_release(struct buf *b);
void buf_reset(struct buf *b); /* empties, keeps the memory, forgets a failure */

/* The text; "" while empty. Valid until the next change. */
const char *buf_str(const struct buf *b);
static inline bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

/* Makes room for `more` bytes beyond len and returns where they go, NULL when out of memory. */
char *buf_reserve(struct buf *b, size_t more);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s); /* NULL adds nothing */
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Drops the first n bytes. */
void buf_drop(struct buf *b, size_t n);

/* Gives the string away (never NULL for a good buffer: an empty one yields ""), NULL if an append had failed.
 */
char *buf_steal(struct buf *b);

#endif
