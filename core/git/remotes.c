/* Repositories of others, fetched once and found by commit. */
#include "runfs/remotes.h"

#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "git.h"
#include "runfs/forge.h"
#include "runfs/io.h"
#include "runfs/log.h"
#include "runfs/proc.h"
#include "runfs/str.h"

enum { LOCKS = 64, FETCH_MS = 10 * 60 * 1000 };

struct remotes {
    struct store *store;
    const char *mirror;           /* borrowed: wins over config/actions_mirror; NULL: that is asked */
    char *dir;                    /* owned: STATE/actions */
    pthread_mutex_t locks[LOCKS]; /* by repository: one fetch at a time, as two jobs often want the same */
};

int remotes_new(struct store *st, const char *mirror, struct remotes **ret, struct err *err)
{
    struct remotes *rs = calloc(1, sizeof(*rs));
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s/actions", store_dir(st));
    if (!rs || !(rs->dir = buf_steal(&dir))) {
        free(rs);
        return err_errno(err, -ENOMEM, "cannot start");
    }
    rs->store = st;
    rs->mirror = mirror;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&rs->locks[i], NULL);
    *ret = rs;
    return 0;
}

void remotes_free(struct remotes *rs)
{
    if (!rs)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&rs->locks[i]);
    free(rs->dir);
    free(rs);
}

/* "owner/name" of GitHub's characters, so that it is safe in a path and in a URL. */
static bool is_repository(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t owner = strspn(name, allowed), rest = name[owner] == '/' ? strspn(name + owner + 1, allowed) : 0;

    return owner && rest && !name[owner + 1 + rest] && name[0] != '.' && name[0] != '-' &&
           name[owner + 1] != '-' && !str_eq(name + owner + 1, ".") && !str_eq(name + owner + 1, "..");
}

/* "https://HOST[:PORT]/owner/name", as Gitea's and Forgejo's workflows name one. */
static bool is_address(const char *repository)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:";
    const char *name = forge_behind_host(repository), *host = strstr(repository, "://");

    return name != repository && host && isalnum((unsigned char)host[3]) &&
           host + 3 + strspn(host + 3, allowed) + 1 == name && is_repository(name);
}

/* What it is kept and mirrored by: "owner/name", "HOST/owner/name"; without TLS it is another one. */
static void key_of(const char *repository, struct buf *ret)
{
    const char *host = strstr(repository, "://");

    if (str_starts(repository, "http://"))
        buf_adds(ret, "http_");
    for (const char *p = host ? host + 3 : repository; *p; p++)
        buf_addc(ret, *p == ':' ? '_' : *p);
}

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether anything is set: appended. */
static bool find_mirror(const struct remotes *rs, struct buf *ret)
{
    if (rs->mirror)
        buf_adds(ret, rs->mirror);
    return rs->mirror || (store_setting(rs->store, SETTING_CONFIG, "actions_mirror", ret) == 0 && ret->len);
}

/* A repository of a directory: DIRECTORY/NAME.git, or a checkout. */
static bool find_in(const char *directory, const char *name, struct buf *ret)
{
    size_t start = ret->len;

    buf_addf(ret, "%s/%s.git", directory, name);
    if (buf_ok(ret) && !is_dir(buf_str(ret) + start))
        ret->len -= 4, ret->ptr[ret->len] = '\0';
    if (buf_ok(ret) && is_dir(buf_str(ret) + start))
        return true;
    if (buf_ok(ret))
        ret->len = start, ret->ptr[start] = '\0';
    return false;
}

