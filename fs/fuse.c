/*
 * The low-level FUSE operations: requests become questions to node.c and write.c, and each gets exactly one
 * reply, here, in fuse_change.c (whatever changes the tree), or in park.c (those that wait).
 */
#include <fcntl.h>
#include <poll.h>

#include "fuse_ops.h"
#include "runfs/vms.h"

/* ------------------------------------------------------------------------------- lookup and attributes */

static void entry_of(struct node n, const struct node_stat *st, struct fuse_entry_param *ret)
{
    *ret = (struct fuse_entry_param){
        .ino = node_ino(n), .generation = 1, .attr = st->st, .attr_timeout = st->seconds};
    ret->attr.st_ino = ret->ino;
    /* an artifact may go or be hidden by a later one of its name; what is in it never changes */
    bool may_go = tree[n.row].class == &class_artifacts || (n.id && node_is_timeless(n));
    ret->entry_timeout = may_go ? 0 : st->seconds;
}

int fill_entry(struct fs *fs, struct node n, struct fuse_entry_param *e)
{
    struct node_stat st;
    int r = node_stat(fs, n, &st.st, &st.seconds);

    entry_of(n, &st, e);
    return r;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    TIMED(MOUNT_LOOKUP);
    struct fs *fs = fs_of(req);
    struct fuse_entry_param e;
    struct node n;
    int r = node_lookup(fs, node_of(parent), name, &n);

    bool counted = r == 0 && tree[n.row].kind == ROW_ROOTFS && tree[node_of(parent).row].kind == ROW_ROOTFS;
    if (r == 0)
        r = fill_entry(fs, n, &e);
    if ((r < 0 ? fuse_reply_err(req, -r) : fuse_reply_entry(req, &e)) < 0 || r < 0)
        if (counted) /* the kernel has not heard of it */
            rootfs_forget(fs, n, 1);
}

static void forget(struct fs *fs, fuse_ino_t ino, uint64_t lookups)
{
    struct node n = node_of(ino);

    if (n.row < (int)tree_rows && tree[n.row].kind == ROW_ROOTFS)
        rootfs_forget(fs, n, lookups);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
    forget(fs_of(req), ino, lookups);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *list)
{
    for (size_t i = 0; i < n; i++)
        forget(fs_of(req), list[i].ino, list[i].nlookup);
    fuse_reply_none(req);
}

void handle_stat(struct fs *fs, const struct handle *h, struct stat *st)
{
    *st = (struct stat){.st_mode = S_IFREG | 0644,
                        .st_nlink = 1,
                        .st_uid = fs->uid,
                        .st_gid = fs->gid,
                        .st_size = (off_t)h->text.len,
                        .st_blksize = 4096};
    clock_gettime(CLOCK_REALTIME, &st->st_mtim);
    st->st_ctim = st->st_atim = st->st_mtim;
}

static void reply_attr(fuse_req_t req, fuse_ino_t ino, const struct handle *h)
{
    struct fs *fs = fs_of(req);
    struct stat st;
    double seconds = 0;
    int r = 0;

    if (h && h->writes && tree[h->node.row].kind != ROW_CTL)
        handle_stat(fs, h, &st);
    else
        r = node_stat(fs, node_of(ino), &st, &seconds);
    st.st_ino = ino;
    if (r < 0)
        fuse_reply_err(req, -r);
    else
        fuse_reply_attr(req, &st, seconds);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    TIMED(MOUNT_ATTRIBUTES);
    reply_attr(req, ino, fi ? handle_of(fi) : NULL);
}

