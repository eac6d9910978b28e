/* Repositories by the names that clients of GitHub's API know them by. */
#include "deliver.h"
#include "runfs/str.h"
#include "worktree.h"

static bool matches(struct engine *e, int64_t id, const char *full_name, struct repository *ret)
{
    const struct repo_row *row = store_get_repo(e->store, id);
    _arena_ struct arena a = {0};
    struct worktree git;
    bool is = false;

    if (row) {
        worktree_read_remote(row->path, &a, &git);
        is = repository_is(row, git.full_name, full_name) && worktree_read(row->path, &a, &git) == 0;
    }
    if (is) {
        ret->repo_id = id;
        snprintf(ret->default_branch, sizeof(ret->default_branch), "%s", git.default_branch);
    }
    repo_row_unref(row);
    return is;
}

int engine_find_repository(struct engine *e, const char *full_name, struct repository *ret)
{
    int64_t ids[64], after = 0;
    ssize_t n;

    if (str_eq(full_name, REPOSITORY_DROPPED)) {
        *ret = (struct repository){.default_branch = "main"};
        return 0;
    }
    while ((n = store_list_repos(e->store, after, ids, ARRAY_LEN(ids))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (matches(e, ids[i], full_name, ret))
                return 0;
        after = ids[n - 1];
    }
    return -ENOENT;
}
