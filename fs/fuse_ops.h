/*
 * The FUSE operations that change the tree, for the table in fuse.c, and what they share with those that only
 * read. libfuse calls an op_ from any of its threads; each replies to req exactly once, or leaves that to
 * whom it handed req to. Private to fuse.c and fuse_change.c.
 */
#ifndef RUNFS_FS_FUSE_OPS_H
#define RUNFS_FS_FUSE_OPS_H

#include "handle.h"
#include "runfs/cleanup.h"
#include "runfs/io.h"
#include "runfs/metric.h"
#include "runfs/run.h"

/* ----------------------------------------------------------------------------------------- both (fuse.c) */

static inline struct mounted *mounted_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static inline struct fs *fs_of(fuse_req_t req)
{
    return mounted_of(req)->fs;
}

static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct handle *)(uintptr_t)fi->fh; /* NOLINT: libfuse carries it as an integer */
}

/* Times the rest of the function that it stands in, for metrics. */
struct timing {
    enum mount_request what;
    int64_t start;
};
static inline void timing_end(const struct timing *t)
{
    metric_time(&metric_mount[t->what], mono_ns() - t->start);
}
#define TIMED(what)                                                                                          \
    _cleanup_(timing_end) __attribute__((unused)) const struct timing timing = {(what), mono_ns()}

/* What a look-up answers: inode, attributes and for how long they may be kept. 0, or -ENOENT: it went away
 * meanwhile. */
int fill_entry(struct fs *fs, struct node n, struct fuse_entry_param *e);
/* The attributes, without inode, of what is being written: as long as what was written so far. */
void handle_stat(struct fs *fs, const struct handle *h, struct stat *st);

/* ------------------------------------------------------------------------- changing (fuse_change.c) */

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t off,
              struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags);

#endif
