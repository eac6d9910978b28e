/* Artifacts as rows and directories: put whole or not at all, written out, swept. */
#include "runfs/artifact.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "artifact_internal.h"
#include "row_table.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

static int64_t find_in_attempt(struct store *st, const struct artifact_spec *spec)
{
    return read_int(st, "SELECT id FROM artifacts WHERE run_id = ?1 AND attempt = ?2 AND name = ?3",
                    (const int64_t[]){spec->run_id, spec->attempt}, 2, spec->name, 0);
}

/* ----------------------------------------------------------------------------------------------- places */

static void artifact_path(struct store *st, int64_t run_id, int64_t id, struct buf *ret)
{
    buf_addf(ret, "%s/artifacts/%lld/%lld", st->dir, (long long)run_id, (long long)id);
}

void artifact_remove_files(struct store *st, int64_t run_id, int64_t id)
{
    _buf_ struct buf path = BUF_INIT;
    int r = -ENOMEM;

    artifact_path(st, run_id, id, &path);
    if (buf_ok(&path))
        r = remove_tree(buf_str(&path));
    if (r < 0)
        log_warning("store", "artifact %lld of run %lld: cannot be removed: %s", (long long)id,
                    (long long)run_id, strerrordesc_np(-r));
}

void artifact_remove_run(struct store *st, int64_t run_id)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/artifacts/%lld", st->dir, (long long)run_id);
    int r = buf_ok(&path) ? remove_tree(buf_str(&path)) : -ENOMEM;
    if (r < 0)
        log_warning("store", "artifacts of run %lld: cannot be removed: %s", (long long)run_id,
                    strerrordesc_np(-r));
}

static int open_at(const char *dir, const char *name, int flags)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", dir, name);
    int fd = buf_ok(&path) ? open(buf_str(&path), flags | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    return fd < 0 ? -errno : fd;
}

static int open_tree_in(const char *dir, struct artifact_tree **ret)
{
    int root = open_at(dir, "tree", O_PATH | O_DIRECTORY);
    int index = root < 0 ? -1 : open_at(dir, "index", O_RDONLY);

    if (root >= 0 && index >= 0)
        return artifact_tree_new(root, index, ret);
    if (root >= 0)
        close(root);
    return root < 0 ? root : index;
}

int artifact_tree_open(struct store *st, int64_t id, struct artifact_tree **ret)
{
    const struct artifact_row *row = store_get_artifact(st, id);
    _buf_ struct buf path = BUF_INIT;

    if (!row)
        return -ENOENT;
    artifact_path(st, row->run_id, id, &path);
    artifact_row_unref(row);
    return buf_ok(&path) ? open_tree_in(buf_str(&path), ret) : -ENOMEM;
}

/* ---------------------------------------------------------------------------------------------- putting */

/* Fills the empty directory root. */
typedef int fill_fn(void *data, int root, const struct artifact_spec *spec, struct artifact_totals *ret,
                    struct err *err);

static int64_t retention_days(struct store *st, int asked)
{
    _buf_ struct buf value = BUF_INIT;
    uint64_t days;

    if (store_setting(st, SETTING_CONFIG, "retention_days", &value) < 0 ||
        parse_u64(buf_str(&value), &days) < 0 || days < 1 || days > 36500)
        days = 90;
    return asked > 0 && (uint64_t)asked < days ? asked : (int64_t)days;
}

static fill_fn fill_with_file;

/* What is given out as it is must be one file: a job that lies about it would have half of it given out. */
static int check_raw(const struct artifact_tree *tree, struct err *err)
{
    struct artifact_entry e;
    bool one = artifact_tree_count(tree) == 2 && artifact_tree_entry(tree, 1, &e) == 0 && S_ISREG(e.mode);

    return one ? 0 : err_set(err, -EINVAL, "the artifact is refused: as it is, it can only be one file");
}

