/*
 * What a job printed, as plain text for somebody outside: without colours, without what is not seen, with all
 * secrets masked. What comes out of workflows is taken for hostile.
 */
#ifndef RUNFS_PLAIN_H
#define RUNFS_PLAIN_H

#include "runfs/mask.h"
#include "runfs/store.h"

struct mask *plain_mask(struct store *st); /* of all secrets that are set. NULL: no memory */
/* Appends the text, of any bytes, as UTF-8; ends of lines stay, or are blanks. Mask NULL: only `***`. */
void plain_text(struct mask *mask, const char *text, size_t len, bool one_line, struct buf *ret);

#endif
