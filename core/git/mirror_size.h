/*
 * How large mirrors may grow (config/mirror_size_mib, each): whoever may push to a repository, or answers in
 * its server's place, does not fill the disk. Private to core/git.
 */
#ifndef RUNFS_GIT_MIRROR_SIZE_H
#define RUNFS_GIT_MIRROR_SIZE_H

#include "runfs/err.h"
#include "runfs/store.h"

/* How many bytes a fetch may add to the mirror at that path. -EFBIG: it is full. */
int mirror_room(struct store *st, const char *path, int64_t *ret, struct err *err);
/* Behind a fetch that failed, which was held to that room: removes what it left half written. -EFBIG: it was
 * the room that it lacked; else 0. Nobody else fetches there meanwhile. */
int mirror_clean(struct store *st, const char *path, int64_t room, struct err *err);

#endif
