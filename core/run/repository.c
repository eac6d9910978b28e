/*
 * Repositories by the names that clients of GitHub's API know them by. Each of their requests names one, so
 * git is asked for an origin once, and again only when the repository's configuration has changed.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "deliver.h"
#include "git.h"
#include "runfs/str.h"
#include "worktree.h"

/* How a configuration file looked: whether it may have changed since. */
struct look {
    struct timespec changed;
    off_t size;
    ino_t inode;
};

struct origin {
    struct origin *next;
    int64_t repo_id;
    struct look look;
    char *full_name; /* owned */
};

struct origins {
    pthread_mutex_t lock;
    struct origin *list; /* owned */
};

struct origins *origins_new(void)
{
    struct origins *o = calloc(1, sizeof(*o));

    if (o)
        pthread_mutex_init(&o->lock, NULL);
    return o;
}

void origins_free(struct origins *o)
{
    while (o && o->list) {
        struct origin *gone = o->list;
        o->list = gone->next;
        free(gone->full_name);
        free(gone);
    }
    if (o)
        pthread_mutex_destroy(&o->lock);
    free(o);
}

/* False where it cannot be told: a linked work tree, no checkout at all. */
static bool look_at(const char *path, struct look *ret)
{
    _buf_ struct buf file = BUF_INIT;
    struct stat st;

    buf_addf(&file, "%s/.git/config", path);
    if (!buf_ok(&file) || stat(file.ptr, &st) < 0)
        return false;
    *ret = (struct look){.changed = st.st_mtim, .size = st.st_size, .inode = st.st_ino};
    return true;
}

static bool same(const struct look *a, const struct look *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->size == b->size && a->inode == b->inode;
}

/* What is known of it, in the arena; NULL: nothing, or what is no longer so. */
static const char *recall(struct origins *o, int64_t repo_id, const struct look *look, struct arena *a)
{
    const char *name = NULL;

    pthread_mutex_lock(&o->lock);
    for (struct origin *at = o->list; at && !name; at = at->next)
        if (at->repo_id == repo_id && same(&at->look, look))
            name = arena_strdup(a, at->full_name);
    pthread_mutex_unlock(&o->lock);
    return name;
}

/* Without memory it is asked again the next time. */
static void remember(struct origins *o, int64_t repo_id, const struct look *look, const char *full_name)
{
    char *copy = strdup(full_name);
    struct origin *at;

    pthread_mutex_lock(&o->lock);
    for (at = o->list; at && at->repo_id != repo_id; at = at->next)
        ;
    if (copy && !at && (at = calloc(1, sizeof(*at)))) {
        at->next = o->list;
        o->list = at;
    }
    if (copy && at) {
        free(at->full_name);
        at->full_name = TAKE(copy);
        at->repo_id = repo_id;
        at->look = *look;
    }
    pthread_mutex_unlock(&o->lock);
    free(copy);
}

const char *repository_name(struct engine *e, const struct repo_row *repo, struct arena *a)
{
    struct look look;
    struct worktree git;
    bool known = look_at(repo->path, &look);
    const char *name = known ? recall(e->origins, repo->id, &look, a) : NULL;

    if (name)
        return name;
    worktree_read_remote(repo->path, a, &git);
    if (known)
        remember(e->origins, repo->id, &look, git.full_name);
    return git.full_name;
}

static bool matches(struct engine *e, int64_t id, const char *full_name)
{
    const struct repo_row *row = store_get_repo(e->store, id);
    _arena_ struct arena a = {0};
    bool is = row && repository_is(row, repository_name(e, row, &a), full_name);

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
    _arena_ struct arena a = {0};
    const char *name = row ? repository_name(e, row, &a) : "";

    if (row && *name)
        buf_adds(ret, name);
    else if (row)
        buf_addf(ret, "local/%s", row->name);
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

int engine_commit(struct engine *e, const struct repository *repo, const char *ref, commit_fn *fn, void *data)
{
    const struct repo_row *row = repo->repo_id ? store_get_repo(e->store, repo->repo_id) : NULL;
    _buf_ struct buf id = BUF_INIT;
    _arena_ struct arena a = {0};
    struct commit c;
    int r = row ? engine_resolve_ref(e, repo, ref, &id) : -ENOENT;

    if (r == 0)
        r = worktree_commit(row->path, buf_str(&id), &a, &c);
    if (r == 0 && !*c.id)
        r = -ENOENT;
    if (r == 0)
        fn(data,
           &(struct repository_commit){c.id, c.parent, c.tree, c.message, c.author, c.author_email,
                                       c.author_date, c.committer, c.committer_email, c.committer_date});
    repo_row_unref(row);
    return r;
}
