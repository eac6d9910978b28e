/*
 * The yardstick for the mount: the smallest FUSE file system that shows another directory, with libfuse's
 * low-level API and none of its caching. usage: passthrough SOURCE MOUNTPOINT
 */
#include <dirent.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/stat.h>

#include "runfs/buf.h"

struct inode {
    int fd;
};

static struct inode root;

static struct inode *inode_of(fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? &root : (struct inode *)(uintptr_t)ino;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param e = {0};
    struct inode *inode = calloc(1, sizeof(*inode));

    inode->fd = openat(inode_of(parent)->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (inode->fd < 0 || fstat(inode->fd, &e.attr) < 0) {
        free(inode);
        fuse_reply_err(req, errno);
        return;
    }
    e.ino = (uintptr_t)inode;
    fuse_reply_entry(req, &e);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    (void)n;
    if (ino != FUSE_ROOT_ID) {
        close(inode_of(ino)->fd);
        free(inode_of(ino));
    }
    fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct stat st;

    (void)fi;
    if (fstatat(inode_of(ino)->fd, "", &st, AT_EMPTY_PATH) < 0)
        fuse_reply_err(req, errno);
    else
        fuse_reply_attr(req, &st, 0);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", inode_of(ino)->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fuse_reply_err(req, errno);
        return;
    }
    fi->fh = (uint64_t)fd;
    fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    char *room = malloc(size);
    ssize_t n = room ? pread((int)fi->fh, room, size, off) : -1;

    (void)ino;
    if (n < 0)
        fuse_reply_err(req, EIO);
    else
        fuse_reply_buf(req, room, (size_t)n);
    free(room);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    close((int)fi->fh);
    fuse_reply_err(req, 0);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    int fd = openat(inode_of(ino)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        fuse_reply_err(req, errno);
        return;
    }
    fi->fh = (uintptr_t)fdopendir(fd);
    fuse_reply_open(req, fi);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    DIR *dir = (DIR *)(uintptr_t)fi->fh;
    char *room = malloc(size);
    size_t used = 0;
    struct dirent *e;

    (void)ino;
    seekdir(dir, off);
    while (room && (e = readdir(dir))) {
        struct stat st = {.st_ino = e->d_ino, .st_mode = (mode_t)e->d_type << 12};
        size_t need = fuse_add_direntry(req, room + used, size - used, e->d_name, &st, telldir(dir));
        if (need > size - used)
            break;
        used += need;
    }
    fuse_reply_buf(req, room, used);
    free(room);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    closedir((DIR *)(uintptr_t)fi->fh);
    fuse_reply_err(req, 0);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char target[4096];
    ssize_t n = readlinkat(inode_of(ino)->fd, "", target, sizeof(target) - 1);

    if (n < 0) {
        fuse_reply_err(req, errno);
        return;
    }
    target[n] = '\0';
    fuse_reply_readlink(req, target);
}

int main(int argc, char **argv)
{
    static const struct fuse_lowlevel_ops ops = {.lookup = op_lookup,
                                                 .forget = op_forget,
                                                 .getattr = op_getattr,
                                                 .readlink = op_readlink,
                                                 .open = op_open,
                                                 .read = op_read,
                                                 .release = op_release,
                                                 .opendir = op_opendir,
                                                 .readdir = op_readdir,
                                                 .releasedir = op_releasedir};
    struct fuse_args args = FUSE_ARGS_INIT(1, argv);

    if (argc != 3)
        return 2;
    root.fd = open(argv[1], O_PATH | O_CLOEXEC);
    struct fuse_session *s = fuse_session_new(&args, &ops, sizeof(ops), NULL);
    if (root.fd < 0 || !s || fuse_set_signal_handlers(s) < 0 || fuse_session_mount(s, argv[2]) < 0)
        return 1;
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    fuse_loop_cfg_set_clone_fd(config, 1);
    int r = fuse_session_loop_mt(s, config);
    fuse_session_unmount(s);
    return r != 0;
}