/* One that is named by its address comes from there, but where a directory stands for all others. */
int remote_url(struct remotes *rs, const char *repository, struct buf *ret, struct err *err)
{
    _buf_ struct buf mirror = BUF_INIT, key = BUF_INIT;
    bool address = is_address(repository);

    if (!address && !is_repository(repository))
        return err_set(err, -EINVAL, "'%s' is no repository of the form owner/name", repository);
    if (!find_mirror(rs, &mirror))
        buf_adds(&mirror, "https://github.com");
    while (mirror.len > 1 && mirror.ptr[mirror.len - 1] == '/')
        mirror.ptr[--mirror.len] = '\0';
    if (buf_str(&mirror)[0] != '/') {
        buf_addf(ret, "%s%s%s", address ? "" : buf_str(&mirror), address ? "" : "/", repository);
        return buf_ok(ret) ? 0 : err_errno(err, -ENOMEM, "%s", repository);
    }
    key_of(repository, &key);
    if (find_in(mirror.ptr, buf_str(&key), ret) ||
        (address && find_in(mirror.ptr, forge_behind_host(repository), ret)))
        return 0;
    if (!buf_ok(ret))
        return err_errno(err, -ENOMEM, "%s", repository);
    return err_set(err, -ENOENT, "Unable to resolve action %s, repository not found in %s", repository,
                   mirror.ptr);
}

bool remote_mirrored(struct remotes *rs, const char *repository)
{
    _buf_ struct buf mirror = BUF_INIT, url = BUF_INIT, ref = BUF_INIT;
    char sha[41];

    if (!find_mirror(rs, &mirror) || remote_url(rs, repository, &url, NULL) < 0)
        return false;
    return *buf_str(&url) == '/' || git_resolve(buf_str(&url), "", &ref, sha, NULL) == 0;
}

static void git_dir(const struct remotes *rs, const char *repository, struct buf *ret)
{
    buf_addf(ret, "%s/", rs->dir);
    key_of(repository, ret);
    buf_adds(ret, ".git");
}

/* How git asks a host that a workflow named: nobody else, not by other ways, and as nobody. */
struct asking {
    struct buf pin;
    const char *set[10]; /* NULL-terminated; none of them where the mirror was asked */
};

static void asking_release(struct asking *a)
{
    buf_release(&a->pin);
}

static int asking_prepare(const char *url, const char *repository, struct asking *a, struct err *err)
{
    static const char *const always[] = {"GIT_ALLOW_PROTOCOL=https:http",
                                         "GIT_CONFIG_KEY_0=http.followRedirects", "GIT_CONFIG_VALUE_0=false",
                                         "GIT_CONFIG_KEY_1=credential.helper", "GIT_CONFIG_VALUE_1="};
    _buf_ struct buf pin = BUF_INIT;
    size_t n = 0;

    if (*url == '/' || !is_address(repository))
        return 0;
    int r = git_check_peer(url, &pin, err);
    if (r < 0)
        return r;
    for (; n < ARRAY_LEN(always); n++)
        a->set[n] = always[n];
    const char *value = strchr(buf_str(&pin), '=');
    a->set[n++] = value ? "GIT_CONFIG_COUNT=3" : "GIT_CONFIG_COUNT=2";
    if (value) {
        buf_addf(&a->pin, "GIT_CONFIG_VALUE_2=%s", value + 1);
        a->set[n++] = "GIT_CONFIG_KEY_2=http.curloptResolve";
        a->set[n++] = buf_str(&a->pin);
    }
    return buf_ok(&a->pin) ? 0 : err_errno(err, -ENOMEM, "%s", repository);
}

static bool has_commit(const char *dir, const char *sha)
{
    _buf_ struct buf object = BUF_INIT;

    buf_addf(&object, "%s^{tree}", sha);
    return is_dir(dir) && git_run(dir, GIT("cat-file", "-e", buf_str(&object)), NULL, NULL) == 0;
}

/* The ref under which the last meaning of a branch or tag is remembered: flat, so that none is in another's
 * way. */
static void remembered_ref(const char *ref, struct buf *ret)
{
    buf_adds(ret, "refs/runfs/");
    for (; *ref; ref++)
        *ref == '/' ? buf_adds(ret, "%2F") : buf_addc(ret, *ref);
}

static void remember(const char *dir, const char *ref, const char *sha)
{
    _buf_ struct buf kept = BUF_INIT;

    remembered_ref(ref, &kept);
    (void)git_run(dir, GIT("update-ref", buf_str(&kept), sha), NULL, NULL);
}

