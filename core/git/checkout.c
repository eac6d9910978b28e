/*
 * Work trees for actions/checkout. The host fetches what is asked for into a repository of its own, checks it
 * out there and packs both into one tar stream: so a machine needs no way to the repository, not even git.
 */
#include "checkout_internal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "git.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { TAR_TIMEOUT_MS = 10 * 60 * 1000 };

struct tree {
    const struct checkout_source *from;
    const struct checkout *what;
    const char *url; /* what git fetches from */
    struct buf dir;  /* the tree while it is made */
    struct buf ref;  /* full, "" for a commit alone */
    char sha[41];    /* "" while there is no commit */
    struct buf words;
};

static void tree_release(struct tree *t)
{
    if (t->dir.len)
        (void)remove_tree(buf_str(&t->dir));
    buf_release(&t->dir);
    buf_release(&t->ref);
    buf_release(&t->words);
}

bool checkout_exists(const char *dir, const char *name)
{
    _buf_ struct buf path = BUF_INIT;
    struct stat st;

    buf_addf(&path, "%s/%s", dir, name);
    return stat(buf_str(&path), &st) == 0;
}

/* A work tree, or a bare repository. */
bool checkout_is_git(const char *path)
{
    return checkout_exists(path, ".git") ||
           (checkout_exists(path, "HEAD") && checkout_exists(path, "objects") &&
            checkout_exists(path, "refs"));
}

int checkout_run(const char *const argv[], const char *cwd, const char *what, struct err *err)
{
    _proc_result_ struct proc_result out = {0};
    int r = proc_run(argv, cwd, 1 << 20, TAR_TIMEOUT_MS, &out, err);

    if (r == 0 && out.exit_code != 0)
        r = err_set(err, -EIO, "%s: %.*s", what, (int)strcspn(buf_str(&out.err), "\n"), buf_str(&out.err));
    return r;
}

/* ------------------------------------------------------------------------------------------------ packing */

static int pack(const char *dir, const char *scratch, int *ret_fd, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/tar-XXXXXX", scratch);
    _close_ int made = buf_ok(&path) ? mkostemp(path.ptr, O_CLOEXEC) : -1;
    if (made < 0)
        return err_errno(err, -errno, "%s", scratch);
    int r = checkout_run(
        (const char *const[]){"tar", "-C", dir, "--format=pax", "--sort=name", "-cf", path.ptr, ".", NULL},
        NULL, "tar", err);
    *ret_fd = r == 0 ? open(path.ptr, O_RDONLY | O_CLOEXEC) : -1;
    if (r == 0 && *ret_fd < 0)
        r = err_errno(err, -errno, "%s", path.ptr);
    (void)unlink(path.ptr);
    return r;
}

/* A folder that is no repository has no refs and no history: it is taken as it is. */
static int copy_folder(const struct checkout_source *from, const struct checkout *what,
                       struct checked_out *ret, struct err *err)
{
    _buf_ struct buf words = BUF_INIT;

    if (*what->ref)
        return err_set(err, -EINVAL, "%s is no git repository: it has no ref '%s'", from->path, what->ref);
    int r = pack(from->path, from->scratch, &ret->tar_fd, err);
    if (r < 0)
        return r;
    buf_addf(&words, "Copied %s, which is no git repository\n", from->path);
    ret->ref = strdup("");
    ret->sha = strdup("");
    ret->words = buf_steal(&words);
    return 0;
}

/* -------------------------------------------------------------------------------------------- what is meant
 */

static bool no_commit(const char *sha)
{
    return sha[strspn(sha, "0")] == '\0';
}

/* The run's own commit; a ref that was asked for; or what HEAD is. */
static int resolve(struct tree *t, struct err *err)
{
    const struct checkout_source *from = t->from;

    if (!*t->what->ref && from->path && !no_commit(from->sha)) {
        if (!git_is_sha(from->sha))
            return err_set(err, -EINVAL, "'%s' is no commit: the event that started the run says so",
                           from->sha);
        snprintf(t->sha, sizeof(t->sha), "%.40s", from->sha);
        if (!git_is_sha(from->ref))
            buf_adds(&t->ref, from->ref);
        return 0;
    }
    int r = git_resolve(t->url, t->what->ref, &t->ref, t->sha, err);
    if (r == -ENOENT && !*t->what->ref && from->uncommitted) { /* nothing is committed yet */
        if (err)
            *err = (struct err){0};
        return 0;
    }
    return r == -ENOENT
               ? err_set(err, r, "A branch or tag with the name '%s' could not be found", t->what->ref)
               : r;
}

