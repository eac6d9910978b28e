/*
 * From an archive to a tree on disk. The archive is hostile: every name is taken apart and walked by
 * descriptors that never follow a link, and whatever could reach out of the tree refuses the whole.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "artifact_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

struct extraction {
    struct archive *archive; /* borrowed */
    int root;                /* borrowed */
    int64_t max_size, max_entries;
    struct artifact_totals totals;
    struct room *room;                  /* borrowed */
    char parent[ARTIFACT_PATH_MAX + 1]; /* path of the directory that is open: */
    int parent_fd;                      /* owned; -1 */
    FILE *dirs;                         /* owned: modes and times of directories, set when all is in them */
    struct err *err;
};

/* Stands before each path in `dirs`. */
struct dir_record {
    uint16_t len;
    uint16_t mode;
    struct timespec mtime;
};

static int refuse(struct extraction *x, const char *path, const char *why)
{
    return err_set(x->err, -EINVAL, "the artifact is refused: '%.300s' %s",
                   utf8_valid(path, strlen(path)) ? path : "(not UTF-8)", why);
}

static int failed(struct extraction *x, const char *path)
{
    return err_errno(x->err, -errno, "cannot write '%.300s' of the artifact", path);
}

/* What libarchive has to say: its codes are an errno where the system failed, and others for bad archives. */
static int archive_failed(struct extraction *x)
{
    int code = archive_errno(x->archive);
    const char *words = archive_error_string(x->archive);

    if (code == ENOMEM || code == EIO || code == ENOSPC)
        return err_errno(x->err, -code, "cannot read the artifact");
    return err_set(x->err, -EINVAL, "the artifact cannot be read: %s", words ? words : "it is no archive");
}

/* -------------------------------------------------------------------------------------------------- names */

/* "./a//b/" becomes "a/b"; the top becomes "". */
static int normalise(struct extraction *x, const char *raw, char *to)
{
    size_t len = 0;

    if (!utf8_valid(raw, strlen(raw)))
        return refuse(x, raw, "is not a valid name");
    if (*raw == '/')
        return refuse(x, raw, "is an absolute path");
    for (const char *p = raw; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return refuse(x, raw, "leads out of it");
        if (n > 255 || len + n + 1 > ARTIFACT_PATH_MAX)
            return refuse(x, raw, "is too long a path");
        if (n && !(n == 1 && *p == '.')) {
            if (len)
                to[len++] = '/';
            memcpy(to + len, p, n);
            len += n;
        }
        p += n + (p[n] == '/');
    }
    to[len] = '\0';
    return len ? artifact_check_path(to, x->err) : 0;
}

/* A link's target, seen from where the link stands, stays below the top. */
static bool link_stays(const char *path, const char *target)
{
    int depth = 0;

    for (const char *p = path; *p; p++)
        depth += *p == '/';
    if (*target == '/')
        return false;
    for (const char *p = target; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            depth--;
        else if (n && !(n == 1 && *p == '.'))
            depth++;
        if (depth < 0)
            return false;
        p += n + (p[n] == '/');
    }
    return true;
}

/* Another entry, before it is made. */
static int count(struct extraction *x, const char *name, int64_t content)
{
    if (x->totals.entries >= x->max_entries)
        return err_set(x->err, -EFBIG, "the artifact has more than %lld files and directories",
                       (long long)x->max_entries);
    x->totals.entries++;
    x->totals.names += (int64_t)strlen(name) + 1;
    x->totals.disk += disk_of(content);
    return room_hold(x->room, x->totals.disk, x->err);
}

/* ------------------------------------------------------------------------------------------- directories */

/* Opens a directory below `at`, made if it is missing. Returns its descriptor. */
static int enter(struct extraction *x, int at, const char *path, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 || errno != ENOENT) {
        if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
            return refuse(x, path, "lies below something that is no directory");
        return fd < 0 ? failed(x, path) : fd;
    }
    int r = count(x, name, 1);
    if (r < 0)
        return r;
    if (mkdirat(at, name, 0755) < 0)
        return failed(x, path);
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? failed(x, path) : fd;
}

/* Opens the directory `path` (normalised), made with all that lead to it; kept open for the next entry. */
static int open_directory(struct extraction *x, const char *path, int *ret_fd)
{
    char name[256];

    if (x->parent_fd >= 0 && str_eq(path, x->parent)) {
        *ret_fd = x->parent_fd;
        return 0;
    }
    _close_ int fd = fcntl(x->root, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return failed(x, path);
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        memcpy(name, p, n);
        name[n] = '\0';
        int next = enter(x, fd, path, name);
        if (next < 0)
            return next;
        close(fd);
        fd = next;
        p += n + (p[n] == '/');
    }
    if (x->parent_fd >= 0)
        close(x->parent_fd);
    *ret_fd = x->parent_fd = TAKE_FD(fd);
    snprintf(x->parent, sizeof(x->parent), "%s", path);
    return 0;
}