static int make_bare(const char *dir, struct err *err)
{
    int r = is_dir(dir) ? 0 : make_dirs(dir, 0755);

    if (r < 0)
        return err_errno(err, r, "%s", dir);
    return git_run(dir, GIT("init", "-q", "--bare", "."), NULL, err);
}

/* A commit that is asked for by its name; where a server gives none that way, all its branches are fetched.
 */
static int fetch_commit(const char *dir, const char *url, const char *const set[], const char *ref,
                        const char *sha, struct err *err)
{
    _buf_ struct buf spec = BUF_INIT, kept = BUF_INIT;
    int r = make_bare(dir, err);

    remembered_ref(ref, &kept);
    buf_addf(&spec, "+%s:%s", sha, buf_str(&kept));
    if (r == 0)
        r = git_run_set(
            dir, set, FETCH_MS,
            GIT("fetch", "-q", "--depth=1", "--no-tags", GIT_UPLOAD_PACK, "--", url, buf_str(&spec)), NULL,
            err);
    if (r == -EIO)
        r = git_run_set(dir, set, FETCH_MS,
                        GIT("fetch", "-q", GIT_UPLOAD_PACK, "--", url, "+refs/heads/*:refs/remotes/all/*",
                            "+refs/tags/*:refs/remotes/tags/*"),
                        NULL, err);
    if (r == 0 && !has_commit(dir, sha))
        r = err_set(err, -ENOENT, "%s has no commit %s", url, sha);
    return r;
}

/* What a short name of a commit would be in full, for the error that says so. */
static int no_such_version(const char *repository, const char *ref, const char *url, struct err *err)
{
    _buf_ struct buf full = BUF_INIT, object = BUF_INIT;

    buf_addf(&object, "%s^{commit}", ref);
    if (strlen(ref) >= 7 && strspn(ref, "0123456789abcdefABCDEF") == strlen(ref) && *url == '/' &&
        git_read(url, GIT("rev-parse", "--verify", "-q", buf_str(&object)), &full, NULL) == 0)
        return err_set(
            err, -ENOENT,
            "Unable to resolve action `%s@%s`, the provided ref `%s` is the shortened version of a "
            "commit SHA, which is not supported. Please use the full commit SHA `%.40s` instead.",
            repository, ref, ref, buf_str(&full));
    return err_set(err, -ENOENT, "Unable to resolve action `%s@%s`, unable to find version `%s`", repository,
                   ref, ref);
}

/* Without a connection, what it meant last. */
static int resolve_remembered(const char *dir, const char *repository, const char *ref, char ret_sha[41],
                              const struct err *why, struct err *err)
{
    _buf_ struct buf kept = BUF_INIT, sha = BUF_INIT;

    if (why->code == -ECANCELED)
        return err_set(err, why->code, "%s", why->msg);
    remembered_ref(ref, &kept);
    if (!is_dir(dir) || git_run(dir, GIT("rev-parse", "--verify", "-q", buf_str(&kept)), &sha, NULL) < 0 ||
        sha.len < 40)
        return str_starts(why->msg, "Unable")
                   ? err_set(err, why->code, "%s", why->msg)
                   : err_set(err, why->code,
                             "Unable to resolve action `%s@%s`: %s. Without a connection it is taken from a "
                             "directory with %s.git or a checkout %s that config/actions_mirror names, or "
                             "`runfs run --actions-mirror`",
                             repository, ref, why->msg, repository, repository);
    memcpy(ret_sha, buf_str(&sha), 40);
    ret_sha[40] = '\0';
    log_warning("actions", "%s@%s: taken as it was last: %s", repository, ref, why->msg);
    return 0;
}

static int resolve_locked(struct remotes *rs, const char *repository, const char *ref, char ret_sha[41],
                          struct err *err)
{
    _cleanup_(asking_release) struct asking asking = {0};
    _buf_ struct buf dir = BUF_INIT, url = BUF_INIT, full = BUF_INIT;
    struct err why = {0};

