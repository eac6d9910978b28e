/* The workflows that a mirror shows: those of one commit, as files, since to everybody else it is a
 * repository like any other. */
#include <fcntl.h>
#include <sys/stat.h>

#include "git.h"
#include "runfs/forge.h"
#include "runfs/io.h"
#include "runfs/mirror.h"
#include "runfs/str.h"

/* What one process of git is asked for: fewer than its arguments, and not more than it may answer. */
enum { SHOWN_AT_ONCE = 48, GIT_ID_MAX = 64 };

struct file {
    char id[GIT_ID_MAX + 1];
    const char *name;
    long long size;
};

/* One line of ls-tree: "100644 blob ID     SIZE\t.github/workflows/NAME". Links and what is no file are left
 * out, and what could be no workflow, before anything is asked of it. */
static bool is_workflow(const char *line, enum forge forge, struct file *ret)
{
    const char *tab = strchr(line, '\t'), *name = tab ? strrchr(tab, '/') : NULL;

    if (!name || forge_of_path(tab + 1, NULL) != forge ||
        sscanf(line, "100%*3[0-7] blob %64[0-9a-f] %lld", ret->id, &ret->size) != 2 || ret->size < 0 ||
        ret->size > WORKFLOW_MAX)
        return false;
    ret->name = name + 1;
    return name[1] != '.' && name_check(name + 1) == 0 && (str_ends(name, ".yml") || str_ends(name, ".yaml"));
}

static int write_files(const char *dir, const struct file *files, size_t n, const struct buf *texts,
                       struct err *err)
{
    size_t at = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; at += (size_t)files[i++].size) {
        _buf_ struct buf file = BUF_INIT;
        buf_addf(&file, "%s/%s", dir, files[i].name);
        r = (size_t)files[i].size > texts->len - at
                ? err_set(err, -EIO, "git shows less of %s than there is", files[i].name)
                : write_file_atomic(buf_str(&file), buf_str(texts) + at, (size_t)files[i].size, 0644, err);
    }
    return r;
}

/* git prints one after the other, with nothing between them; how long each is has ls-tree said. */
static int show_some(const char *path, const char *dir, const struct file *files, size_t n, struct err *err)
{
    const char *args[SHOWN_AT_ONCE + 3] = {"show", "--no-textconv"};
    _buf_ struct buf texts = BUF_INIT;

    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        args[2 + i] = files[i].id;
    int r = git_run(path, args, &texts, err);
    return r < 0 ? r : write_files(dir, files, n, &texts, err);
}

/* No more than are registered. */
static int show_files(const char *path, const char *dir, enum forge forge, const struct buf *list,
                      struct err *err)
{
    struct file files[SHOWN_AT_ONCE];
    size_t n = 0, shown = 0;
    int r = 0;

    for (const char *line = buf_str(list);
         r == 0 && line < buf_str(list) + list->len && shown < WORKFLOWS_MAX; line += strlen(line) + 1) {
        if (!is_workflow(line, forge, &files[n]))
            continue;
        shown++;
        if (++n == SHOWN_AT_ONCE) {
            r = show_some(path, dir, files, n, err);
            n = 0;
        }
    }
    return r == 0 ? show_some(path, dir, files, n, err) : r;
}

/* At once, so that nobody finds none, and who is killed leaves the one or the other. */
static int put_in_place(const char *next, const char *dir, struct err *err)
{
    int r = renameat2(AT_FDCWD, next, AT_FDCWD, dir, RENAME_EXCHANGE);

    if (r < 0 && errno == EINVAL) /* a file system that cannot */
        (void)remove_tree(dir);
    if (r < 0)
        r = rename(next, dir);
    if (r < 0)
        return err_errno(err, -errno, "%s", dir);
    (void)remove_tree(next);
    return 0;
}

static bool lists_any(enum forge forge, const struct buf *list)
{
    struct file file;

    for (const char *line = buf_str(list); line < buf_str(list) + list->len; line += strlen(line) + 1)
        if (is_workflow(line, forge, &file))
            return true;
    return false;
}

/* In a directory beside it first, so that nobody finds half of them. A folder without any is not there. */
static int show_folder(const char *path, enum forge forge, const struct buf *list, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT, next = BUF_INIT;

    buf_addf(&dir, "%s/%s", path, forge_folder(forge));
    buf_addf(&next, "%s/%s/next", path, forge_top(forge));
    (void)remove_tree(buf_str(&next));
    if (!lists_any(forge, list)) {
        (void)remove_tree(buf_str(&dir));
        return 0;
    }
    int r = make_dirs(buf_str(&next), 0755);
    if (r < 0)
        return err_errno(err, r, "%s", buf_str(&next));
    r = show_files(path, buf_str(&next), forge, list, err);
    return r == 0 ? put_in_place(buf_str(&next), buf_str(&dir), err) : r;
}

int mirror_show_commit(const char *path, const char *commit, struct err *err)
{
    _buf_ struct buf list = BUF_INIT;
    int r = git_run(path,
                    GIT("ls-tree", "-z", "--long", commit, ".github/workflows/", ".gitea/workflows/",
                        ".forgejo/workflows/"),
                    &list, err);

    for (enum forge f = FORGE_GITHUB; r == 0 && f < FORGES; f++)
        r = show_folder(path, f, &list, err);
    return r;
}