/* The directory that `path` stands in, and its name there. */
static int open_parent(struct extraction *x, const char *path, int *ret_fd, const char **ret_name)
{
    char parent[ARTIFACT_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    memcpy(parent, path, len);
    parent[len] = '\0';
    *ret_name = slash ? slash + 1 : path;
    return open_directory(x, parent, ret_fd);
}

static struct timespec entry_mtime(struct archive_entry *e)
{
    struct timespec now;

    if (archive_entry_mtime_is_set(e))
        return (struct timespec){archive_entry_mtime(e), archive_entry_mtime_nsec(e)};
    clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

static int take_directory(struct extraction *x, struct archive_entry *e, const char *path)
{
    struct dir_record record;
    int fd, r = open_directory(x, path, &fd);

    memset(&record, 0, sizeof(record)); /* between its fields, too: it is written as it is */
    record.len = (uint16_t)strlen(path);
    record.mode = (uint16_t)(archive_entry_perm(e) & 0777);
    record.mtime = entry_mtime(e);
    if (r == 0 && (fwrite(&record, sizeof(record), 1, x->dirs) != 1 ||
                   fwrite(path, 1, record.len, x->dirs) != record.len))
        return failed(x, path);
    return r;
}

/* What is in them is there: now directories get their own modes and times. */
static int finish_directories(struct extraction *x)
{
    char path[ARTIFACT_PATH_MAX + 1];
    struct dir_record record;
    int r = 0, fd;

    if (fflush(x->dirs) != 0)
        return failed(x, "");
    rewind(x->dirs);
    while (r == 0 && fread(&record, sizeof(record), 1, x->dirs) == 1) {
        if (record.len > ARTIFACT_PATH_MAX || fread(path, 1, record.len, x->dirs) != record.len)
            return err_set(x->err, -EIO, "cannot read what was just written");
        path[record.len] = '\0';
        r = open_directory(x, path, &fd);
        /* its owner goes on using it, whatever the archive says */
        if (r == 0 && (fchmod(fd, record.mode | 0700) < 0 ||
                       futimens(fd, (struct timespec[]){record.mtime, record.mtime}) < 0))
            r = failed(x, path);
    }
    return r;
}

/* -------------------------------------------------------------------------------------------------- files */

static int take_data(struct extraction *x, int fd, const char *path, int64_t *ret_size)
{
    int64_t size = 0, off;
    const void *data;
    size_t len;
    int r;

    while ((r = archive_read_data_block(x->archive, &data, &len, &off)) == ARCHIVE_OK) {
        if (off < 0 || off > x->max_size || (int64_t)len > x->max_size - off ||
            x->totals.size + off + (int64_t)len > x->max_size)
            return err_set(x->err, -EFBIG, "the artifact is larger than %lld bytes", (long long)x->max_size);
        if (off + (int64_t)len > size)
            size = off + (int64_t)len;
        if (room_hold(x->room, x->totals.disk + disk_of(size), x->err) < 0)
            return -EDQUOT;
        int w = pwrite_all(fd, data, len, off);
        if (w < 0)
            return err_errno(x->err, w, "cannot write '%.300s' of the artifact", path);
    }
    if (r != ARCHIVE_EOF)
        return archive_failed(x);
    *ret_size = size;
    return 0;
}

static int take_file(struct extraction *x, struct archive_entry *e, const char *path)
{
    struct timespec times[2] = {entry_mtime(e), entry_mtime(e)};
    const char *name;
    int64_t size = 0;
    int at, r = open_parent(x, path, &at, &name);

    if (r == 0)
        r = count(x, name, 0);
    if (r == 0 && archive_entry_size_is_set(e) && archive_entry_size(e) > x->max_size - x->totals.size)
        r = err_set(x->err, -EFBIG, "the artifact is larger than %lld bytes", (long long)x->max_size);
    if (r < 0)
        return r;
    _close_ int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? refuse(x, path, "is in it twice") : failed(x, path);
    r = take_data(x, fd, path, &size);
    if (r < 0)
        return r;
    /* a sparse file may end in a hole */
    if (archive_entry_size_is_set(e) && archive_entry_size(e) > size)
        size = archive_entry_size(e);
    if (ftruncate(fd, size) < 0 || fchmod(fd, (archive_entry_perm(e) & 0777) | 0400) < 0 ||
        futimens(fd, times) < 0)
        return failed(x, path);
    x->totals.size += size;
    x->totals.disk += disk_of(size) - disk_of(0);
    x->totals.files++;
    return room_hold(x->room, x->totals.disk, x->err);
}

/* A second name for a file that came before. */
static int take_hard_link(struct extraction *x, const char *raw, const char *path)
{
    char target[ARTIFACT_PATH_MAX + 1];
    const char *name, *target_name;
    struct stat st;
    int at, r = normalise(x, raw, target);

    if (r < 0)
        return r;
    r = *target ? open_parent(x, target, &at, &target_name) : refuse(x, path, "is a link to a directory");
    if (r < 0)
        return r;
    _close_ int from = fcntl(at, F_DUPFD_CLOEXEC, 0);
    if (from < 0)
        return failed(x, path);
    if (fstatat(from, target_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return refuse(x, path, "is a link to a file that is not in it");
    if (st.st_size > x->max_size - x->totals.size)
        return err_set(x->err, -EFBIG, "the artifact is larger than %lld bytes", (long long)x->max_size);
    r = open_parent(x, path, &at, &name);
    if (r == 0)
        r = count(x, name, 0);
    if (r < 0)
        return r;
    if (linkat(from, target_name, at, name, 0) < 0)
        return errno == EEXIST ? refuse(x, path, "is in it twice") : failed(x, path);
    x->totals.size += st.st_size;
    x->totals.files++;
    return 0;
}

static int take_symlink(struct extraction *x, struct archive_entry *e, const char *path)
{
    const char *target = archive_entry_symlink(e), *name;
    struct timespec times[2] = {entry_mtime(e), entry_mtime(e)};
    int at, r;

    if (!target || !*target || strlen(target) > ARTIFACT_PATH_MAX || !link_stays(path, target))
        return refuse(x, path, "is a symbolic link that leads out of it");
    r = open_parent(x, path, &at, &name);
    if (r == 0)
        r = count(x, name, 0);
    if (r < 0)
        return r;
    if (symlinkat(target, at, name) < 0)
        return errno == EEXIST ? refuse(x, path, "is in it twice") : failed(x, path);
    if (utimensat(at, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(x, path);
    x->totals.files++;
    return 0;
}

static int take_entry(struct extraction *x, struct archive_entry *e)
{
    const char *raw = archive_entry_pathname(e), *hard = archive_entry_hardlink(e);
    char path[ARTIFACT_PATH_MAX + 1];
    int r = raw ? normalise(x, raw, path) : refuse(x, "", "has no name");

    if (r < 0)
        return r;
    if (!*path && archive_entry_filetype(e) != AE_IFDIR)
        return refuse(x, raw, "is no name of a file");
    if (hard)
        return take_hard_link(x, hard, path);
    switch (archive_entry_filetype(e)) {
    case AE_IFREG:
        return take_file(x, e, path);
    case AE_IFDIR:
        return take_directory(x, e, path);
    case AE_IFLNK:
        return take_symlink(x, e, path);
    default:
        return refuse(x, path, "is neither a file nor a directory nor a symbolic link");
    }
}

/* What is left of the last entry does not count as what stands before the next one. */
static int next_entry(struct archive *a, int64_t *head, struct archive_entry **ret)
{
    if (*ret)
        (void)archive_read_data_skip(a); /* what went wrong comes again */
    *head = 0;
    int r = archive_read_next_header(a, ret);
    *head = -1;
    return r;
}

int artifact_extract(struct archive *a, int root, const struct artifact_spec *spec, int64_t *head,
                     struct artifact_totals *ret, struct err *err)
{
    struct extraction x = {.archive = a,
                           .root = root,
                           .max_size = spec->max_size ? spec->max_size : ARTIFACT_SIZE_MAX,
                           .max_entries = spec->max_entries ? spec->max_entries : ARTIFACT_ENTRIES_MAX,
                           .totals = {.entries = 1, .names = 1},
                           .room = spec->room,
                           .parent_fd = -1,
                           .dirs = tmpfile(),
                           .err = err};
    struct archive_entry *e = NULL;
    int r = x.dirs ? 0 : failed(&x, ""), next = ARCHIVE_OK;

    while (r == 0 && (next = next_entry(a, head, &e)) != ARCHIVE_EOF)
        r = next == ARCHIVE_OK || next == ARCHIVE_WARN ? take_entry(&x, e) : archive_failed(&x);
    if (r == 0)
        r = finish_directories(&x);
    if (x.parent_fd >= 0)
        close(x.parent_fd);
    if (x.dirs)
        fclose(x.dirs);
    if (r == 0)
        *ret = x.totals;
    return r;
}
