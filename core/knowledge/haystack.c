/* The files of a haystack: found without following links, and read when they changed. */
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <sys/stat.h>
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

/* What is no text is known, and empty: it is not read again either. */
static int read_document(struct store *st, const char *path, struct err *err)
{
    _buf_ struct buf text = BUF_INIT, title = BUF_INIT;
    _close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat file;

    if (fd < 0 || fstat(fd, &file) < 0 || !S_ISREG(file.st_mode))
        return 0; /* it went, or is not for us to read */
    if (file.st_size <= HAYSTACK_FILE_MAX && read_fd(fd, HAYSTACK_FILE_MAX, &text) < 0)
        return 0;
    if (text.len && (memchr(text.ptr, '\0', text.len) || !utf8_valid(text.ptr, text.len)))
        buf_reset(&text);
    if (text.len)
        title_of(path, buf_str(&text), &title);
    if (!buf_ok(&text) || !buf_ok(&title))
        return err_errno(err, -ENOMEM, "%s", path);
    return store_put_document(st,
                              &(struct document){path, buf_str(&title), buf_str(&text),
                                                 file.st_mtim.tv_sec * 1000000000LL + file.st_mtim.tv_nsec,
                                                 file.st_size},
                              err);
}

static int visit(struct store *st, const struct haystack *h, const char *root, const FTSENT *e,
                 struct err *err)
{
    const struct stat *file = e->fts_statp;

    if (!haystack_has(h, root, e->fts_path) || !utf8_valid(e->fts_path, strlen(e->fts_path)) ||
        store_knows_document(st, e->fts_path, file->st_mtim.tv_sec * 1000000000LL + file->st_mtim.tv_nsec,
                             file->st_size))
        return 0;
    return read_document(st, e->fts_path, err);
}

int haystack_read(struct store *st, const struct haystack *h, const char *root, struct err *err)
{
    char *const paths[] = {(char *)root, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    int r = walk ? 0 : err_errno(err, -errno, "%s", root), files = 0;
    FTSENT *e;

    while (r == 0 && files < HAYSTACK_FILES_MAX && (e = fts_read(walk))) {
        if (e->fts_info == FTS_D && (str_eq(e->fts_name, ".git") || e->fts_level > HAYSTACK_DEPTH_MAX))
            fts_set(walk, e, FTS_SKIP);
        if (e->fts_info != FTS_F)
            continue;
        files++;
        r = visit(st, h, root, e, err);
    }
    if (walk)
        fts_close(walk);
    return r;
}
