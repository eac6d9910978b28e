/*
 * One layer of a container image, from its archive to an overlay's lower directory. The archive is hostile:
 * names are looked up by the kernel as if the layer were the root (openat2, RESOLVE_IN_ROOT), so that links
 * in it lead nowhere else; what the kernel would take for more than a file (devices, overlay's own
 * attributes) is left out; and at the end it must be what the image says that it is.
 *
 * Rules: OCI image specification, "Image Layer Filesystem Changeset".
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/image/oci.h"
#include "runfs/io.h"
#include "runfs/late_archive.h"
#include "runfs/late_crypto.h"
#include "runfs/proc.h"
#include "runfs/str.h"
#include "runfs/utf8_locale.h"

enum {
    READ_SIZE = 65536,
    FULL_EVERY = 64 << 20,
    HEAD_MAX = 4 << 20 /* of what stands before a file: libarchive keeps it in memory, many times as large */
};

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

struct layer {
    int root;                /* borrowed */
    bool owners;             /* they can be kept */
    struct archive *packed;  /* owned: the blob, uncompressed as it is read */
    struct archive *archive; /* owned: the tar that comes out of it */
    EVP_MD_CTX *digest;      /* owned */
    struct oci_totals *totals;
    int64_t looked; /* bytes when the room on the disk was looked at last */
    int64_t head;   /* bytes of what stands before a file, while that is read; else -1 */
    FILE *times;    /* owned: of directories, set when all is in them */
    struct err *err;
};

static int refuse(struct layer *l, const char *path, const char *why)
{
    bool good = utf8_valid(path, strlen(path));

    return err_set(l->err, -EINVAL, "a layer of the image is refused: '%.300s' %s",
                   good ? path : "(not UTF-8)", why);
}

static int failed(struct layer *l, const char *path)
{
    return err_errno(l->err, -errno, "cannot write '%.300s' of the image", path);
}

/* ------------------------------------------------------------------------------------------- the archive */

/* Counts what comes out of the blob: a small one may be a large bomb. */
static int count_bytes(struct layer *l, size_t n)
{
    l->totals->bytes += (int64_t)n;
    if (l->head >= 0 && (l->head += (int64_t)n) > HEAD_MAX)
        return err_set(l->err, -EINVAL,
                       "a layer of the image is refused: what it says of one file has more than %d MiB",
                       HEAD_MAX >> 20);
    if (l->totals->bytes > (int64_t)OCI_GIB_MAX << 30)
        return err_set(l->err, -EFBIG, "the image is refused: it has more than %d GiB", OCI_GIB_MAX);
    if (proc_unwanted())
        return err_set(l->err, -ECANCELED, "The operation was canceled.");
    if (l->totals->bytes - l->looked < FULL_EVERY)
        return 0;
    l->looked = l->totals->bytes;
    return file_system_full(l->root) ? err_errno(l->err, -ENOSPC, "cannot unpack the image") : 0;
}

static int archive_failed(struct layer *l, struct archive *a)
{
    int code = archive_errno(a);
    const char *words = archive_error_string(a);

    if (l->err && l->err->code) /* it was said by what fed it */
        return l->err->code;
    if (code == ENOMEM || code == EIO || code == ENOSPC)
        return err_errno(l->err, -code, "cannot read a layer of the image");
    return err_set(l->err, -EINVAL, "a layer of the image cannot be read: %.300s",
                   words ? words : "it is no archive");
}

/* archive_read_callback: the uncompressed tar. */
static la_ssize_t feed(struct archive *a, void *data, const void **ret)
{
    struct layer *l = data;
    la_int64_t offset;
    size_t n = 0;
    int r;

    do
        r = archive_read_data_block(l->packed, ret, &n, &offset);
    while (r == ARCHIVE_OK && n == 0);
    if (r == ARCHIVE_EOF)
        return 0;
    if (r != ARCHIVE_OK) {
        (void)archive_failed(l, l->packed);
    } else if (count_bytes(l, n) == 0 && EVP_DigestUpdate(l->digest, *ret, n)) {
        return (la_ssize_t)n;
    }
    archive_set_error(a, EINVAL, "the layer could not be read");
    return -1;
}