static bool writable(int row)
{
    enum row_kind kind = tree[row].kind;

    return kind == ROW_CTL || kind == ROW_DROP || kind == ROW_SETTING || kind == ROW_SECRET ||
           kind == ROW_DISPATCH || kind == ROW_EVENT || kind == ROW_EXEC;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                       struct fuse_file_info *fi)
{
    TIMED(MOUNT_CHANGE);
    struct handle *h = fi ? handle_of(fi) : NULL;
    int row = node_of(ino).row, r = 0;

    /* rsync -a and cp -a set the times of the directory that they filled, too */
    if (!writable(row) && !holds_settings(row) && row != tree_find("workflows")) {
        fuse_reply_err(req, EPERM);
        return;
    }
    if ((to_set & FUSE_SET_ATTR_SIZE) && h && h->writes) {
        pthread_mutex_lock(&h->lock);
        r = handle_resize(h, attr->st_size);
        pthread_mutex_unlock(&h->lock);
    } else if (to_set & FUSE_SET_ATTR_SIZE) {
        r = node_resize(fs_of(req), node_of(ino), attr->st_size);
    }
    if (r < 0) {
        fuse_reply_err(req, -r);
        return;
    }
    /* owner, mode and times of what is written here mean nothing, and mv, cp -p and rsync set them */
    reply_attr(req, ino, h);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    TIMED(MOUNT_ATTRIBUTES);
    _buf_ struct buf target = BUF_INIT;
    enum row_kind kind = tree[node_of(ino).row].kind;
    bool link = kind == ROW_LINK || kind == ROW_TREE || kind == ROW_ROOTFS;
    int r = link ? node_text(fs_of(req), node_of(ino), &target) : -EINVAL;

    if (r < 0)
        fuse_reply_err(req, -r);
    else
        fuse_reply_readlink(req, buf_str(&target));
}

/* --------------------------------------------------------------------------------------------- listing */

enum { COOKIE_SELF = 1, COOKIE_UP = 2, COOKIE_FIRST = 4 };

struct listing {
    fuse_req_t req;
    struct fs *fs;
    char *to;
    size_t size, used;
    bool plus;
};

/* What is known of a node already, or is to be found out; false: it is gone. */
static bool know(const struct listing *l, struct node n, const struct node_stat *known, struct node_stat *ret)
{
    if (known)
        *ret = *known;
    return known || node_stat(l->fs, n, &ret->st, &ret->seconds) == 0;
}

static bool add_entry(struct listing *l, const char *name, const struct fuse_entry_param *e, uint64_t cookie)
{
    char *to = l->to + l->used;
    size_t left = l->size - l->used;
    size_t need = l->plus ? fuse_add_direntry_plus(l->req, to, left, name, e, (off_t)cookie)
                          : fuse_add_direntry(l->req, to, left, name, &e->attr, (off_t)cookie);

    if (need > left)
        return false;
    l->used += need;
    return true;
}

/* "." and "..", which are not looked up. */
static void list_dots(struct listing *l, const char *name, struct node n, uint64_t cookie)
{
    struct fuse_entry_param e = {.attr = {.st_ino = node_ino(n), .st_mode = S_IFDIR}};

    add_entry(l, name, &e, cookie);
}

static bool list_node(void *data, const char *name, struct node n, uint64_t cookie,
                      const struct node_stat *known)
{
    struct listing *l = data;
    bool slow = tree[n.row].there; /* only who wants its size has it made */
    struct fuse_entry_param e = {.attr = {.st_mode = S_IFREG}};
    struct node_stat st;

    if (!slow && !know(l, n, known, &st))
        return true; /* it went away meanwhile */
    if (!slow)
        entry_of(n, &st, &e);
    e.attr.st_ino = node_ino(n);
    return add_entry(l, name, &e, cookie + COOKIE_FIRST);
}

