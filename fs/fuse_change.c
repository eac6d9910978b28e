/*
 * The FUSE operations that change the tree: files are made, written and closed, names come and go. Each is a
 * question to write.c, or to handle.c, and its reply.
 */
#include "fuse_ops.h"
#include "runfs/log.h"

/* --------------------------------------------------------------------------------- what is written */

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    TIMED(MOUNT_WRITE);
    struct fs *fs = fs_of(req);
    int row = node_creatable(fs, node_of(parent), name);
    static atomic_llong unborn = NODE_UNBORN;
    struct fuse_entry_param e = {.generation = 1};
    struct handle *h = NULL;
    int64_t id = row < 0 ? row : 0;

    (void)mode;
    if (row >= 0 && tree[row].class == &class_drafts)
        id = draft_make(fs, node_of(parent).row, name, NULL);
    else if (row >= 0)
        id = atomic_fetch_add(&unborn, 1);
    if (id >= 0)
        h = handle_new(mounted_of(req), (struct node){row, id});
    if (h)
        h->name = strdup(name);
    if (!h || !h->name) {
        handle_unref(h);
        fuse_reply_err(req, id < 0 ? (int)-id : ENOMEM);
        return;
    }
    h->writes = h->fresh = true;
    h->opener = fuse_req_ctx(req)->pid;
    fi->fh = (uintptr_t)h;
    fi->direct_io = 1;
    handle_stat(fs, h, &e.attr);
    e.ino = e.attr.st_ino = node_ino(h->node);
    if (fuse_reply_create(req, &e, fi) < 0)
        handle_unref(h);
}

/* Of one value, whatever part of it is written first. An alert has lines that belong together: it is taken
 * when it is closed. */
static bool is_setting(int row)
{
    return (tree[row].kind == ROW_SETTING || tree[row].kind == ROW_SECRET) &&
           tree[row].class != &class_alerts;
}

/* A role comes in as many writes as its writer makes of it: judged is what is whole, else what is closed. */
static bool is_unfinished(const struct handle *h)
{
    return tree[h->node.row].class == &class_roles && role_file_is_cut(buf_str(&h->text), h->text.len);
}

/* What is written is not what is read: an event, inputs. */
static bool is_message(int row)
{
    return tree[row].kind == ROW_EVENT || tree[row].kind == ROW_DISPATCH;
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t off,
              struct fuse_file_info *fi)
{
    TIMED(MOUNT_WRITE);
    struct handle *h = handle_of(fi);
    int r;

    (void)ino;
    if (tree[h->node.row].kind == ROW_CTL) {
        r = node_write(fs_of(req), h->node, "", bytes, size);
        session_settle(mounted_of(req));
    } else {
        pthread_mutex_lock(&h->lock);
        if (!h->dirty && h->text.len == 0 && is_message(h->node.row))
            h->base = off; /* >> begins behind what a reader would see */
        off -= h->base;
        r = h->writes ? node_check(fs_of(req), h->node, bytes, size) : -EBADF;
        if (r == 0)
            r = handle_put(h, bytes, size, off);
        if (r == 0 && off == 0 && (r = node_write_start(fs_of(req), h->node, h->name, bytes, size)) < 0) {
            h->text.len = 0;
            h->dirty = false;
            h->committed = true; /* it was answered: its close has nothing to add */
        }
        /* a setting is refused where a shell's `echo` sees it: at the write, not at a close that nobody
         * checks */
        if (r == 0 && is_setting(h->node.row) && !is_unfinished(h))
            r = handle_commit(fs_of(req), h);
        pthread_mutex_unlock(&h->lock);
    }
    if (r < 0)
        fuse_reply_err(req, -r);
    else
        fuse_reply_write(req, size);
}

/*
 * Each close of a descriptor comes here, of duplicates too. Only what is new counts, and only when the
 * process that opened the file closes it: a shell's children that write to it close their copies before it is
 * whole.
 */
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    TIMED(MOUNT_CLOSE);
    struct handle *h = handle_of(fi);
    enum row_kind kind = tree[h->node.row].kind;
    int r = 0;

    (void)ino;
    if (h->writes && kind != ROW_CTL) {
        pthread_mutex_lock(&h->lock);
        bool empty_drop = kind == ROW_DROP && h->fresh && !h->committed;
        bool due = (h->dirty || h->too_big || empty_drop) && handle_is_opener(h, fuse_req_ctx(req)->pid);
        bool later = due && kind == ROW_EXEC && !h->too_big && handle_commit_later(req, h);
        if (due && !later)
            r = kind == ROW_EXEC ? -EFBIG : handle_commit(fs_of(req), h);
        pthread_mutex_unlock(&h->lock);
        if (later)
            return;
    }
    fuse_reply_err(req, -r);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    TIMED(MOUNT_CLOSE);
    struct fs *fs = fs_of(req);
    struct handle *h = handle_of(fi);

    (void)ino;
    if (h->writes && tree[h->node.row].kind != ROW_CTL && tree[h->node.row].kind != ROW_EXEC) {
        if (h->dirty || (h->fresh && !h->committed))
            (void)handle_commit(fs, h);
        if (tree[h->node.row].class == &class_drafts && is_workflow_name(h->name))
            draft_drop(fs, h->node.id);
    }
    handle_unref(h);
    fuse_reply_err(req, 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    TIMED(MOUNT_CLOSE);
    (void)ino;
    (void)datasync;
    (void)fi;
    fuse_reply_err(req, 0); /* what is written takes effect at close */
}

/* --------------------------------------------------------------------------------- names come and go */

/* Devices, pipes and sockets, and (where open(2) cannot make a file by itself) files. */
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    TIMED(MOUNT_CHANGE);
    (void)parent;
    (void)name;
    (void)mode;
    (void)device;
    fuse_reply_err(req, EPERM);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    TIMED(MOUNT_CHANGE);
    fuse_reply_err(req, -node_remove(fs_of(req), node_of(parent), name, false));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    TIMED(MOUNT_CHANGE);
    fuse_reply_err(req, -node_remove(fs_of(req), node_of(parent), name, true));
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    TIMED(MOUNT_CHANGE);
    struct fs *fs = fs_of(req);
    struct fuse_entry_param e;
    struct node n;
    int r = node_mkdir(fs, node_of(parent), name);

    (void)mode;
    if (r == 0)
        r = node_lookup(fs, node_of(parent), name, &n);
    if (r == 0)
        r = fill_entry(fs, n, &e);
    if (r < 0)
        fuse_reply_err(req, -r);
    else
        fuse_reply_entry(req, &e);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    TIMED(MOUNT_CHANGE);
    struct fs *fs = fs_of(req);
    struct fuse_entry_param e;
    struct err err = {0};
    struct node n;
    int r = -EPERM;

    if (node_of(parent).row == tree_find("repos")) {
        r = engine_link_repo(fs->engine, name, target, &err);
        put_reason(fs, "repos", name, r < 0 ? err.msg : NULL);
    }
    if (r == 0)
        r = node_lookup(fs, node_of(parent), name, &n);
    if (r == 0)
        r = fill_entry(fs, n, &e);
    if (r < 0) {
        if (err.code)
            log_info("mount", "repos/%s: refused: %s", name, err.msg);
        fuse_reply_err(req, -r);
    } else {
        fuse_reply_entry(req, &e);
    }
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags)
{
    TIMED(MOUNT_CHANGE);
    fuse_reply_err(req,
                   -node_rename(fs_of(req), node_of(parent), name, node_of(new_parent), new_name, flags));
}
