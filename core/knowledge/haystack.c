/* The files of a haystack: found without following links, and read when they changed. */
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <glib.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runfs/io.h"
#include "runfs/knowledge_rows.h"
#include "runfs/search.h"
#include "runfs/str.h"

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

/* The first heading of a page, else the file's name. */
static void title_of(const char *path, const char *text, struct buf *ret)
{
    const char *slash = strrchr(path, '/');
    const char *p = str_ends(path, ".md") || str_ends(path, ".markdown") ? text : NULL;

    while (p && strncmp(p, "# ", 2) != 0)
        p = (p = strchr(p, '\n')) ? p + 1 : NULL;
    if (p)
        buf_add(ret, p + 2, strcspn(p + 2, "\r\n"));
    if (!ret->len)
        buf_adds(ret, slash ? slash + 1 : path);
}

int haystack_text(const char *path, size_t max, struct buf *ret, struct stat *ret_file)
{
    _close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 || fstat(fd, ret_file) < 0 || !S_ISREG(ret_file->st_mode))
        return -ENOENT;
    if ((uint64_t)ret_file->st_size <= max && read_fd(fd, max, ret) < 0)
        return -ENOENT;
    if (ret->len && (memchr(ret->ptr, '\0', ret->len) || !utf8_valid(ret->ptr, ret->len)))
        buf_reset(ret);
    return 0;
}

static int64_t changed_at(const struct stat *file)
{
    return file->st_mtim.tv_sec * 1000000000LL + file->st_mtim.tv_nsec;
}

/* One query for all is much faster than one for each file. */
struct known_files {
    GHashTable *by_path; /* owned: struct known_file */
};

struct known_file {
    int64_t changed_at, size;
};

static int know(void *data, const char *path, int64_t changed, int64_t size)
{
    struct known_files *k = data;
    struct known_file *file = malloc(sizeof(*file));
    char *name = path ? strdup(path) : NULL;

    if (!file || !name) {
        free(file);
        free(name);
        return -ENOMEM;
    }
    *file = (struct known_file){changed, size};
    g_hash_table_insert(k->by_path, name, file);
    return 0;
}

struct known_files *known_files_new(struct store *st)
{
    struct known_files *k = calloc(1, sizeof(*k));

    if (!k)
        return NULL;
    k->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
    if (store_each_known_document(st, know, k) == 0)
        return k;
    known_files_free(k);
    return NULL;
}

void known_files_free(struct known_files *k)
{
    if (!k)
        return;
    g_hash_table_destroy(k->by_path);
    free(k);
}

static bool is_known(const struct known_files *k, const char *path, const struct stat *file)
{
    const struct known_file *known = g_hash_table_lookup(k->by_path, path);

    return known && known->changed_at == changed_at(file) && known->size == file->st_size;
}

struct reading {
    struct store *st;
    const struct known_files *known;
    struct err *err;
};

/* What is no text is known, and empty: it is not read again either. */
static int read_changed(void *data, const char *path, const struct stat *file)
{
    const struct reading *r = data;
    _buf_ struct buf text = BUF_INIT, title = BUF_INIT;
    struct stat now;

    if (!utf8_valid(path, strlen(path)) || is_known(r->known, path, file) ||
        haystack_text(path, HAYSTACK_FILE_MAX, &text, &now) < 0)
        return 0;
    if (text.len)
        title_of(path, buf_str(&text), &title);
    if (!buf_ok(&text) || !buf_ok(&title))
        return err_errno(r->err, -ENOMEM, "%s", path);
    return store_put_document(
        r->st, &(struct document){path, buf_str(&title), buf_str(&text), changed_at(&now), now.st_size},
        r->err);
}

/* In a mount of ours there are files that are read to their end only when a run ends. */
static bool is_mount_of_ours(const char *root)
{
    struct statfs fs;

    return statfs(root, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
}

int haystack_each_file(const struct haystack *h, const char *root, haystack_file_fn *fn, void *data)
{
    char *const paths[] = {(char *)root, NULL};
    FTS *walk = is_mount_of_ours(root) ? NULL : fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    int64_t bytes = 0;
    int r = 0, files = 0;
    FTSENT *e;

    while (r == 0 && walk && files < HAYSTACK_FILES_MAX && (e = fts_read(walk))) {
        if (e->fts_info == FTS_D && (str_eq(e->fts_name, ".git") || e->fts_level > HAYSTACK_DEPTH_MAX))
            fts_set(walk, e, FTS_SKIP);
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
    if (walk)
        fts_close(walk);
    return r;
}

int haystack_read(struct store *st, const struct known_files *known, const struct haystack *h,
                  const char *root, struct err *err)
{
    return haystack_each_file(h, root, read_changed, &(struct reading){st, known, err});
}