/* All that takes long: content, list and digest, in a directory that no row knows. */
static int make_content(const char *dir, const struct artifact_spec *spec, fill_fn *fill, void *data,
                        struct artifact_row *row, char digest[80], struct err *err)
{
    struct artifact_totals totals = {0};
    struct artifact_tree *tree = NULL;
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/tree", dir);
    if (!buf_ok(&path) || mkdir(buf_str(&path), 0755) < 0)
        return err_errno(err, buf_ok(&path) ? -errno : -ENOMEM, "cannot make the artifact's directory");
    _close_ int root = open_at(dir, "tree", O_RDONLY | O_DIRECTORY);
    _close_ int index = open_at(dir, "index", O_RDWR | O_CREAT | O_EXCL);
    if (root < 0 || index < 0)
        return err_errno(err, root < 0 ? root : index, "cannot make the artifact's directory");
    int r = fill(data, root, spec, &totals, err);
    if (r == 0)
        r = artifact_index_write(root, &totals, index, err);
    if (r < 0)
        return r;
    r = open_tree_in(dir, &tree);
    if (r < 0)
        return err_errno(err, r, "cannot read the artifact's list");
    r = row->raw ? check_raw(tree, err) : 0;
    if (r == 0)
        r = artifact_pack(tree, row->raw ? ARTIFACT_RAW : ARTIFACT_ZIP, -1, &row->zip_size, digest, err);
    artifact_tree_unref(tree);
    row->size = totals.size;
    row->files = totals.files;
    row->disk = totals.disk;
    row->digest = digest;
    return r;
}

static int already_there(const struct artifact_spec *spec, struct err *err)
{
    return err_set(err, -EEXIST, "an artifact with this name already exists on the workflow run: %s",
                   spec->name);
}

static int check_spec(struct store *st, const struct artifact_spec *spec, struct err *err)
{
    int r = artifact_check_name(spec->name, err);
    const struct run_row *run = r == 0 ? store_get_run(st, spec->run_id) : NULL;

    run_row_unref(run);
    if (r < 0)
        return r;
    if (!run)
        return err_set(err, -ENOENT, "there is no run %lld", (long long)spec->run_id);
    return !spec->overwrite && find_in_attempt(st, spec) ? already_there(spec, err) : 0;
}

/* In one transaction the row comes, the one that it replaces goes, and the directory gets its name. */
static int publish(struct store *st, const struct artifact_spec *spec, const char *dir,
                   struct artifact_row *row, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;
    bool moved = false;

    store_begin(st);
    int64_t old = find_in_attempt(st, spec);
    int r = check_spec(st, spec, err);
    if (r == 0 && old) {
        write_ints(st, "DELETE FROM artifacts WHERE id = ?1", &old, 1, err);
        store_changed(
            st, (struct change){.kind = CHANGE_ARTIFACT, .id = old, .run_id = row->run_id, .deleted = true});
    }
    if (r == 0)
        r = row_put(st, &artifact_table, row, err);
    if (r == 0) {
        buf_addf(&path, "%s/artifacts/%lld", st->dir, (long long)row->run_id);
        if (buf_ok(&path))
            (void)mkdir(buf_str(&path), 0700);
        buf_addf(&path, "/%lld", (long long)row->id);
        moved = buf_ok(&path) && rename(dir, buf_str(&path)) == 0;
        if (!moved)
            r = err_errno(err, buf_ok(&path) ? -errno : -ENOMEM, "cannot name the artifact's directory");
    }
    if (r < 0)
        store_rollback(st);
    else
        r = store_commit(st, err);
    if (r < 0 && moved)
        (void)remove_tree(buf_str(&path));
    if (r == 0 && old)
        artifact_remove_files(st, row->run_id, old);
    return r;
}

/* With room of its own, as long as it has no row, where the caller holds none for it. */
static int put(struct store *st, const struct artifact_spec *asked, fill_fn *fill, void *data,
               int64_t *ret_id, struct err *err)
{
    _room_ struct room own = room_make(st, ROOM_ARTIFACTS);
    struct artifact_spec with_room = *asked;
    const struct artifact_spec *spec = &with_room;
    struct artifact_row row = {.run_id = asked->run_id,
                               .attempt = asked->attempt,
                               .name = asked->name,
                               .raw = asked->raw || fill == fill_with_file,
                               .created_at = now_ns()};
    _buf_ struct buf dir = BUF_INIT;
    char digest[80] = "";
    int r = check_spec(st, spec, err);

    if (r < 0)
        return r;
    if (!with_room.room)
        with_room.room = &own;
    row.expires_at = row.created_at + retention_days(st, spec->retention_days) * 86400 * 1000000000LL;
    buf_addf(&dir, "%s/artifacts/incoming-XXXXXX", st->dir);
    if (!buf_ok(&dir) || !mkdtemp(dir.ptr))
        return err_errno(err, buf_ok(&dir) ? -errno : -ENOMEM, "cannot make the artifact's directory");
    r = make_content(buf_str(&dir), spec, fill, data, &row, digest, err);
    if (r == 0)
        r = publish(st, spec, buf_str(&dir), &row, err);
    if (r < 0) {
        (void)remove_tree(buf_str(&dir));
        return r;
    }
    if (ret_id)
        *ret_id = row.id;
    return 0;
}

