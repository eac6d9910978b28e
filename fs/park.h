/*
 * Requests that wait: reads of `wait` files and poll handles. No thread is held; the store's changes wake
 * them. Private to those that know libfuse: fuse*.c, handle.c, park.c, session.c.
 */
#ifndef RUNFS_FS_PARK_H
#define RUNFS_FS_PARK_H

#include <fuse_lowlevel.h>

#include "fs.h"

struct park;

struct park *park_new(struct fs *fs); /* NULL: no memory */
void park_free(struct park *p);       /* nothing may be parked any more */

/* Answers a read of a `wait` file: now if its owner is completed, else then; EINTR when the reader is
 * interrupted. */
void park_read(struct park *p, fuse_req_t req, struct node n, size_t size, off_t off);
/* Keeps a poll handle until something happens to the run; takes it. */
void park_poll(struct park *p, struct node n, struct fuse_pollhandle *handle);
/* What changed wakes what waits for it. Called by the store's subscriber. */
void park_wake(struct park *p, const struct change *changes, size_t n);
/* Answers everything: the mount ends. */
void park_end(struct park *p);

#endif