/* Where the layer is, so that it is room of the same disk; in memory it might be gigabytes. */
static FILE *open_times(const struct layer *l)
{
    _close_ int fd = openat(l->root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? tmpfile() : fdopen(fd, "w+");

    if (f && fd >= 0)
        (void)TAKE_FD(fd);
    return f;
}

static int open_archives(struct layer *l, int fd)
{
    struct archive_entry *e = NULL;

    l->packed = archive_read_new();
    l->archive = archive_read_new();
    l->digest = EVP_MD_CTX_new();
    l->times = open_times(l);
    if (!l->packed || !l->archive || !l->digest || !l->times ||
        !EVP_DigestInit_ex(l->digest, EVP_sha256(), NULL))
        return err_errno(l->err, -ENOMEM, "cannot unpack the image");
    archive_read_support_filter_gzip(l->packed);
    archive_read_support_filter_zstd(l->packed);
    archive_read_support_format_raw(l->packed);
    archive_read_support_format_tar(l->archive);
    if (archive_read_open_fd(l->packed, fd, READ_SIZE) != ARCHIVE_OK ||
        archive_read_next_header(l->packed, &e) != ARCHIVE_OK)
        return archive_failed(l, l->packed);
    if (archive_filter_count(l->packed) > 2) /* what is in between would be counted by nobody */
        return err_set(l->err, -EINVAL, "a layer of the image is refused: it is packed more than once");
    if (archive_read_open(l->archive, l, NULL, feed, NULL) != ARCHIVE_OK)
        return archive_failed(l, l->archive);
    return 0;
}

/* What the tar ends with counts too. */
static int check_digest(struct layer *l, const char *hex)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char got[OCI_HEX + 1];
    const void *rest;
    la_ssize_t n;

    while ((n = feed(l->packed, l, &rest)) > 0)
        ;
    if (n < 0)
        return l->err && l->err->code ? l->err->code : -EINVAL;
    if (!EVP_DigestFinal_ex(l->digest, digest, NULL))
        return err_errno(l->err, -ENOMEM, "cannot unpack the image");
    oci_hex(digest, got);
    return str_eq(got, hex)
               ? 0
               : err_set(l->err, -EINVAL,
                         "a layer of the image is refused: it is sha256:%s, and the image says sha256:%s",
                         got, hex);
}

/* -------------------------------------------------------------------------------------------------- names */

/* "./a//b/" becomes "a/b"; the top becomes "". */
static int normalise(struct layer *l, const char *raw, char to[PATH_MAX])
{
    size_t len = 0;

    for (const char *p = raw; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return refuse(l, raw, "leads out of it");
        if (n > NAME_MAX || len + n + 2 > PATH_MAX)
            return refuse(l, raw, "is too long a path");
        if (n && !(n == 1 && *p == '.')) {
            if (len)
                to[len++] = '/';
            memcpy(to + len, p, n);
            len += n;
        }
        p += n + (p[n] == '/');
    }
    to[len] = '\0';
    return 0;
}

static int open_in(const struct layer *l, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, l->root, *path ? path : ".", &how, sizeof(how));
}

static int count_entry(struct layer *l)
{
    return ++l->totals->entries <= OCI_ENTRIES_MAX
               ? 0
               : err_set(l->err, -EFBIG, "the image is refused: it has more than %d files", OCI_ENTRIES_MAX);
}

