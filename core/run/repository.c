/*
 * Repositories by the names that clients of GitHub's API know them by. One is called what its origin was when
 * it was linked: what is kept under that name (caches, artifacts, which events are its own) is not for
 * whoever owns a checkout and gives it another origin later.
 */
#include "deliver.h"
#include "runfs/log.h"
#include "runfs/str.h"
#include "runfs/worktree.h"

#define LOCAL "local/" /* and the name of its link: a repository without an origin */

/* Two names, as a server has them: of what cannot be one, nothing is taken. */
static bool good_name(const char *full_name)
{
    const char *slash = strchr(full_name, '/');
    _free_ char *owner = slash ? strndup(full_name, (size_t)(slash - full_name)) : NULL;

    return owner && name_check(owner) == 0 && name_check(slash + 1) == 0;
}

static bool is_called(struct engine *e, const char *full_name)
{
    return store_find_repo_called(e->store, full_name) != 0 ||
           str_eq_ascii_nocase(full_name, REPOSITORY_DROPPED);
}

int repository_name(struct engine *e, const char *link, const char *path, struct buf *ret, struct err *err)
{
    _arena_ struct arena a = {0};
    struct worktree git;

    worktree_read_remote(path, &a, &git);
    if (good_name(git.full_name) && !is_called(e, git.full_name)) {
        buf_adds(ret, git.full_name);
    } else {
        buf_addf(ret, LOCAL "%s", link);
        for (int n = 2; buf_ok(ret) && is_called(e, buf_str(ret)); n++) {
            buf_reset(ret);
            buf_addf(ret, LOCAL "%s.%d", link, n);
        }
        if (*git.full_name)
            log_warning("run", "repository %s: its origin calls it %s, as another is called: it is %s", link,
                        git.full_name, buf_str(ret));
    }
    return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "repos/%s", link);
}

bool repository_is_local(const struct repo_row *repo)
{
    return str_starts(repo->full_name, LOCAL);
}

static void name_one(struct engine *e, const struct repo_row *row)
{
    struct repo_row named = *row;
    _buf_ struct buf name = BUF_INIT;
    struct err err = {0};
    int r = repository_name(e, row->name, row->path, &name, &err);

    named.full_name = buf_str(&name);
    if (r < 0 || store_put_repo(e->store, &named, &err) < 0)
        log_warning("run", "repository %s: %s", row->name, err.msg);
}

void repositories_name(struct engine *e)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    while ((n = store_list_repos(e->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            const struct repo_row *row = store_get_repo(e->store, ids[i]);
            if (row && !*row->full_name)
                name_one(e, row);
            repo_row_unref(row);
        }
        after = ids[n - 1];
    }
}

bool repository_is(struct engine *e, const struct repo_row *repo, const char *said)
{
    const char *slash = strrchr(said, '/'), *name = slash ? slash + 1 : said;

    if (str_eq_ascii_nocase(repo->full_name, said))
        return true;
    return repository_is_local(repo) && str_eq_ascii_nocase(repo->full_name + strlen(LOCAL), name) &&
           store_find_repo_called(e->store, said) == 0;
}

static bool matches(struct engine *e, int64_t id, const char *full_name)
{
    const struct repo_row *row = store_get_repo(e->store, id);
    bool is = row && repository_is(e, row, full_name);

    repo_row_unref(row);
    return is;
}

int engine_find_repository(struct engine *e, const char *full_name, struct repository *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    *ret = (struct repository){0};
    if (str_eq(full_name, REPOSITORY_DROPPED))
        return 0;
    while ((n = store_list_repos(e->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (matches(e, ids[i], full_name)) {
                ret->repo_id = ids[i];
                return 0;
            }
        after = ids[n - 1];
    }
    return -ENOENT;
}

int engine_repository_name(struct engine *e, int64_t repo_id, struct buf *ret)
{
    const struct repo_row *row = store_get_repo(e->store, repo_id);

    if (row)
        buf_adds(ret, row->full_name);
    repo_row_unref(row);
    return row ? 0 : -ENOENT;
}

void engine_default_branch(struct engine *e, const struct repository *repo, struct buf *ret)
{
    const struct repo_row *row = repo->repo_id ? store_get_repo(e->store, repo->repo_id) : NULL;
    _arena_ struct arena a = {0};
    struct worktree git;

    buf_adds(ret, row && worktree_read(row->path, &a, &git) == 0 ? git.default_branch : "main");
    repo_row_unref(row);
}

int engine_each_branch(struct engine *e, const struct repository *repo, branch_fn *fn, void *data)
{
    const struct repo_row *row = repo->repo_id ? store_get_repo(e->store, repo->repo_id) : NULL;
    _arena_ struct arena a = {0};
    const char *const *lines = row ? worktree_branches(row->path, &a) : NULL;
    int r = 0;

    for (size_t i = 0; r == 0 && lines && lines[i]; i++) {
        const char *space = strchr(lines[i], ' '),
                   *sha = arena_strndup(&a, lines[i], (size_t)(space - lines[i]));
        r = sha ? fn(data, space + 1, sha) : -ENOMEM;
    }
    repo_row_unref(row);
    return r;
}

int engine_resolve_ref(struct engine *e, const struct repository *repo, const char *ref, struct buf *ret)
{
    const struct repo_row *row = repo->repo_id ? store_get_repo(e->store, repo->repo_id) : NULL;
    _arena_ struct arena a = {0};
    static const char *const kinds[] = {"refs/heads/", "refs/tags/", ""};
    const char *id = "";
    size_t first = 0;

    if (str_starts(ref, "heads/") || str_starts(ref, "tags/"))
        ref = arena_printf(&a, "refs/%s", ref);
    if (ref &&
        (str_starts(ref, "refs/") || git_is_sha(ref))) /* a branch may be called so, but is not meant */
        first = ARRAY_LEN(kinds) - 1;
    for (size_t i = first; row && ref && !*id && i < ARRAY_LEN(kinds); i++) {
        const char *full = arena_printf(&a, "%s%s", kinds[i], ref);
        id = full ? worktree_resolve(row->path, full, &a) : "";
    }
    repo_row_unref(row);
    buf_adds(ret, id);
    return *id ? 0 : -ENOENT;
}

int engine_repository_path(struct engine *e, const struct repository *repo, struct buf *ret)
{
    const struct repo_row *row = repo->repo_id ? store_get_repo(e->store, repo->repo_id) : NULL;

    if (row)
        buf_adds(ret, row->path);
    repo_row_unref(row);
    return row ? 0 : -ENOENT;
}