/* ----------------------------------------------------------------------------------------------- fetching */

static const char *after(const char *ref, const char *prefix)
{
    return str_starts(ref, prefix) ? ref + strlen(prefix) : NULL;
}

/* Where a ref of the server stands in a checkout, as actions/checkout has it. */
static void local_ref(const struct tree *t, struct buf *ret)
{
    const char *ref = buf_str(&t->ref), *branch = after(ref, "refs/heads/"), *pull = after(ref, "refs/pull/");

    if (branch)
        buf_addf(ret, "refs/remotes/origin/%s", branch);
    else if (pull)
        buf_addf(ret, "refs/remotes/pull/%s", pull);
    else if (*ref)
        buf_adds(ret, ref);
    else
        buf_adds(ret, "refs/runfs/checkout");
}

/* Fetches these refspecs; NULL stands for none. */
static int fetch_specs(struct tree *t, const char *const specs[], size_t n_specs, struct err *err)
{
    const struct checkout *what = t->what;
    _buf_ struct buf depth = BUF_INIT, filter = BUF_INIT;
    const char *args[16] = {"fetch", "-q", "--no-recurse-submodules", "--no-tags", GIT_UPLOAD_PACK};
    size_t n = 5;

    buf_addf(&depth, "--depth=%d", what->depth);
    buf_addf(&filter, "--filter=%s", what->filter);
    if (what->depth > 0)
        args[n++] = buf_str(&depth);
    if (*what->filter)
        args[n++] = buf_str(&filter);
    args[n++] = "origin";
    for (size_t i = 0; i < n_specs; i++)
        if (specs[i])
            args[n++] = specs[i];
    args[n] = NULL;
    return git_run(buf_str(&t->dir), args, NULL, err);
}

/* The commit, in the place of its ref; with all history the branches first, whose heads may have moved on. */
static int fetch(struct tree *t, struct err *err)
{
    static const char heads[] = "+refs/heads/*:refs/remotes/origin/*", tags[] = "+refs/tags/*:refs/tags/*";
    const struct checkout *what = t->what;
    _buf_ struct buf spec = BUF_INIT, to = BUF_INIT;
    int r = 0;

    local_ref(t, &to);
    buf_addf(&spec, "+%s:%s", t->sha, buf_str(&to));
    if (what->depth == 0)
        r = fetch_specs(t, (const char *const[]){heads, tags}, 2, err);
    if (r == 0 && what->depth == 0 && str_starts(buf_str(&to), "refs/tags/"))
        return 0;
    if (r == 0)
        r = fetch_specs(t, (const char *const[]){buf_str(&spec)}, 1, err);
    if (r == 0 && what->depth > 0 && what->tags)
        r = fetch_specs(t, (const char *const[]){tags}, 1, err);
    return r;
}

static int set_sparse(struct tree *t, struct err *err)
{
    _free_ char *patterns = strdup(t->what->sparse);
    char *save = NULL, *line = patterns ? strtok_r(patterns, "\r\n", &save) : NULL;
    const char *verb = "set";
    int r = patterns ? 0 : err_errno(err, -ENOMEM, "sparse-checkout");

    while (r == 0 && line) {
        const char *args[60] = {"sparse-checkout", verb};
        size_t n = 2, fixed;
        if (str_eq(verb, "set"))
            args[n++] = t->what->cone ? "--cone" : "--no-cone";
        for (fixed = n; line && n < ARRAY_LEN(args) - 1; line = strtok_r(NULL, "\r\n", &save)) {
            line += strspn(line, " \t");
            if (*line == '-')
                return err_set(err, -EINVAL, "sparse-checkout: '%s' is no pattern", line);
            if (*line)
                args[n++] = line;
        }
        r = n > fixed ? git_run(buf_str(&t->dir), args, NULL, err) : 0;
        verb = "add";
    }
    return r;
}

static int switch_to(struct tree *t, struct err *err)
{
    const char *branch = after(buf_str(&t->ref), "refs/heads/"), *dir = buf_str(&t->dir);
    _buf_ struct buf to = BUF_INIT;
    int r;

    local_ref(t, &to);
    if (branch)
        r = git_run(dir, GIT("checkout", "-q", "--force", "-B", branch, buf_str(&to)), NULL, err);
    else
        r = git_run(dir, GIT("checkout", "-q", "--force", "--detach", t->sha), NULL, err);
    if (r == 0 && !t->ref.len)
        r = git_run(dir, GIT("update-ref", "-d", buf_str(&to)), NULL, err);
    return r;
}

