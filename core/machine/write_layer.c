/*
 * From what a machine of an image has written, the upper directory of its overlay, to a layer of another
 * image: the overlay's whiteouts become those of the tar, and ids are again what they were inside.
 */
#include <fcntl.h>
#include <glib.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/late_archive.h"
#include "runfs/str.h"
#include "runfs/utf8_locale.h"

enum { DEPTH_MAX = 200, XATTR_MAX = 65536 };

/* What is the runner's own, or the kernel's, and no part of an image. */
static const char *const omitted[] = {"__b",    "__e",  "__t", "__w", "dev", "etc/hosts", "etc/resolv.conf",
                                      "github", "proc", "sys"};

struct layer {
    struct archive *archive; /* owned */
    GHashTable *links;       /* owned: inode -> the first of its names, owned */
    int out;                 /* borrowed */
    uid_t root;              /* whose is root's inside */
    struct err *err;
};

static int failed(const struct layer *l, const char *path)
{
    return err_errno(l->err, -errno, "cannot read '%.300s' of the layer", path);
}

static int archive_failed(const struct layer *l)
{
    int code = archive_errno(l->archive);

    return err_set(l->err, code > 0 ? -code : -EIO, "cannot write the layer: %.300s",
                   archive_error_string(l->archive) ? archive_error_string(l->archive) : "?");
}

static bool is_omitted(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(omitted); i++)
        if (str_eq(omitted[i], path))
            return true;
    return false;
}

static void cleanup_entry(struct archive_entry **e)
{
    if (*e)
        archive_entry_free(*e);
}
#define _entry_ _cleanup_(cleanup_entry)

/* ------------------------------------------------------------------------------------------- attributes */

static bool is_opaque(int fd)
{
    char value[4];

    return (fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)) == 1 && *value == 'y') ||
           (fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)) == 1 && *value == 'y');
}