enum {
    CHUNK_SIZE = 256 * 1024,
    TAR_HEAD_MAX = 4 << 20,  /* of what stands before a file: lists of gaps, too */
    ZIP_HEAD_MAX = 192 << 20 /* of the list of all files, which is read before the first of them */
};

struct archive_source {
    int fd;
    enum artifact_format format;
    char *chunk;  /* owned while it is read */
    int64_t head; /* what was read of what stands before an entry; -1: that is not what is read */
    bool over;    /* that was more than it may be: what libarchive says then is another matter */
};

static int head_max(const struct archive_source *s)
{
    return s->format == ARTIFACT_TAR ? TAR_HEAD_MAX : ZIP_HEAD_MAX;
}

/* archive_read_callback: libarchive keeps in memory what stands before a file, and takes many times as much
 * for it. */
static la_ssize_t feed(struct archive *a, void *data, const void **ret)
{
    struct archive_source *s = data;
    ssize_t n;

    do
        n = read(s->fd, s->chunk, CHUNK_SIZE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        archive_set_error(a, errno, "cannot read");
    s->over |= n > 0 && s->head >= 0 && (s->head += n) > head_max(s);
    *ret = s->chunk;
    return s->over ? -1 : n;
}

static la_int64_t seek(struct archive *a, void *data, la_int64_t offset, int whence)
{
    const struct archive_source *s = data;
    off_t at = lseek(s->fd, offset, whence);

    if (at >= 0)
        return at;
    archive_set_error(a, errno, "cannot seek");
    return ARCHIVE_FATAL;
}

static int open_archive(struct archive *a, struct archive_source *s)
{
    bool tar = s->format == ARTIFACT_TAR;
    int r = tar ? archive_read_support_format_tar(a) : archive_read_support_format_zip_seekable(a);

    s->chunk = malloc(CHUNK_SIZE);
    if (r != ARCHIVE_OK || !s->chunk)
        return ARCHIVE_FATAL;
    if (!tar && lseek(s->fd, 0, SEEK_SET) < 0) {
        archive_set_error(a, errno, "cannot seek");
        return ARCHIVE_FATAL;
    }
    archive_read_set_callback_data(a, s);
    archive_read_set_read_callback(a, feed);
    if (!tar)
        archive_read_set_seek_callback(a, seek);
    return archive_read_open1(a);
}

static int fill_from_archive(void *data, int root, const struct artifact_spec *spec,
                             struct artifact_totals *ret, struct err *err)
{
    struct archive_source s = *(const struct archive_source *)data;
    _utf8_ struct utf8_locale locale = {0};
    int r = utf8_begin(&locale);
    struct archive *a = r == 0 ? archive_read_new() : NULL;

    if (!a)
        return err_errno(err, -ENOMEM, "cannot read the artifact");
    if (open_archive(a, &s) != ARCHIVE_OK)
        r = err_set(err, -EINVAL, "the artifact cannot be read: %s",
                    archive_error_string(a) ? archive_error_string(a) : "it is no archive");
    else
        r = artifact_extract(a, root, spec, &s.head, ret, err);
    if (s.over)
        r = err_set(err, -EINVAL, "the artifact cannot be read: what it says of %s has more than %d MiB",
                    s.format == ARTIFACT_TAR ? "one file" : "its files", head_max(&s) >> 20);
    archive_read_free(a);
    free(s.chunk);
    return r;
}

int artifact_put_tar(struct store *st, const struct artifact_spec *spec, int tar_fd, int64_t *ret_id,
                     struct err *err)
{
    return put(st, spec, fill_from_archive, &(struct archive_source){tar_fd, ARTIFACT_TAR, NULL, -1, false},
               ret_id, err);
}

int artifact_put_zip(struct store *st, const struct artifact_spec *spec, int zip_fd, int64_t *ret_id,
                     struct err *err)
{
    return put(st, spec, fill_from_archive, &(struct archive_source){zip_fd, ARTIFACT_ZIP, NULL, -1, false},
               ret_id, err);
}

struct file_source {
    int fd;
    const char *name;
};

static int fill_with_file(void *data, int root, const struct artifact_spec *spec, struct artifact_totals *ret,
                          struct err *err)
{
    const struct file_source *s = data;
    int64_t max = spec->max_size ? spec->max_size : ARTIFACT_SIZE_MAX;
    _free_ char *chunk = malloc(256 * 1024);
    ssize_t n;

    _close_ int fd = openat(root, s->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || !chunk)
        return err_errno(err, fd < 0 ? -errno : -ENOMEM, "cannot write '%.300s' of the artifact", s->name);
    *ret = (struct artifact_totals){
        .entries = 2, .names = 1 + (int64_t)strlen(s->name) + 1, .files = 1, .disk = disk_of(0)};
    while ((n = read(s->fd, chunk, 256 * 1024)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, -errno, "cannot read '%.300s'", s->name);
        ret->size += n;
        if (ret->size > max)
            return err_set(err, -EFBIG, "the artifact is larger than %lld bytes", (long long)max);
        ret->disk = disk_of(ret->size);
        if (room_hold(spec->room, ret->disk, err) < 0)
            return -EDQUOT;
        int r = write_all(fd, chunk, (size_t)n);
        if (r < 0)
            return err_errno(err, r, "cannot write '%.300s' of the artifact", s->name);
    }
    return 0;
}

int artifact_put_file(struct store *st, const struct artifact_spec *spec, const char *file_name, int fd,
                      int64_t *ret_id, struct err *err)
{
    int r = artifact_check_path(file_name, err);

    if (r == 0 && name_check(file_name) < 0)
        r = err_set(err, -EINVAL, "the artifact is refused: its file must have a plain name");
    return r < 0 ? r : put(st, spec, fill_with_file, &(struct file_source){fd, file_name}, ret_id, err);
}

/* ------------------------------------------------------------------------------------- writing and deleting
 */

static int write_as(struct store *st, int64_t id, enum artifact_format format, int fd, struct err *err)
{
    struct artifact_tree *tree = NULL;
    int r = artifact_tree_open(st, id, &tree);

    if (r < 0)
        return err_errno(err, r, "cannot open artifact %lld", (long long)id);
    r = artifact_pack(tree, format, fd, NULL, NULL, err);
    artifact_tree_unref(tree);
    return r;
}

int artifact_write_tar(struct store *st, int64_t id, int fd, struct err *err)
{
    return write_as(st, id, ARTIFACT_TAR, fd, err);
}

int artifact_write_zip(struct store *st, int64_t id, int fd, struct err *err)
{
    return write_as(st, id, ARTIFACT_ZIP, fd, err);
}

/* ------------------------------------------------------------------------------------------------ opening */

/* What is in artifacts/RUN/ and has no row. */
static void sweep_run(struct store *st, const char *dir, int64_t run_id)
{
    _closedir_ DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        uint64_t id = 0;
        if (e->d_name[0] == '.')
            continue;
        if (parse_u64(e->d_name, &id) == 0 && id <= INT64_MAX &&
            read_int(st, "SELECT id FROM artifacts WHERE id = ?1 AND run_id = ?2",
                     (const int64_t[]){(int64_t)id, run_id}, 2, NULL, 0))
            continue;
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", dir, e->d_name);
        if (buf_ok(&path))
            (void)remove_tree(buf_str(&path));
    }
    (void)rmdir(dir); /* as long as something is in it, it stays */
}

int artifact_sweep(struct store *st, struct err *err)
{
    _buf_ struct buf top = BUF_INIT;
    struct dirent *e;

    buf_addf(&top, "%s/artifacts", st->dir);
    if (!buf_ok(&top) || (mkdir(buf_str(&top), 0700) < 0 && errno != EEXIST))
        return err_errno(err, buf_ok(&top) ? -errno : -ENOMEM, "cannot make %s/artifacts", st->dir);
    _closedir_ DIR *d = opendir(buf_str(&top));
    while (d && (e = readdir(d))) {
        _buf_ struct buf path = BUF_INIT;
        uint64_t run_id;
        buf_addf(&path, "%s/%s", buf_str(&top), e->d_name);
        if (e->d_name[0] == '.' || !buf_ok(&path))
            continue;
        if (parse_u64(e->d_name, &run_id) == 0 && run_id <= INT64_MAX)
            sweep_run(st, buf_str(&path), (int64_t)run_id);
        else
            (void)remove_tree(buf_str(&path));
    }
    return 0;
}
