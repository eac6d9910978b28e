/* Bare mirrors of repositories that are linked by their address. */
#include "runfs/mirror.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "git.h"
#include "mirror_internal.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

enum { PACKS_MAX = 50 /* as gc.autoPackLimit */ };

static const char *const schemes[] = {"https://", "http://", "ssh://", "file:///"};

bool mirror_is_address(const char *target)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (str_starts(target, schemes[i]))
            return true;
    return false;
}

static void mirrors_dir(const struct store *st, struct buf *ret)
{
    buf_addf(ret, "%s/mirrors/", store_dir(st));
}

bool mirror_is(const struct store *st, const char *path)
{
    _buf_ struct buf dir = BUF_INIT;

    mirrors_dir(st, &dir);
    return buf_ok(&dir) && str_starts(path, buf_str(&dir));
}

int mirror_address(const struct store *st, const char *path, struct buf *ret)
{
    _buf_ struct buf file = BUF_INIT;

    if (!mirror_is(st, path))
        return -ENOENT;
    buf_addf(&file, "%s/address", path);
    return read_file(buf_str(&file), MIRROR_ADDRESS_MAX, ret, NULL);
}

int mirror_lock(const char *path, const char *name, int *ret, struct err *err)
{
    _buf_ struct buf file = BUF_INIT;
    int r;

    buf_addf(&file, "%s/%s", path, name);
    *ret = open(buf_str(&file), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while ((r = *ret < 0 ? -1 : flock(*ret, LOCK_EX)) < 0 && errno == EINTR)
        ;
    return r < 0 ? err_errno(err, -errno, "%s", buf_str(&file)) : 0;
}

int mirror_hold(const struct store *st, const char *path, int *ret, struct err *err)
{
    *ret = -1;
    return mirror_is(st, path) ? mirror_lock(path, "showing", ret, err) : 0;
}

void mirror_token_name(const char *name, size_t len, struct buf *ret)
{
    buf_adds(ret, MIRROR_TOKEN);
    for (size_t i = 0; i < len; i++)
        buf_addc(ret, (name[i] | 32) >= 'a' && (name[i] | 32) <= 'z' ? (char)(name[i] & ~32)
                      : name[i] >= '0' && name[i] <= '9'             ? name[i]
                                                                     : '_');
}

/* A password or a token would be shown to whoever reads the link. A name before @ is of use to ssh only. */
static int check_address(const char *address, const char *token, struct err *err)
{
    const char *host = strstr(address, "://") + 3;
    size_t to_path = strcspn(host, "/");

    for (const char *p = address; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return err_set(err, -EINVAL, "the address of a repository has no blanks");
    const char *at = memchr(host, '@', to_path);
    if (at && (str_starts(address, "http") || memchr(host, ':', (size_t)(at - host))))
        return err_set(err, -EINVAL,
                       "no password, token or user belongs in the address: write the token to "
                       "secrets/%s first",
                       token);
    if (strlen(address) > MIRROR_ADDRESS_MAX || *host == '-')
        return err_set(err, -EINVAL, "'%.200s' is no address of a repository", address);
    return 0;
}

/* Whether it has that commit, and it is not the default branch's. */
static bool is_elsewhere(const char *path, const char *id)
{
    _buf_ struct buf commit = BUF_INIT, both = BUF_INIT;

    buf_addf(&commit, "%s^{commit}", id);
    return git_is_sha(id) && git_run(path, GIT("rev-parse", "HEAD", buf_str(&commit)), &both, NULL) == 0 &&
           !str_starts(buf_str(&both), id);
}

int mirror_show(const struct repo_row *repo, const char *event, const json_t *payload, bool *ret_elsewhere,
                struct err *err)
{
    const char *after = json_string_value(json_object_get(payload, "after"));

    *ret_elsewhere = str_eq(event, "push") && after && is_elsewhere(repo->path, after);
    return mirror_show_commit(repo->path, *ret_elsewhere ? after : "HEAD", err);
}

void mirror_settle(const struct repo_row *repo)
{
    struct err err = {0};

    if (mirror_show_commit(repo->path, "HEAD", &err) < 0)
        log_warning("run", "repository %s: %s", repo->name, err.msg);
}

/* What is fetched comes as packs: with so few git would find nothing to do. */
static bool few_packs(const char *path)
{
    _buf_ struct buf dir = BUF_INIT;
    const struct dirent *entry;
    int n = 0;

    buf_addf(&dir, "%s/objects/pack", path);
    _closedir_ DIR *d = opendir(buf_str(&dir));
    while (d && (entry = readdir(d)))
        n += str_ends(entry->d_name, ".pack");
    return d && n <= PACKS_MAX;
}

/* Nothing that was fetched once is dropped: runs may be run again. */
void mirror_tidy(const struct repo_row *repo)
{
    _close_ int fetching = -1;
    struct err err = {0};

    if (few_packs(repo->path))
        return;
    if (mirror_lock(repo->path, "fetching", &fetching, &err) < 0 ||
        git_run(repo->path,
                GIT("-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "-c", "gc.pruneExpire=never", "gc",
                    "--auto", "--quiet"),
                NULL, &err) < 0)
        log_warning("run", "repository %s: %s", repo->name, err.msg);
}

/* ----------------------------------------------------------------------------------------- made and removed
 */

void mirror_remove(const struct store *st, const char *path)
{
    if (mirror_is(st, path))
        (void)remove_tree(path);
}

int mirror_make(struct store *st, const char *name, const char *address, struct buf *ret_path,
                struct err *err)
{
    _buf_ struct buf path = BUF_INIT, file = BUF_INIT, token = BUF_INIT;

    mirror_token_name(name, strlen(name), &token);
    int r = check_address(address, buf_str(&token), err);
    if (r < 0)
        return r;
    mirrors_dir(st, &path);
    buf_addf(&path, "%s.git", name);
    buf_addf(&file, "%s/address", buf_str(&path));
    (void)remove_tree(buf_str(&path)); /* what an interrupted link left */
    r = make_dirs(buf_str(&path), 0700);
    if (r < 0)
        return err_errno(err, r, "%s", buf_str(&path));
    r = git_run(buf_str(&path), GIT("init", "-q", "--bare", "."), NULL, err);
    if (r == 0)
        r = git_run(buf_str(&path), GIT("config", "remote.origin.url", address), NULL, err);
    if (r == 0)
        r = write_file_atomic(buf_str(&file), address, strlen(address), 0600, err);
    if (r == 0)
        r = mirror_fetch_for(st, buf_str(&path), 0, err);
    if (r == 0)
        r = mirror_show_commit(buf_str(&path), "HEAD", err);
    if (r < 0)
        (void)remove_tree(buf_str(&path));
    else
        buf_adds(ret_path, buf_str(&path));
    return r;
}