/* Opens a directory of the layer, made with what leads to it where an archive has only what is in it. */
static int open_directory(struct layer *l, char *path)
{
    int fd = open_in(l, path, O_RDONLY | O_DIRECTORY);

    for (char *p = path; fd < 0 && errno == ENOENT && p; p = strchr(p + 1, '/')) {
        char *end = strchr(p + 1, '/');
        if (end)
            *end = '\0';
        char *slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
        _close_ int up = open_in(l, slash ? path : "", O_RDONLY | O_DIRECTORY);
        if (slash)
            *slash = '/';
        if (up >= 0 && mkdirat(up, slash ? slash + 1 : path, 0755) == 0 && count_entry(l) < 0)
            fd = -EFBIG;
        if (end)
            *end = '/';
        if (fd == -EFBIG)
            return fd;
        errno = ENOENT;
    }
    if (fd < 0)
        fd = open_in(l, path, O_RDONLY | O_DIRECTORY);
    return fd >= 0 ? fd : refuse(l, path, "is no directory that its files could be in");
}

/* The directory that path stands in, and its name there. */
static int open_parent(struct layer *l, const char *path, const char **ret_name)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');

    *ret_name = slash ? slash + 1 : path;
    snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 0, path);
    return open_directory(l, parent);
}

/* ---------------------------------------------------------------------------------------------- attributes
 */

static int set_opaque(struct layer *l, int fd, const char *path)
{
    if (fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
        return failed(l, path);
    /* overlays that root mounts read this one; where it cannot be set, there are none */
    if (fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0 && errno != EPERM && errno != EOPNOTSUPP)
        return failed(l, path);
    return 0;
}

/* The user's own, and what a file may do; never what an overlay would obey. Those that the file system cannot
 * hold are left out, as Docker leaves them out. */
static void set_attributes(struct archive_entry *e, int fd)
{
    const char *name;
    const void *value;
    size_t size;

    archive_entry_xattr_reset(e);
    while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
        bool users = str_starts(name, "user.") && !str_starts(name, "user.overlay.");
        if (users || str_eq(name, "security.capability"))
            (void)fsetxattr(fd, name, value, size, 0);
    }
}

static uid_t bounded(la_int64_t id)
{
    return id >= 0 && id < 65536 ? (uid_t)id : 65534;
}

/* An ordinary user must be able to read and remove all of it, and for him no file is another user's. */
static mode_t mode_of(const struct layer *l, struct archive_entry *e, mode_t least)
{
    mode_t mode = archive_entry_perm(e) & 07777;

    return l->owners ? mode : (mode & 01777) | least;
}

static struct timespec time_of(struct archive_entry *e)
{
    return archive_entry_mtime_is_set(e)
               ? (struct timespec){archive_entry_mtime(e), archive_entry_mtime_nsec(e)}
               : (struct timespec){0};
}

