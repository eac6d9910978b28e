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
    pthread_cond_t told, settled;
    struct stale *stale,
        *last_stale; /* owned: the first and the last of those that the kernel is still to be told of */
    uint64_t n_stale, n_told; /* how many there were so far, and how many it was told of */
    struct handle *handles;   /* open files; under the lock */
    unsigned pending;         /* closes that wait for a command's end; under the lock */
};

/* The kernel's releases of the last closes may come after the last request that is read: what is still open
 * when the session has ended is freed here. */
void handles_free(struct mounted *m);

/* Waits until the kernel has forgotten what changes so far made stale, so that whoever asked for one of them
 * reads what is there now; not longer than a second. Not within an operation on a directory, whose lock in
 * the kernel that may need. */
void session_settle(struct mounted *m);

extern const struct fuse_lowlevel_ops mount_operations; /* fuse.c; their user data is a struct mounted */

#endif