/* Entries of a machine's directory have no inode here until they are looked up. */
static bool list_file(void *data, const char *name, const struct stat *st, uint64_t cookie)
{
    struct fuse_entry_param e = {.attr = {.st_mode = st->st_mode, .st_ino = st->st_ino}};

    return add_entry(data, name, &e, cookie + COOKIE_FIRST);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
    struct listing l = {.req = req, .fs = fs_of(req), .to = malloc(size), .size = size, .plus = plus};
    struct node dir = node_of(ino);
    int r = 0;

    if (!l.to) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    if (off < COOKIE_SELF)
        list_dots(&l, ".", dir, COOKIE_SELF);
    if (off < COOKIE_UP)
        list_dots(&l, "..", (struct node){ROW_ROOT, 0}, COOKIE_UP);
    uint64_t after = off >= COOKIE_FIRST ? (uint64_t)off - COOKIE_FIRST : 0;
    if (tree[dir.row].kind == ROW_ROOTFS)
        rootfs_list(l.fs, dir, after, list_file, &l);
    else
        r = node_list(l.fs, dir, after, list_node, &l);
    if (r < 0)
        fuse_reply_err(req, -r);
    else
        fuse_reply_buf(req, l.to, l.used);
    free(l.to);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    TIMED(MOUNT_LIST);
    (void)fi;
    list(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    TIMED(MOUNT_LIST);
    (void)fi;
    list(req, ino, size, off, true);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    TIMED(MOUNT_LIST);
    bool final = node_final(fs_of(req), node_of(ino));

    fi->keep_cache = final;
    fi->cache_readdir = final;
    fuse_reply_open(req, fi);
}

/* --------------------------------------------------------------------------------------- open and read */

static int open_for_reading(struct fs *fs, struct handle *h, struct fuse_file_info *fi)
{
    const struct row *row = &tree[h->node.row];
    struct log_select select;
    int r = 0;

    if (row->kind == ROW_SECRET)
        return -EACCES;
    fi->keep_cache = node_final(fs, h->node);
    fi->direct_io = !fi->keep_cache;
    if (row->kind == ROW_WAIT)
        return 0;
    if (row->kind == ROW_TREE || row->kind == ROW_BLOB) {
        fi->keep_cache = true; /* another content is another inode */
        fi->direct_io = false;
        h->log_fd = contents_open(fs, h->node);
        return h->log_fd < 0 ? h->log_fd : 0;
    }
    if (row->kind == ROW_LOG && row->owner == OWN_NONE) {
        h->log_fd = open(fs->log_path, O_RDONLY | O_CLOEXEC);
        return h->log_fd < 0 ? -errno : 0;
    }
    if (row->kind == ROW_OUTPUT || row->kind == ROW_ROOTFS) {
        h->log_fd = row->kind == ROW_OUTPUT ? vms_output(fs->vms, h->node.id, (int)row->streams)
                                            : rootfs_open(fs, h->node);
        return h->log_fd < 0 ? h->log_fd : 0;
    }
    if (row->kind == ROW_LOG) {
        r = node_log(fs, h->node, &select);
        return r < 0 ? r : log_view_open(fs->store, &select, &h->view, NULL);
    }
    return node_text(fs, h->node, &h->text);
}

static int node_name(struct fs *fs, struct node n, char **ret)
{
    _buf_ struct buf name = BUF_INIT;
    int r = tree[n.row].class ? tree[n.row].class->name(fs, n.id, &name) : 0;

    if (r < 0)
        return r;
    *ret = buf_steal(&name);
    return *ret ? 0 : -ENOMEM;
}

static int open_for_writing(fuse_req_t req, struct handle *h, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    int r = writable(h->node.row) ? node_name(fs, h->node, &h->name) : -EACCES;

    h->writes = true;
    h->fresh = fi->flags & O_TRUNC;
    h->opener = fuse_req_ctx(req)->pid;
    fi->direct_io = 1;
    if (r < 0 || h->fresh || tree[h->node.row].kind == ROW_SECRET || tree[h->node.row].kind == ROW_DISPATCH ||
        tree[h->node.row].kind == ROW_EVENT || tree[h->node.row].kind == ROW_CTL ||
        tree[h->node.row].kind == ROW_EXEC)
        return r;
    return node_text(fs, h->node, &h->text);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    TIMED(MOUNT_OPEN);
    struct handle *h = handle_new(mounted_of(req), node_of(ino));
    bool reads = (fi->flags & O_ACCMODE) == O_RDONLY;
    int r = !h ? -ENOMEM : reads ? open_for_reading(fs_of(req), h, fi) : open_for_writing(req, h, fi);

    if (r < 0) {
        handle_unref(h);
        fuse_reply_err(req, -r);
        return;
    }
    fi->fh = (uintptr_t)h;
    if (reads)
        fi->noflush = 1;
    if (fuse_reply_open(req, fi) < 0) /* the opener was interrupted: there will be no release */
        handle_unref(h);
}

static void reply_part(fuse_req_t req, const struct buf *text, size_t size, off_t off)
{
    size_t from = (size_t)off < text->len ? (size_t)off : text->len;

    fuse_reply_buf(req, buf_str(text) + from, text->len - from < size ? text->len - from : size);
}

static void read_log(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
    char *to = malloc(size);
    ssize_t n = -ENOMEM;

    pthread_mutex_lock(&h->lock);
    if (off == 0 && tree[h->node.row].kind == ROW_LOG)
        handle_log_anew(h);
    if (to && h->view)
        n = log_view_read(h->view, to, size, off);
    else if (to && (n = pread(h->log_fd, to, size, off)) < 0)
        n = -errno;
    if (n > 0 && off + n > h->read_to)
        h->read_to = off + n;
    pthread_mutex_unlock(&h->lock);
    if (n < 0)
        fuse_reply_err(req, (int)-n);
    else
        fuse_reply_buf(req, to, (size_t)n);
    free(to);
}

/* From file to kernel without a copy here. */
static void read_content(fuse_req_t req, const struct handle *h, size_t size, off_t off)
{
    struct fuse_bufvec bytes = FUSE_BUFVEC_INIT(size);

    bytes.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
    bytes.buf[0].fd = h->log_fd;
    bytes.buf[0].pos = off;
    fuse_reply_data(req, &bytes, FUSE_BUF_SPLICE_MOVE);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    TIMED(MOUNT_READ);
    struct handle *h = handle_of(fi);

    (void)ino;
    if (tree[h->node.row].kind == ROW_WAIT) {
        park_read(mounted_of(req)->park, req, h->node, size, off);
        return;
    }
    if (tree[h->node.row].kind == ROW_TREE || tree[h->node.row].kind == ROW_BLOB) {
        read_content(req, h, size, off);
        return;
    }
    if (h->view || h->log_fd >= 0) {
        read_log(req, h, size, off);
        return;
    }
    atomic_fetch_add(&h->refs, 1);
    pthread_mutex_lock(&h->lock);
    if (tree[h->node.row].kind == ROW_CTL && h->writes && off == 0) { /* the reply to what it wrote last */
        buf_reset(&h->text);
        (void)node_text(fs_of(req), h->node, &h->text);
    }
    reply_part(req, &h->text, size, off);
    pthread_mutex_unlock(&h->lock);
    handle_unref(h);
}

/* A log is readable while there is more than was read, or when no more will come; a `wait` once it would not
 * block. */
static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
    TIMED(MOUNT_READ);
    struct mounted *m = mounted_of(req);
    struct handle *h = handle_of(fi);
    enum row_kind kind = tree[h->node.row].kind;
    bool live = kind == ROW_LOG || kind == ROW_WAIT, now = true;

    (void)ino;
    if (ph && live && h->log_fd < 0)
        park_poll(m->park, h->node, ph);
    else if (ph)
        fuse_pollhandle_destroy(ph);
    if (live && h->log_fd < 0)
        now = owner_completed(m->fs, tree[h->node.row].owner, h->node.id);
    if (!now && h->view) {
        pthread_mutex_lock(&h->lock);
        now = log_view_size(h->view) > h->read_to;
        pthread_mutex_unlock(&h->lock);
    }
    fuse_reply_poll(req, (now ? POLLIN | POLLRDNORM : 0) | POLLOUT);
}

/* ------------------------------------------------------------------------------------------- the table */

static void op_init(void *data, struct fuse_conn_info *conn)
{
    (void)data;
    conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
    conn->want |= conn->capable & FUSE_CAP_READDIRPLUS;
    conn->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
}

const struct fuse_lowlevel_ops mount_operations = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .open = op_open,
    .read = op_read,
    .poll = op_poll,
    .create = op_create,
    .write = op_write,
    .flush = op_flush,
    .release = op_release,
    .fsync = op_fsync,
    .mknod = op_mknod,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .mkdir = op_mkdir,
    .symlink = op_symlink,
    .rename = op_rename,
};
