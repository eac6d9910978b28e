/*
 * Uploads in blocks: what clients of Azure's block blobs send, in any order and several at once, to be put
 * together by a list of their names. Kept in one file without a name, so that nothing is left of it when the
 * process ends. Thread-safe but for freeing.
 */
#ifndef RUNFS_BLOB_H
#define RUNFS_BLOB_H

#include "runfs/room.h"

enum { BLOB_BLOCKS_MAX = 50000, BLOB_ID_MAX = 128 }; /* Azure's limits, for the id in base64 a little more */

/* A file without a name in the state directory; the caller closes it. -errno */
int blob_temporary(struct store *st, struct err *err);

struct blob;
/* max: bytes of all blocks together, and of the whole; those that are sent again count again. They are held
 * in `room`, borrowed for as long as it lives. */
int blob_new(struct store *st, int64_t max, struct room *room, struct blob **ret, struct err *err);
void blob_free(struct blob *b); /* NULL allowed; no block may be on its way */

/*
 * Reserves room for a block of len bytes: they go to the borrowed descriptor, from ret_off on. Returns a
 * number for blob_block_done(), by which the block becomes one that can be listed; until then it is as if it
 * had never been sent. -EFBIG, -E2BIG (too many), -EINVAL (the id), -ENOMEM, -EDQUOT with words.
 */
int blob_block_begin(struct blob *b, const char *id, int64_t len, int *ret_fd, int64_t *ret_off,
                     struct err *err);
void blob_block_done(struct blob *b, int number);

/* Writes the blocks of these ids in this order to the file `to`, from its start, in the place of what is
 * there. The last one sent of an id counts. -ENOENT: no such block; -EDQUOT. */
int blob_assemble(struct blob *b, const char *const *ids, size_t n, int to, int64_t *ret_size,
                  struct err *err);

#endif