/* One of a namespace's names the namespace's root, which is another one's where the image is used. */
static size_t plain_capability(void *value, size_t size)
{
    struct vfs_ns_cap_data c;

    if (size != sizeof(c))
        return size;
    memcpy(&c, value, sizeof(c));
    if ((c.magic_etc & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
        return size;
    c.magic_etc = (c.magic_etc & ~VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2;
    memcpy(value, &c, sizeof(struct vfs_cap_data));
    return sizeof(struct vfs_cap_data);
}

static int add_attributes(struct archive_entry *e, int fd)
{
    _free_ char *names = malloc(XATTR_MAX), *value = malloc(XATTR_MAX);
    ssize_t n = names && value ? flistxattr(fd, names, XATTR_MAX) : -1;

    if (!names || !value)
        return -ENOMEM;
    for (const char *p = names; p < names + n; p += strlen(p) + 1) {
        bool capability = str_eq(p, "security.capability");
        bool users = str_starts(p, "user.") && !str_starts(p, "user.overlay.");
        ssize_t size = capability || users ? fgetxattr(fd, p, value, XATTR_MAX) : -1;
        if (size >= 0)
            archive_entry_xattr_add_entry(e, p, value,
                                          capability ? plain_capability(value, (size_t)size) : (size_t)size);
    }
    return 0;
}

static int64_t inside(const struct layer *l, uid_t id)
{
    return geteuid() == 0 && id >= l->root && id < l->root + 65536 ? (int64_t)(id - l->root) : 0;
}

static void describe(const struct layer *l, struct archive_entry *e, const char *path, const struct stat *st)
{
    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, st->st_mode & S_IFMT);
    archive_entry_set_perm(e, st->st_mode & 07777);
    archive_entry_set_uid(e, inside(l, st->st_uid));
    archive_entry_set_gid(e, inside(l, st->st_gid));
    archive_entry_set_mtime(e, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    archive_entry_set_size(e, 0);
}

/* ---------------------------------------------------------------------------------------------- entries */

static int put_header(struct layer *l, struct archive_entry *e)
{
    return archive_write_header(l->archive, e) < ARCHIVE_WARN ? archive_failed(l) : 0;
}

/* An empty file whose name says something of another. */
static int put_mark(struct layer *l, const char *dir, const char *mark, const char *name)
{
    _entry_ struct archive_entry *e = archive_entry_new();
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s%s%s%s", dir, *dir ? "/" : "", mark, name);
    if (!e || !buf_ok(&path))
        return err_errno(l->err, -ENOMEM, "layer");
    archive_entry_set_pathname(e, path.ptr);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0600);
    archive_entry_set_size(e, 0);
    return put_header(l, e);
}

static int put_bytes(struct layer *l, int fd, const char *path, int64_t size)
{
    char block[65536];

    while (size > 0) {
        if (file_system_full(l->out)) /* of the room that is kept for root nothing is taken */
            return err_errno(l->err, -ENOSPC, "cannot write the layer");
        ssize_t n = read(fd, block, size < (int64_t)sizeof(block) ? (size_t)size : sizeof(block));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(l, path);
        if (n == 0) /* libarchive fills it up */
            break;
        if (archive_write_data(l->archive, block, (size_t)n) < 0)
            return archive_failed(l);
        size -= n;
    }
    return 0;
}

static int put_file(struct layer *l, struct archive_entry *e, int at, const char *name, const struct stat *st)
{
    const char *path = archive_entry_pathname(e);
    const char *first = st->st_nlink > 1 ? g_hash_table_lookup(l->links, &st->st_ino) : NULL;

    if (first) {
        archive_entry_set_hardlink(e, first);
        return put_header(l, e);
    }
    _close_ int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return failed(l, path);
    if (st->st_nlink > 1)
        g_hash_table_insert(l->links, g_memdup2(&st->st_ino, sizeof(st->st_ino)), g_strdup(path));
    archive_entry_set_size(e, st->st_size);
    int r = add_attributes(e, fd);
    if (r < 0)
        return err_errno(l->err, r, "layer");
    r = put_header(l, e);
    return r == 0 ? put_bytes(l, fd, path, st->st_size) : r;
}

static int put_link(struct layer *l, struct archive_entry *e, int at, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(at, name, target, sizeof(target) - 1);

    if (n < 0)
        return failed(l, archive_entry_pathname(e));
    target[n] = '\0';
    archive_entry_set_symlink(e, target);
    return put_header(l, e);
}

static int put_dir(struct layer *l, int fd, const char *path, unsigned depth);

static int put_directory(struct layer *l, struct archive_entry *e, int at, const char *name,
                         const struct stat *st, unsigned depth)
{
    const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const char *path = archive_entry_pathname(e);
    _close_ int fd = openat(at, name, how);

    if (fd < 0 && errno == EACCES &&
        fchmodat(at, name, st->st_mode | 0700, 0) == 0) /* of this process's user */
        fd = openat(at, name, how);
    if (fd < 0)
        return failed(l, path);
    if (fgetxattr(fd, "trusted.overlay.redirect", NULL, 0) >= 0)
        return err_set(l->err, -EXDEV,
                       "the layer is refused: '%.300s' is a directory of the image under another name", path);
    int r = add_attributes(e, fd);
    r = r < 0 ? err_errno(l->err, r, "layer") : put_header(l, e);
    if (r == 0 && is_opaque(fd))
        r = put_mark(l, path, ".wh..wh..opq", "");
    return r == 0 ? put_dir(l, fd, path, depth) : r;
}

static int put_entry(struct layer *l, int at, const char *dir, const char *name, unsigned depth)
{
    _entry_ struct archive_entry *e = archive_entry_new();
    _buf_ struct buf path = BUF_INIT;
    struct stat st;

    buf_addf(&path, "%s%s%s", dir, *dir ? "/" : "", name);
    if (!e || !buf_ok(&path))
        return err_errno(l->err, -ENOMEM, "layer");
    if (is_omitted(path.ptr))
        return 0;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(l, path.ptr);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
        return put_mark(l, dir, ".wh.", name);
    describe(l, e, path.ptr, &st);
    if (S_ISDIR(st.st_mode))
        return put_directory(l, e, at, name, &st, depth);
    if (S_ISREG(st.st_mode))
        return put_file(l, e, at, name, &st);
    if (S_ISLNK(st.st_mode))
        return put_link(l, e, at, name);
    return S_ISFIFO(st.st_mode) ? put_header(l, e) : 0;
}

static int put_dir(struct layer *l, int fd, const char *path, unsigned depth)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    _closedir_ DIR *dir = own < 0 ? NULL : fdopendir(own);
    int r = 0;

    if (!dir) {
        r = failed(l, path);
        cleanup_close(&own);
        return r;
    }
    if (depth == DEPTH_MAX)
        return err_set(l->err, -ELOOP, "the layer is refused: '%.300s' is too deep", path);
    for (struct dirent *e; r == 0 && (e = readdir(dir));)
        if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
            r = put_entry(l, fd, path, e->d_name, depth + 1);
    return r;
}

/* --------------------------------------------------------------------------------------------- the whole */

static int open_upper(const struct machine *m)
{
    _close_ int dir = m->limits.disk >= 0 ? fcntl(m->limits.disk, F_DUPFD_CLOEXEC, 3)
                                          : open(m->dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return dir < 0 ? -1 : openat(dir, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int write_all_of(struct layer *l, int upper, int fd)
{
    if (!l->archive)
        return err_errno(l->err, -ENOMEM, "layer");
    if (archive_write_set_format_pax(l->archive) != ARCHIVE_OK ||
        archive_write_open_fd(l->archive, fd) != ARCHIVE_OK)
        return archive_failed(l);
    int r = put_dir(l, upper, "", 0);
    return r == 0 && archive_write_close(l->archive) != ARCHIVE_OK ? archive_failed(l) : r;
}

int machine_write_layer(struct machine *m, int fd, struct err *err)
{
    struct err own = {0};
    struct layer l = {.out = fd, .root = machine_root_id(), .err = err ? err : &own};
    _utf8_ struct utf8_locale locale = {0};

    if (!m->spec.for_image || !m->ops->layered)
        return err_set(l.err, -ENOTSUP, "a machine of %s writes no layers of images", m->ops->name);
    machine_kill(m);
    _close_ int upper = open_upper(m);
    if (upper < 0)
        return failed(&l, "/");
    int r = utf8_begin(&locale);
    if (r < 0)
        return err_errno(l.err, r, "layer");
    l.archive = archive_write_new();
    l.links = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    r = write_all_of(&l, upper, fd);
    if (l.archive)
        archive_write_free(l.archive);
    g_hash_table_destroy(l.links);
    return r;
}
