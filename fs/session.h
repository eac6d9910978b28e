/*
 * A mounted session: what the operations (fuse.c, fuse_change.c) share with session.c, which mounts, serves
 * and unmounts.
 */
#ifndef RUNFS_FS_SESSION_H
#define RUNFS_FS_SESSION_H

#include <fuse_lowlevel.h>

#include "fs.h"
#include "park.h"

struct mounted {
    struct fs *fs; /* borrowed */
    struct fuse_session *session;
    struct park *park;
    bool signals, attached;
    /* invalidations are told to the kernel by a thread of their own: it may hold locks that a handler waits
     * for */
    pthread_t teller;
    bool has_teller, ending;
    pthread_t server, watcher; /* who is in mounted_serve, and who notices that it is unmounted */
    int watch_end;             /* eventfd for the watcher; -1 without */
    pthread_mutex_t lock;
    pthread_cond_t told;
    struct stale *stale;    /* owned; newest first */
    struct handle *handles; /* open files; under the lock */
    unsigned pending;       /* closes that wait for a command's end; under the lock */
};

/* The kernel's releases of the last closes may come after the last request that is read: what is still open
 * when the session has ended is freed here. */
void handles_free(struct mounted *m);

extern const struct fuse_lowlevel_ops mount_operations; /* fuse.c; their user data is a struct mounted */

#endif