static int set_owner(struct layer *l, struct archive_entry *e, int at, const char *name)
{
    if (!l->owners)
        return 0;
    return fchownat(at, name, bounded(archive_entry_uid(e)), bounded(archive_entry_gid(e)),
                    AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0
               ? -errno
               : 0;
}

/* ------------------------------------------------------------------------------------------------- entries
 */

static int remove_at(int at, const char *name)
{
    char path[64 + NAME_MAX];

    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", at, name);
    return remove_tree(path);
}

/* What is written down of a directory until all is in it. */
struct dir_time {
    uint16_t len;
    struct timespec mtime;
};

static int note_time(struct layer *l, struct archive_entry *e, const char *path)
{
    struct dir_time t;

    memset(&t, 0, sizeof(t)); /* between its fields, too */
    t.len = (uint16_t)strlen(path);
    t.mtime = time_of(e);
    return fwrite(&t, sizeof(t), 1, l->times) == 1 && fwrite(path, 1, t.len, l->times) == t.len
               ? 0
               : failed(l, path);
}

static int set_times(struct layer *l)
{
    char path[PATH_MAX];
    struct dir_time t;

    rewind(l->times);
    while (fread(&t, sizeof(t), 1, l->times) == 1) {
        if (t.len >= sizeof(path) || fread(path, 1, t.len, l->times) != t.len)
            return err_errno(l->err, -EIO, "cannot unpack the image");
        path[t.len] = '\0';
        _close_ int fd = open_in(l, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW); /* it may be gone by now */
        if (fd >= 0)
            (void)futimens(fd, (struct timespec[]){t.mtime, t.mtime});
    }
    return 0;
}

static int take_directory(struct layer *l, struct archive_entry *e, int at, const char *name,
                          const char *path)
{
    struct stat st = {0};
    bool top = !*name;
    bool there = !top && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

    if (there && !S_ISDIR(st.st_mode) && unlinkat(at, name, 0) < 0)
        return failed(l, path);
    if (!top && !(there && S_ISDIR(st.st_mode)) && mkdirat(at, name, 0700) < 0)
        return failed(l, path);
    _close_ int fd = openat(at, top ? "." : name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || set_owner(l, e, fd, "") < 0 || fchmod(fd, mode_of(l, e, 0700)) < 0)
        return failed(l, path);
    set_attributes(e, fd);
    if (there && S_ISCHR(st.st_mode) && set_opaque(l, fd, path) < 0) /* what it was before is gone */
        return l->err ? l->err->code : -EIO;
    return note_time(l, e, path);
}

/* Holes stay holes. */
static int write_blocks(struct layer *l, int fd, const char *path)
{
    la_int64_t at, size = 0;
    const void *block;
    size_t n;
    int r;

    while ((r = archive_read_data_block(l->archive, &block, &n, &at)) == ARCHIVE_OK) {
        int e = n ? pwrite_all(fd, block, n, at) : 0;
        if (e < 0) {
            errno = -e;
            return failed(l, path);
        }
        size = at + (la_int64_t)n > size ? at + (la_int64_t)n : size;
    }
    return r == ARCHIVE_EOF ? 0 : archive_failed(l, l->archive);
}

static int take_file(struct layer *l, struct archive_entry *e, int at, const char *name, const char *path)
{
    int64_t size = archive_entry_size(e);
    struct timespec t = time_of(e);

    _close_ int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(l, path);
    if (size < 0 || size > (int64_t)OCI_GIB_MAX << 30)
        return refuse(l, path, "is too large");
    if (ftruncate(fd, size) < 0)
        return failed(l, path);
    int r = write_blocks(l, fd, path);
    if (r < 0)
        return r;
    if (set_owner(l, e, fd, "") < 0 || fchmod(fd, mode_of(l, e, 0600)) < 0)
        return failed(l, path);
    set_attributes(e, fd); /* behind the owner, whose change takes capabilities away */
    return futimens(fd, (struct timespec[]){t, t}) < 0 ? failed(l, path) : 0;
}

/* Only to a file of this very layer, and of no link's making. */
static int take_hard_link(struct layer *l, const char *target, int at, const char *name, const char *path)
{
    char to[PATH_MAX];
    const char *last;
    struct stat st;
    int r = normalise(l, target, to);

    if (r < 0)
        return r;
    _close_ int from = open_parent(l, to, &last);
    if (from < 0)
        return from;
    if (fstatat(from, last, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode))
        return refuse(l, path, "is a link to a file that the layer does not have");
    return linkat(from, last, at, name, 0) < 0 ? failed(l, path) : 0;
}

static int take_other(struct layer *l, struct archive_entry *e, int at, const char *name, const char *path)
{
    const char *target = archive_entry_symlink(e);
    struct timespec t = time_of(e);
    int r;

    switch (archive_entry_filetype(e)) {
    case AE_IFLNK:
        if (!target || !*target)
            return refuse(l, path, "is a link without a target");
        r = symlinkat(target, at, name);
        break;
    case AE_IFIFO:
        r = mkfifoat(at, name, mode_of(l, e, 0600));
        break;
    default:
        return 0; /* devices and sockets: no machine could open them */
    }
    if (r < 0 || set_owner(l, e, at, name) < 0)
        return failed(l, path);
    (void)utimensat(at, name, (struct timespec[]){t, t}, AT_SYMLINK_NOFOLLOW);
    return 0;
}

/* `.wh.NAME`: what is below has no NAME. What the layer itself has of it stays. */
static int take_whiteout(struct layer *l, int at, const char *name, const char *path)
{
    const char *gone = name + strlen(WHITEOUT);
    struct stat st;

    if (str_eq(name, OPAQUE))
        return set_opaque(l, at, path);
    if (str_starts(gone, WHITEOUT)) /* of another union file system's own */
        return 0;
    if (!*gone || str_eq(gone, ".") || str_eq(gone, ".."))
        return refuse(l, path, "takes nothing away that has a name");
    if (fstatat(at, gone, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        _close_ int fd =
            S_ISDIR(st.st_mode) ? openat(at, gone, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        return fd >= 0 ? set_opaque(l, fd, path) : 0;
    }
    return mknodat(at, gone, S_IFCHR, makedev(0, 0)) < 0 ? failed(l, path) : 0;
}

static int take_entry(struct layer *l, struct archive_entry *e)
{
    const char *raw = archive_entry_pathname(e), *link = archive_entry_hardlink(e), *name;
    char path[PATH_MAX];
    int r = raw ? normalise(l, raw, path) : refuse(l, "", "(a name that is no text)");

    if (r == 0)
        r = count_entry(l);
    if (r < 0)
        return r;
    _close_ int at = open_parent(l, path, &name);
    if (at < 0)
        return at;
    if (str_starts(name, WHITEOUT))
        return take_whiteout(l, at, name, path);
    if (!link && archive_entry_filetype(e) == AE_IFDIR)
        return take_directory(l, e, at, name, path);
    if (!*name)
        return refuse(l, raw, "would be the root, and is no directory");
    if ((r = remove_at(at, name)) < 0)
        return err_errno(l->err, r, "cannot replace '%.300s' of the image", path);
    if (link)
        return take_hard_link(l, link, at, name, path);
    return archive_entry_filetype(e) == AE_IFREG ? take_file(l, e, at, name, path)
                                                 : take_other(l, e, at, name, path);
}

/* The next entry. What is left of the last one does not count as what stands before it. */
static int next_entry(struct layer *l, struct archive_entry **ret)
{
    if (*ret)
        (void)archive_read_data_skip(l->archive); /* what went wrong comes again */
    l->head = 0;
    int got = archive_read_next_header(l->archive, ret);
    l->head = -1;
    return got;
}

static int unpack(struct layer *l, const char *hex)
{
    struct archive_entry *e = NULL;
    int r = 0, got = ARCHIVE_OK;

    while (r == 0 && (got = next_entry(l, &e)) != ARCHIVE_EOF)
        r = got == ARCHIVE_OK || got == ARCHIVE_WARN ? take_entry(l, e) : archive_failed(l, l->archive);
    if (r == 0)
        r = check_digest(l, hex);
    return r == 0 ? set_times(l) : r;
}

int oci_layer_unpack(int fd, int root, const char *hex, struct oci_totals *totals, struct err *err)
{
    struct err own = {0};
    struct layer l = {.root = root, .owners = geteuid() == 0, .totals = totals, .err = err ? err : &own};
    _utf8_ struct utf8_locale locale = {0};
    int r = utf8_begin(&locale);

    l.looked = totals->bytes;
    l.head = -1;
    r = r < 0 ? err_errno(l.err, r, "cannot unpack the image") : open_archives(&l, fd);
    if (r == 0)
        r = unpack(&l, hex);
    if (l.archive)
        archive_read_free(l.archive);
    if (l.packed)
        archive_read_free(l.packed);
    EVP_MD_CTX_free(l.digest);
    if (l.times)
        fclose(l.times);
    return r;
}