    git_dir(rs, repository, &dir);
    if (git_is_sha(ref) && has_commit(buf_str(&dir), ref)) {
        memcpy(ret_sha, ref, 41);
        return 0;
    }
    int r = remote_url(rs, repository, &url, &why);
    if (r < 0)
        return resolve_remembered(buf_str(&dir), repository, ref, ret_sha, &why, err);
    r = asking_prepare(buf_str(&url), repository, &asking, &why);
    if (r == -EPERM)
        return err_set(err, r, "Unable to resolve action `%s@%s`: %s", repository, ref, why.msg);
    if (r == 0)
        r = git_resolve_set(buf_str(&url), asking.set, ref, &full, ret_sha, &why);
    if (r == -ENOENT)
        return no_such_version(repository, ref, buf_str(&url), err);
    if (r == 0 && !has_commit(buf_str(&dir), ret_sha))
        r = fetch_commit(buf_str(&dir), buf_str(&url), asking.set, ref, ret_sha, &why);
    if (r == -ENOENT)
        return no_such_version(repository, ref, buf_str(&url), err);
    if (r < 0)
        return resolve_remembered(buf_str(&dir), repository, ref, ret_sha, &why, err);
    remember(buf_str(&dir), ref, ret_sha);
    return 0;
}

/* A fetch by another job may take long, and this one be cancelled meanwhile. */
static int lock_repository(struct remotes *rs, const char *repository, pthread_mutex_t **ret, struct err *err)
{
    size_t hash = 5381;
    struct timespec at;

    for (const char *p = repository; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    *ret = &rs->locks[hash % LOCKS];
    do {
        if (proc_unwanted())
            return err_set(err, -ECANCELED, "The operation was canceled.");
        int64_t until = now_ns() + 100 * 1000000LL;
        at = (struct timespec){until / 1000000000LL, until % 1000000000LL};
    } while (pthread_mutex_timedlock(*ret, &at) != 0);
    return 0;
}

int remote_resolve(struct remotes *rs, const char *repository, const char *ref, char ret_sha[41],
                   struct err *err)
{
    pthread_mutex_t *lock;

    if (!*ref || *ref == '-')
        return err_set(err, -EINVAL, "'%s' is no ref", ref);
    int r = lock_repository(rs, repository, &lock, err);
    if (r < 0)
        return r;
    r = resolve_locked(rs, repository, ref, ret_sha, err);
    pthread_mutex_unlock(lock);
    return r;
}

int remote_tar(struct remotes *rs, const char *repository, const char *sha, int *ret_fd, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT, part = BUF_INIT, path = BUF_INIT;
    pthread_mutex_t *lock;
    int r = lock_repository(rs, repository, &lock, err);

    if (r < 0)
        return r;

    git_dir(rs, repository, &dir);
    buf_addf(&path, "%s/%s.tar", buf_str(&dir), sha);
    buf_addf(&part, "%s.part", buf_str(&path));
    *ret_fd = open(buf_str(&path), O_RDONLY | O_CLOEXEC);
    if (*ret_fd < 0) {
        r = git_set_filters(buf_str(&dir), false, err);
        if (r == 0)
            r = git_run(buf_str(&dir), GIT("archive", "--format=tar", "-o", buf_str(&part), sha), NULL, err);
        if (r == 0 && rename(buf_str(&part), buf_str(&path)) < 0)
            r = err_errno(err, -errno, "%s", buf_str(&path));
        if (r == 0)
            *ret_fd = open(buf_str(&path), O_RDONLY | O_CLOEXEC);
        if (r == 0 && *ret_fd < 0)
            r = err_errno(err, -errno, "%s", buf_str(&path));
    }
    pthread_mutex_unlock(lock);
    return r;
}

int remote_file(struct remotes *rs, const char *repository, const char *sha, const char *path,
                struct buf *ret, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT, object = BUF_INIT;

    git_dir(rs, repository, &dir);
    buf_addf(&object, "%s:%s", sha, path);
    return git_run(buf_str(&dir), GIT("cat-file", "blob", buf_str(&object)), ret, err) < 0
               ? err_set(err, -ENOENT, "%s has no file %s at %s", repository, path, sha)
               : 0;
}
