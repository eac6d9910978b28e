/* Bare mirrors of repositories that are linked by their address. */
#include "runfs/mirror.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "git.h"
#include "mirror_size.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/str.h"

enum {
    TRIES = 3,
    ASK_MS = 60 * 1000,
    FETCH_MS = 10 * 60 * 1000,
    PATIENCE_MS = 10 * 1000, /* what failed after that is not tried again */
    ADDRESS_MAX = 2000
};

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
    return read_file(buf_str(&file), ADDRESS_MAX, ret, NULL);
}

/* One at a time, for as long as the descriptor is open. */
static int lock(const char *path, const char *name, int *ret, struct err *err)
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
    return mirror_is(st, path) ? lock(path, "showing", ret, err) : 0;
}

static void token_name(const char *name, size_t len, struct buf *ret)
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
    if (strlen(address) > ADDRESS_MAX || *host == '-')
        return err_set(err, -EINVAL, "'%.200s' is no address of a repository", address);
    return 0;
}

/* ----------------------------------------------------------------------------------------------- fetching */

/* What git is told by its environment, which others cannot see; as its settings for that host. */
struct login {
    struct buf key, value;
    const char *set[6];
};

static void login_release(struct login *l)
{
    if (l->value.ptr)
        explicit_bzero(l->value.ptr, l->value.len);
    buf_release(&l->value);
    buf_release(&l->key);
}

static void login_read(struct store *st, const char *path, const char *address, struct login *l)
{
    _buf_ struct buf name = BUF_INIT, token = BUF_INIT, pair = BUF_INIT;
    const char *host = strstr(address, "://") + 3, *base = strrchr(path, '/') + 1;

    l->set[0] = "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 "
                "-o ServerAliveCountMax=2";
    token_name(base, strlen(base) - strlen(".git"), &name);
    if (!str_starts(address, "http") || store_setting(st, SETTING_SECRET, buf_str(&name), &token) < 0 ||
        !token.len)
        return;
    buf_addf(&l->key, "GIT_CONFIG_KEY_0=http.%.*s/.extraHeader",
             (int)(host - address + (ptrdiff_t)strcspn(host, "/")), address);
    buf_addf(&pair, "x-access-token:%s", buf_str(&token));
    buf_adds(&l->value, "GIT_CONFIG_VALUE_0=Authorization: Basic ");
    buf_add_base64(&l->value, buf_str(&pair), pair.len);
    explicit_bzero(pair.ptr, pair.len);
    explicit_bzero(token.ptr, token.len);
    l->set[1] = "GIT_CONFIG_COUNT=1";
    l->set[2] = buf_str(&l->key);
    l->set[3] = buf_str(&l->value);
}

/* A server that says nothing for half a minute is given up. */
#define CAREFULLY                                                                                            \
    "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "protocol.http.allow=always",   \
        "-c", "protocol.ssh.allow=always", "-c", "protocol.file.allow=always", "-c",                         \
        "http.followRedirects=false", "-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30"

#define FETCH "-c", "fetch.unpackLimit=1", "fetch", "-q", "--no-tags"

/* The default branch: that of the server, which HEAD and origin's HEAD are made to stand for. */
static int ask_default(const char *path, const struct login *l, struct buf *ret, struct err *err)
{
    _buf_ struct buf answer = BUF_INIT;
    int r = git_run_set(path, l->set, ASK_MS, GIT(CAREFULLY, "ls-remote", "--symref", "origin", "HEAD"),
                        &answer, err);
    static const char head[] = "ref: refs/heads/";

    if (r < 0)
        return r;
    if (!str_starts(buf_str(&answer), head))
        return err_set(err, -ENOENT, "the repository has no commits");
    const char *name = buf_str(&answer) + strlen(head);
    buf_add(ret, name, strcspn(name, "\t\n"));
    return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "mirror");
}

/* What comes becomes one pack, whose size is held to the room that the mirror has. args: how, and which refs.
 */
static int fetch_refs(struct store *st, const char *path, const struct login *l, const char *const args[],
                      struct err *err)
{
    int64_t room = 0;
    int r = mirror_room(st, path, &room, err);

    if (r < 0)
        return r;
    r = git_run_limited(path, l->set, FETCH_MS, room, args, err);
    return r < 0 && mirror_clean(st, path, room, err) < 0 ? -EFBIG : r;
}

