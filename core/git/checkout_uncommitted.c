/* What a work tree has that is not committed: it comes along with the commit when `runfs run` is given a
 * checkout. */
#include "checkout_internal.h"

#include "git.h"
#include "runfs/io.h"
#include "runfs/str.h"

struct changes {
    const struct checkout_source *from;
    const char *dir; /* the tree that is made */
    const char *sha; /* what is checked out in it; "" while nothing is committed */
    struct buf *words;
};

/* The list is NUL-separated: what the work tree has, changed or new, but not what it ignores. */
static int copy_files(struct changes *c, const struct buf *names, struct err *err)
{
    _buf_ struct buf list = BUF_INIT, archive = BUF_INIT;

    buf_addf(&list, "%s.list", c->dir);
    buf_addf(&archive, "%s.changes", c->dir);
    int r = write_file_atomic(buf_str(&list), buf_str(names), names->len, 0600, err);
    if (r == 0)
        r = checkout_run((const char *const[]){"tar", "-C", c->from->path, "--format=pax", "--null",
                                               "--verbatim-files-from", "--no-recursion", "-T",
                                               buf_str(&list), "-cf", buf_str(&archive), NULL},
                         NULL, "tar", err);
    if (r == 0)
        r = checkout_run((const char *const[]){"tar", "-C", c->dir, "-xf", buf_str(&archive), NULL}, NULL,
                         "tar", err);
    (void)unlink(buf_str(&list));
    (void)unlink(buf_str(&archive));
    return r;
}

static void remove_deleted(struct changes *c, const struct buf *names)
{
    for (const char *name = buf_str(names); name < buf_str(names) + names->len; name += strlen(name) + 1) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", c->dir, name);
        (void)unlink(buf_str(&path));
    }
}

static size_t count_names(const struct buf *names)
{
    size_t n = 0;

    for (size_t i = 0; i < names->len; i++)
        n += names->ptr[i] == '\0';
    return n;
}

/* "STATUS\0PATH\0" of each: those that are deleted apart from the others. */
static void sort_changes(const struct buf *changes, struct buf *names, struct buf *deleted)
{
    const char *at = buf_str(changes), *end = at + changes->len;

    while (at < end) {
        bool is_deleted = *at == 'D';
        at += strlen(at) + 1;
        size_t len = at < end ? strlen(at) + 1 : 0;
        buf_add(is_deleted ? deleted : names, at, len);
        at += len;
    }
}

/* What the work tree has that the commit has not, and the other way round. The list of files first: it says
 * why not, where it may not be looked at. */
static int list_uncommitted(struct changes *c, struct buf *names, struct buf *deleted, struct err *err)
{
    const char *path = c->from->path;
    _buf_ struct buf changes = BUF_INIT;
    int r = git_run_checked(path,
                            *c->sha ? GIT("ls-files", "--others", "--exclude-standard", "-z")
                                    : GIT("ls-files", "--cached", "--others", "--exclude-standard", "-z"),
                            names, err);

    if (r == 0 && *c->sha)
        r = git_run_checked(path,
                            GIT("diff", "--name-status", "--no-renames", "--ignore-submodules", "-z", c->sha),
                            &changes, err);
    if (r == 0 && !buf_ok(&changes))
        r = err_errno(err, -ENOMEM, "%s", path);
    if (r == 0)
        sort_changes(&changes, names, deleted);
    return r;
}

int checkout_uncommitted(const struct checkout_source *from, const char *dir, const char *sha,
                         struct buf *words, struct err *err)
{
    struct changes of_tree = {.from = from, .dir = dir, .sha = sha, .words = words}, *c = &of_tree;
    const char *path = c->from->path;
    _buf_ struct buf deleted = BUF_INIT, names = BUF_INIT;
    struct err why = {0};

    if (!c->from->uncommitted || !checkout_exists(path, ".git"))
        return 0;
    if (list_uncommitted(c, &names, &deleted, &why) < 0) {
        buf_addf(c->words, "What is not committed in %s is left out: %s\n", path, why.msg);
        return 0;
    }
    /* first: where a link became a directory, nothing must be written through the link */
    remove_deleted(c, &deleted);
    int r = names.len ? copy_files(c, &names, err) : 0;
    if (r < 0)
        return r;
    size_t n = count_names(&names) + count_names(&deleted);
    if (n)
        buf_addf(c->words, "With %zu file%s that %s not committed in %s\n", n, n == 1 ? "" : "s",
                 n == 1 ? "is" : "are", path);
    return 0;
}