static int take_submodules(struct tree *t, struct err *err)
{
    _buf_ struct buf mirror = BUF_INIT;

    if (!t->what->submodules || !*t->sha)
        return 0;
    if (!t->from->path && *t->url == '/') { /* MIRROR/OWNER/NAME */
        buf_adds(&mirror, t->url);
        for (int up = 0; up < 2 && buf_ok(&mirror); up++)
            *strrchr(mirror.ptr, '/') = '\0';
        mirror.len = strlen(buf_str(&mirror));
    }
    return checkout_submodules(t->what, buf_str(&t->dir), t->from->path, mirror.len ? buf_str(&mirror) : NULL,
                               err);
}

/* --------------------------------------------------------------------------------------------- the whole */

static int make_tree(struct tree *t, struct err *err)
{
    const char *dir = buf_str(&t->dir);
    _buf_ struct buf git_dir = BUF_INIT;

    buf_addf(&git_dir, "%s/.git", dir);
    int r = git_run(dir, GIT("-c", "init.defaultBranch=main", "init", "-q", "."), NULL, err);

    if (r == 0)
        r = git_run(dir, GIT("remote", "add", "--", "origin", t->url), NULL, err);
    if (r == 0)
        r = resolve(t, err);
    if (r == 0 && *t->sha)
        r = fetch(t, err);
    if (r == 0)
        r = git_set_filters(buf_str(&git_dir), false, err); /* until it is packed */
    if (r == 0 && *t->what->sparse)
        r = set_sparse(t, err);
    if (r == 0 && *t->sha)
        r = switch_to(t, err);
    if (r == 0)
        r = take_submodules(t, err);
    if (r == 0)
        r = git_set_filters(buf_str(&git_dir), true, err);
    return r == 0 && t->from->path ? checkout_uncommitted(t->from, dir, t->sha, &t->words, err) : r;
}

/* The remote is what it would be on GitHub: the machine does not see the host's path. */
static int finish_tree(struct tree *t, struct err *err)
{
    _buf_ struct buf origin = BUF_INIT, fetched = BUF_INIT;

    buf_addf(&fetched, "%s/.git/FETCH_HEAD", buf_str(&t->dir));
    (void)unlink(buf_str(&fetched));
    buf_addf(&origin, "%s/%s", t->from->server_url, t->from->repository);
    if (*t->sha)
        (void)git_run(buf_str(&t->dir), GIT("log", "-1", "--format=HEAD is now at %h %s%n%H"), &t->words,
                      NULL);
    return git_run(buf_str(&t->dir), GIT("remote", "set-url", "origin", buf_str(&origin)), NULL, err);
}

int checkout_make(const struct checkout_source *from, const struct checkout *what, struct checked_out *ret,
                  struct err *err)
{
    struct tree t = {.from = from, .what = what, .url = from->path ? from->path : from->url};
    struct checked_out done = {.tar_fd = -1};
    int r = make_dirs(from->scratch, 0700);

    if (r < 0)
        return err_errno(err, r, "%s", from->scratch);
    if (from->path && !checkout_is_git(from->path)) {
        r = copy_folder(from, what, &done, err);
    } else {
        buf_addf(&t.dir, "%s/tree-XXXXXX", from->scratch);
        if (!mkdtemp(t.dir.ptr) || chmod(t.dir.ptr, 0755) < 0)
            r = err_errno(err, -errno, "%s", from->scratch);
        buf_addf(&t.words, "Syncing repository: %s\n", from->repository);
        if (r == 0)
            r = make_tree(&t, err);
        if (r == 0)
            r = finish_tree(&t, err);
        if (r == 0)
            r = pack(buf_str(&t.dir), from->scratch, &done.tar_fd, err);
        if (r == 0) {
            done.ref = buf_steal(&t.ref);
            done.sha = strdup(t.sha);
            done.words = buf_steal(&t.words);
        }
    }
    tree_release(&t);
    if (r == 0 && (!done.ref || !done.sha)) {
        checked_out_release(&done);
        return err_errno(err, -ENOMEM, "checkout");
    }
    if (r == 0)
        *ret = done;
    return r;
}