/* pull: the number of a pull request whose commits are wanted, too; 0: none. */
static int fetch(struct store *st, const char *path, const struct login *l, int64_t pull, struct err *err)
{
    _buf_ struct buf branch = BUF_INIT, spec = BUF_INIT, ref = BUF_INIT, of_pull = BUF_INIT;
    int r = ask_default(path, l, &branch, err);

    if (r < 0)
        return r;
    buf_addf(&spec, "+refs/heads/%s:refs/remotes/origin/%s", buf_str(&branch), buf_str(&branch));
    r = fetch_refs(st, path, l,
                   GIT(CAREFULLY, FETCH, "--prune", "--no-recurse-submodules", "origin",
                       "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", buf_str(&spec)),
                   err);
    buf_addf(&ref, "refs/heads/%s", buf_str(&branch));
    if (r == 0)
        r = git_run(path, GIT("symbolic-ref", "HEAD", buf_str(&ref)), NULL, err);
    buf_reset(&ref);
    buf_addf(&ref, "refs/remotes/origin/%s", buf_str(&branch));
    if (r == 0)
        r = git_run(path, GIT("symbolic-ref", "refs/remotes/origin/HEAD", buf_str(&ref)), NULL, err);
    buf_addf(&of_pull, "+refs/pull/%lld/*:refs/pull/%lld/*", (long long)pull, (long long)pull);
    if (r == 0 && pull > 0)
        r = fetch_refs(st, path, l, GIT(CAREFULLY, FETCH, "origin", buf_str(&of_pull)), err);
    return r;
}

static int try_fetch(struct store *st, const char *path, const struct login *login, int64_t pull,
                     struct err *err)
{
    int64_t start = mono_ns();
    int r = -EIO;

    for (int i = 0; r == -EIO && i < TRIES; i++) {
        if (i > 0)
            usleep(250000u << i);
        *err = (struct err){0};
        r = fetch(st, path, login, pull, err);
        if (mono_ns() - start > PATIENCE_MS * 1000000LL)
            break;
    }
    bool in_vain = r == -ETIMEDOUT || (r == -EIO && mono_ns() - start > PATIENCE_MS * 1000000LL);
    return in_vain ? -ETIMEDOUT : r;
}

/* Many events may wait for a server that says nothing: those that came before it was given up need not ask it
 * again, each after the other. */
static int fetch_in_turn(struct store *st, const char *path, const struct login *login, int64_t pull,
                         struct err *err)
{
    _buf_ struct buf file = BUF_INIT;
    _close_ int fetching = -1;
    int64_t asked = now_ns();
    struct stat given_up;
    int r = lock(path, "fetching", &fetching, err);

    buf_addf(&file, "%s/given-up", path);
    if (r < 0)
        return r;
    if (stat(buf_str(&file), &given_up) == 0 && timespec_ns(given_up.st_mtim) > asked)
        return err_set(err, -ETIMEDOUT, "its server was given up while another event of it was fetched for");
    r = try_fetch(st, path, login, pull, err);
    if (r == -ETIMEDOUT)
        (void)write_file_atomic(buf_str(&file), "", 0, 0600, NULL);
    return r;
}

static int fetch_often(struct store *st, const char *path, int64_t pull, struct err *err)
{
    _cleanup_(login_release) struct login login = {0};
    _buf_ struct buf address = BUF_INIT;
    struct err why = {0};
    int r = mirror_address(st, path, &address);

    if (r < 0)
        return err_errno(err, r, "%s/address", path);
    login_read(st, path, buf_str(&address), &login);
    r = fetch_in_turn(st, path, &login, pull, &why);
    return r < 0 ? err_set(err, r, "cannot fetch %s: %s", buf_str(&address), why.msg) : 0;
}

static bool has_commit(const char *path, const char *id)
{
    _buf_ struct buf object = BUF_INIT;

    buf_addf(&object, "%s^{commit}", id);
    return git_is_sha(id) && git_run(path, GIT("cat-file", "-e", buf_str(&object)), NULL, NULL) == 0;
}

int mirror_fetch(struct store *st, const struct repo_row *repo, const json_t *payload, struct err *err)
{
    return fetch_often(
        st, repo->path,
        json_integer_value(json_object_get(json_object_get(payload, "pull_request"), "number")), err);
}

int mirror_show(const struct repo_row *repo, const char *event, const json_t *payload, struct err *err)
{
    const char *after = json_string_value(json_object_get(payload, "after"));

    return mirror_show_commit(
        repo->path, str_eq(event, "push") && after && has_commit(repo->path, after) ? after : "HEAD", err);
}

void mirror_settle(const struct repo_row *repo)
{
    struct err err = {0};

    if (mirror_show_commit(repo->path, "HEAD", &err) < 0)
        log_warning("run", "repository %s: %s", repo->name, err.msg);
}

/* Nothing that was fetched once is dropped: runs may be run again. */
void mirror_tidy(const struct repo_row *repo)
{
    _close_ int fetching = -1;
    struct err err = {0};

    if (lock(repo->path, "fetching", &fetching, &err) < 0 ||
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

    token_name(name, strlen(name), &token);
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
        r = fetch_often(st, buf_str(&path), 0, err);
    if (r == 0)
        r = mirror_show_commit(buf_str(&path), "HEAD", err);
    if (r < 0)
        (void)remove_tree(buf_str(&path));
    else
        buf_adds(ret_path, buf_str(&path));
    return r;
}
