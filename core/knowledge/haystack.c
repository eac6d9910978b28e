/* The files of a haystack: found without following links, and read when they changed. */
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <glib.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runfs/io.h"
#include "runfs/str.h"
#include "search_internal.h"

static bool is_below(const char *path, const char *root)
{
    size_t len = strlen(root);

    return strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool haystack_has(const struct haystack *h, const char *root, const char *path)
{
    const char *name = strrchr(path, '/');
    bool matches = h->n_patterns == 0;

    for (size_t i = 0; !matches && i < h->n_patterns; i++)
        matches = fnmatch(h->patterns[i], name ? name + 1 : path, 0) == 0;
    return matches && is_below(path, root);
}

int haystack_each_root(struct store *st, const struct haystack *h, haystack_root_fn *fn, void *data)
{
    int64_t id = 0;
    int r = 0;

    if (h->location[0] == '/') {
        _free_ char *real = realpath(h->location, NULL);
        return real ? fn(data, real) : 0;
    }
    while (r == 0 && store_list_repos(st, id, &id, 1) == 1) {
        const struct repo_row *repo = store_get_repo(st, id);
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", repo ? repo->path : "", h->location);
        _free_ char *top = repo ? realpath(repo->path, NULL) : NULL;
        _free_ char *real = buf_ok(&path) ? realpath(buf_str(&path), NULL) : NULL;
        if (top && real && is_below(real, top))
            r = fn(data, real);
        repo_row_unref(repo);
    }
    return r;
}

/* Where a file is as long as it says it is, one read sees its end. */
static int read_text(int fd, size_t size, size_t max, struct buf *ret)
{
    char *to = buf_reserve(ret, size + 1);
    ssize_t n = to ? read(fd, to, size + 1) : 0;

    if (!to)
        return -ENOMEM;
    ret->len += n > 0 ? (size_t)n : 0;
    ret->ptr[ret->len] = '\0';
    return n == (ssize_t)size ? 0 : read_fd(fd, max, ret);
}

int haystack_text(const char *path, size_t max, struct buf *ret, struct stat *ret_file)
{
    /* whoever may write there can put a link in the place of a directory at any moment */
    _close_ int fd = open_no_links(path, O_RDONLY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, ret_file) < 0 || !S_ISREG(ret_file->st_mode))
        return -ENOENT;
    if ((uint64_t)ret_file->st_size <= max && read_text(fd, (size_t)ret_file->st_size, max, ret) < 0)
        return -ENOENT;
    if (ret->len && (memchr(ret->ptr, '\0', ret->len) || !utf8_valid(ret->ptr, ret->len)))
        buf_reset(ret);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- walking */

/* In a mount of ours there are files that are read to their end only when a run ends. Another file system in
 * user space is one as any. */
static bool is_mount_of_ours(const char *root)
{
    _buf_ struct buf mounts = BUF_INIT, device = BUF_INIT;
    struct statfs fs;
    struct stat st;

    if (statfs(root, &fs) < 0 || fs.f_type != FUSE_SUPER_MAGIC)
        return false;
    if (lstat(root, &st) < 0 || read_file("/proc/self/mountinfo", 16 << 20, &mounts, NULL) < 0)
        return true;
    buf_addf(&device, " %u:%u ", major(st.st_dev), minor(st.st_dev));
    for (char *line = (char *)buf_str(&mounts), *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n' ? 1 : 0;
        const char *at = memmem(line, (size_t)(end - line), buf_str(&device), device.len);
        if (at && !memmem(line, (size_t)(end - line), " - fuse.runfs ", strlen(" - fuse.runfs ")))
            return !buf_ok(&device);
    }
    return true;
}

bool index_is_stopped(const struct index_progress *progress)
{
    return atomic_load_explicit(&progress->stop, memory_order_relaxed);
}

int haystack_each_file(const struct haystack *h, const char *root, struct watch *watch,
                       const struct index_progress *progress, haystack_file_fn *fn, void *data)
{
    char *const paths[] = {(char *)root, NULL};
    FTS *walk = is_mount_of_ours(root) ? NULL : fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    int64_t bytes = 0;
    int r = 0, files = 0;
    FTSENT *e;

    while (r == 0 && walk && files < HAYSTACK_FILES_MAX && (e = fts_read(walk))) {
        if (index_is_stopped(progress)) {
            r = -ECANCELED;
            break;
        }
        if (e->fts_info == FTS_D && (str_eq(e->fts_name, ".git") || e->fts_level > HAYSTACK_DEPTH_MAX))
            fts_set(walk, e, FTS_SKIP);
        else if (e->fts_info == FTS_D && watch)
            watch_directory(watch, e->fts_path);
        if (e->fts_info != FTS_F)
            continue;
        files++;
        if (!haystack_has(h, root, e->fts_path))
            continue;
        bytes += e->fts_statp->st_size < HAYSTACK_FILE_MAX ? e->fts_statp->st_size : 0;
        if (bytes > HAYSTACK_BYTES_MAX)
            break;
        r = fn(data, e->fts_path, e->fts_statp);
    }
    if (watch && (files == HAYSTACK_FILES_MAX || bytes > HAYSTACK_BYTES_MAX))
        watch_forget(watch); /* which files are read is for the walk to say */
    if (walk)
        fts_close(walk);
    return r;
}

/* ---------------------------------------------------------------------------------------------- reading */

struct known_file {
    int64_t changed_at, size;
};

struct reading {
    struct documents *documents;
    const struct haystack *haystack;
    const char *root;
    struct index_progress *progress;
    GHashTable *known;       /* owned: struct known_file by path; those that were not met yet */
    struct readahead *ahead; /* owned */
    uint64_t changed;
    int64_t bytes; /* of the open group */
    bool grouped;
    struct err *err;
};

enum { GROUP_BYTES = 16 * 1024 * 1024 };

int64_t stat_changed_at(const struct stat *file)
{
    return timespec_ns(file->st_mtim);
}

/* One query for all is much faster than one for each file. */
static int know(void *data, const struct known_document *known)
{
    struct reading *r = data;

    if (!known->path)
        return -ENOMEM;
    if (!haystack_has(r->haystack, r->root, known->path))
        return 0;
    struct known_file *file = malloc(sizeof(*file));
    char *name = strdup(known->path);
    if (!file || !name) {
        free(file);
        free(name);
        return -ENOMEM;
    }
    *file = (struct known_file){known->changed_at, known->size};
    g_hash_table_insert(r->known, name, file);
    return 0;
}

/* What is written by one update is one commit, or a few. */
static int group(struct reading *r, int64_t bytes)
{
    int code = 0;

    if (r->grouped && r->bytes > GROUP_BYTES) {
        r->grouped = false;
        r->bytes = 0;
        code = documents_commit(r->documents, r->err);
    }
    if (code == 0 && !r->grouped) {
        code = documents_begin(r->documents, r->err);
        r->grouped = code == 0;
    }
    r->bytes += bytes;
    return code;
}

static int drop(struct reading *r, const char *path)
{
    int code = group(r, 0);

    r->changed++;
    return code < 0 ? code : documents_drop(r->documents, path, r->err);
}

/* What is no text is known, and empty: it is not read again either. */
static int put(struct reading *r, const struct read_file *f)
{
    if (index_is_stopped(r->progress))
        return -ECANCELED;
    atomic_fetch_add_explicit(&r->progress->files, 1, memory_order_relaxed);
    if (f->result == -ENOMEM)
        return err_errno(r->err, -ENOMEM, "%s", f->path);
    if (f->result < 0)
        return drop(r, f->path);
    int code = group(r, (int64_t)f->text.len);
    r->changed++;
    return code < 0 ? code
                    : documents_put(r->documents,
                                    &(struct document){f->path, buf_str(&f->title), buf_str(&f->text),
                                                       f->changed_at, f->size},
                                    r->err);
}

static int read_walked(void *data, const char *path, const struct stat *file)
{
    struct reading *r = data;
    const struct known_file *known = g_hash_table_lookup(r->known, path);
    bool same = known && known->changed_at == stat_changed_at(file) && known->size == file->st_size;

    g_hash_table_remove(r->known, path);
    return same || !utf8_valid(path, strlen(path)) ? 0 : readahead_add(r->ahead, path);
}

/* A change that was heard is one, even if time and size are as before. */
static int read_heard(void *data, const char *path)
{
    struct reading *r = data;

    if (!haystack_has(r->haystack, r->root, path) || !utf8_valid(path, strlen(path)))
        return 0;
    struct read_file file = {.path = strdup(path)};
    if (!file.path)
        return -ENOMEM;
    read_file_now(&file);
    int code = put(r, &file);
    buf_release(&file.text);
    buf_release(&file.title);
    free(file.path);
    return code;
}

/* The walk, while what it finds is read and written. Until it is joined, watch and r->known are its own. */
struct walk {
    struct reading *reading;
    struct watch *watch;
    int code;
};

static void *walk(void *data)
{
    struct walk *w = data;

    w->code = haystack_each_file(w->reading->haystack, w->reading->root, w->watch, w->reading->progress,
                                 read_walked, w->reading);
    readahead_end(w->reading->ahead);
    return NULL;
}

static int walk_and_put(struct reading *r, struct watch *watch)
{
    struct walk w = {.reading = r, .watch = watch};
    const struct read_file *file;
    pthread_t thread;
    bool threaded = pthread_create(&thread, NULL, walk, &w) == 0;
    int code = 0;

    if (!threaded)
        walk(&w);
    while (code == 0 && (file = readahead_next(r->ahead)))
        code = put(r, file);
    if (threaded)
        pthread_join(thread, NULL);
    return code < 0 ? code : w.code;
}

/* All that is there, and what of it changed; what is not met is gone. */
static int read_all(struct reading *r, struct watch *watch)
{
    GHashTableIter iter;
    gpointer path;

    r->ahead = readahead_new();
    if (!r->ahead)
        return -ENOMEM;
    r->known = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
    watch_begin(watch);
    int code = documents_each(r->documents, know, r);
    if (code < 0)
        err_errno(r->err, code, "the index of documents");
    if (code == 0)
        code = walk_and_put(r, watch);
    readahead_free(r->ahead);
    g_hash_table_iter_init(&iter, r->known);
    while (code == 0 && g_hash_table_iter_next(&iter, &path, NULL))
        code = drop(r, path);
    g_hash_table_destroy(r->known);
    if (code == 0)
        watch_end(watch);
    else
        watch_forget(watch);
    return code;
}

int haystack_update(struct documents *d, const struct haystack *h, const char *root, struct watch *watch,
                    struct index_progress *progress, uint64_t *ret_changed, struct err *err)
{
    struct reading r = {.documents = d, .haystack = h, .root = root, .progress = progress, .err = err};
    int code = watch_look(watch, read_heard, &r);

    if (code == 1)
        code = read_all(&r, watch);
    if (code == 0 && r.grouped)
        code = documents_commit(d, err);
    else if (r.grouped)
        documents_rollback(d);
    if (code < 0)
        watch_forget(watch);
    *ret_changed += r.changed;
    return code;
}
