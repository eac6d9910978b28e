/* Between the files of mirrors. */
#ifndef RUNFS_GIT_MIRROR_INTERNAL_H
#define RUNFS_GIT_MIRROR_INTERNAL_H

#include "runfs/buf.h"
#include "runfs/err.h"
#include "runfs/store.h"

enum { MIRROR_ADDRESS_MAX = 2000 };

/* The lock of that name in the mirror at that path, for as long as *ret is open. 0 or -errno. */
int mirror_lock(const char *path, const char *name, int *ret, struct err *err);
/* The name of the secret that has the token of a mirror of that name. */
void mirror_token_name(const char *name, size_t len, struct buf *ret);
/* Fetches branches and tags, and the commits of a pull request of that number (0: none). As mirror_fetch().
 */
int mirror_fetch_for(struct store *st, const char *path, int64_t pull, struct err *err);

#endif
