/* What mirrors fetch: as their addresses say, with the token that is for that host, in turn, and no more than
 * there is room for. */
#include <fcntl.h>
#include <sys/stat.h>

#include "git.h"
#include "mirror_internal.h"
#include "mirror_size.h"
#include "runfs/io.h"
#include "runfs/mirror.h"
#include "runfs/str.h"

enum {
    TRIES = 3,
    ASK_MS = 60 * 1000,
    FETCH_MS = 10 * 60 * 1000,
    PATIENCE_MS = 10 * 1000 /* what failed after that is not tried again */
};

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
    mirror_token_name(base, strlen(base) - strlen(".git"), &name);
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

/* Makes a symbolic ref stand for that one; mostly it does. The repository is runfs's own, and such refs are
 * files. */
static int point(const char *path, const char *ref, const char *to, struct err *err)
{
    _buf_ struct buf file = BUF_INIT, is = BUF_INIT, wanted = BUF_INIT;

    buf_addf(&file, "%s/%s", path, ref);
    buf_addf(&wanted, "ref: %s\n", to);
    if (read_file(buf_str(&file), MIRROR_ADDRESS_MAX, &is, NULL) == 0 &&
        str_eq(buf_str(&is), buf_str(&wanted)))
        return 0;
    return git_run(path, GIT("symbolic-ref", ref, to), NULL, err);
}

static int fetch_branches(struct store *st, const char *path, const struct login *l, struct err *err)
{
    _buf_ struct buf branch = BUF_INIT, spec = BUF_INIT, here = BUF_INIT, there = BUF_INIT;
    int r = ask_default(path, l, &branch, err);

    if (r < 0)
        return r;
    buf_addf(&here, "refs/heads/%s", buf_str(&branch));
    buf_addf(&there, "refs/remotes/origin/%s", buf_str(&branch));
    buf_addf(&spec, "+%s:%s", buf_str(&here), buf_str(&there));
    r = fetch_refs(st, path, l,
                   GIT(CAREFULLY, FETCH, "--prune", "--no-recurse-submodules", "origin",
                       "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", buf_str(&spec)),
                   err);
    if (r == 0)
        r = point(path, "HEAD", buf_str(&here), err);
    return r == 0 ? point(path, "refs/remotes/origin/HEAD", buf_str(&there), err) : r;
}

/* What is wanted: branches and tags, the commits of a pull request of that number (0: of none), or both. */
struct wanted {
    bool branches;
    int64_t pull;
};

static int fetch(struct store *st, const char *path, const struct login *l, struct wanted what,
                 struct err *err)
{
    _buf_ struct buf of_pull = BUF_INIT;
    int r = what.branches ? fetch_branches(st, path, l, err) : 0;

    buf_addf(&of_pull, "+refs/pull/%lld/*:refs/pull/%lld/*", (long long)what.pull, (long long)what.pull);
    if (r == 0 && what.pull > 0)
        r = fetch_refs(st, path, l, GIT(CAREFULLY, FETCH, "origin", buf_str(&of_pull)), err);
    return r;
}

static int try_fetch(struct store *st, const char *path, const struct login *login, struct wanted what,
                     struct err *err)
{
    int64_t start = mono_ns();
    int r = -EIO;

    for (int i = 0; r == -EIO && i < TRIES; i++) {
        if (i > 0)
            usleep(250000u << i);
        *err = (struct err){0};
        r = fetch(st, path, login, what, err);
        if (mono_ns() - start > PATIENCE_MS * 1000000LL)
            break;
    }
    bool in_vain = r == -ETIMEDOUT || (r == -EIO && mono_ns() - start > PATIENCE_MS * 1000000LL);
    return in_vain ? -ETIMEDOUT : r;
}

/* How often branches were fetched: in the file that is locked for it. What a fetch brought is there for every
 * event that came before it began. */
struct fetches {
    uint64_t begun, done; /* the number of the last that began, of the last that went well */
};

static struct fetches read_fetches(int fd)
{
    struct fetches f;

    return fd >= 0 && pread(fd, &f, sizeof(f), 0) == (ssize_t)sizeof(f) ? f : (struct fetches){0};
}

static void write_fetches(int fd, struct fetches f)
{
    if (pwrite(fd, &f, sizeof(f), 0) != (ssize_t)sizeof(f))
        (void)!ftruncate(fd, 0); /* nobody relies on what is not there */
}

static struct fetches fetches_until_now(const char *path)
{
    _buf_ struct buf file = BUF_INIT;

    buf_addf(&file, "%s/fetching", path);
    _close_ int fd = open(buf_str(&file), O_RDONLY | O_CLOEXEC);
    return read_fetches(fd);
}

/* One that fetches for all who wait. */
static int fetch_counted(struct store *st, const char *path, const struct login *login, struct wanted what,
                         int fetching, struct err *err)
{
    struct fetches f = read_fetches(fetching);

    f.begun++;
    write_fetches(fetching, f);
    int r = try_fetch(st, path, login, what, err);
    if (r == 0) {
        f.done = f.begun;
        write_fetches(fetching, f);
    }
    return r;
}

/* Many events come at once, and may wait for a server that says nothing: those that came before it was asked,
 * or given up, need not ask it again, each after the other. */
static int fetch_in_turn(struct store *st, const char *path, const struct login *login, int64_t pull,
                         struct err *err)
{
    _buf_ struct buf file = BUF_INIT;
    _close_ int fetching = -1;
    int64_t asked = now_ns();
    uint64_t begun = fetches_until_now(path).begun;
    struct stat given_up;
    int r = mirror_lock(path, "fetching", &fetching, err);

    buf_addf(&file, "%s/given-up", path);
    if (r < 0)
        return r;
    if (stat(buf_str(&file), &given_up) == 0 && timespec_ns(given_up.st_mtim) > asked)
        return err_set(err, -ETIMEDOUT, "its server was given up while another event of it was fetched for");
    bool fetched = read_fetches(fetching).done > begun;
    if (fetched && pull <= 0)
        return 0;
    r = fetched ? try_fetch(st, path, login, (struct wanted){.pull = pull}, err)
                : fetch_counted(st, path, login, (struct wanted){true, pull}, fetching, err);
    if (r == -ETIMEDOUT)
        (void)write_file_atomic(buf_str(&file), "", 0, 0600, NULL);
    return r;
}

int mirror_fetch_for(struct store *st, const char *path, int64_t pull, struct err *err)
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

int mirror_fetch(struct store *st, const struct repo_row *repo, const json_t *payload, struct err *err)
{
    return mirror_fetch_for(
        st, repo->path,
        json_integer_value(json_object_get(json_object_get(payload, "pull_request"), "number")), err);
}
