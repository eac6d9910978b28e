/*
 * Bubblewrap: for where the own sandbox does not work but the distribution's does (an AppArmor profile lets
 * bwrap make user namespaces, say). The host's directories are bound read-only, everything writable is a
 * scratch directory. As root it runs as an unprivileged high user: bwrap would map the real root into the
 * sandbox.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

/* A growing argument vector, and the strings that it owns. */
struct args {
    const char *list[512];
    char *owned[512];
    size_t n, n_owned;
    bool failed;
};

static void args_release(struct args *a)
{
    for (size_t i = 0; i < a->n_owned; i++)
        free(a->owned[i]);
}

static void args_add(struct args *a, const char *const *words)
{
    for (; *words; words++) {
        if (a->n + 1 >= ARRAY_LEN(a->list)) {
            a->failed = true;
            return;
        }
        a->list[a->n++] = *words;
    }
}
#define ADD(a, ...) args_add((a), (const char *const[]){__VA_ARGS__, NULL})

static const char *args_keep(struct args *a, const char *dir, const char *name)
{
    _buf_ struct buf b = BUF_INIT;

    buf_addf(&b, "%s/%s", dir, name);
    char *s = a->n_owned < ARRAY_LEN(a->owned) ? buf_steal(&b) : NULL;
    if (!s) {
        a->failed = true;
        return "/";
    }
    return a->owned[a->n_owned++] = s;
}

static void bind_tops(struct args *a)
{
    for (const char *const *top = sandbox_tops; *top; top++) {
        char target[256];
        const char *path = args_keep(a, "", *top);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n > 0) {
            target[n] = '\0';
            const char *link = args_keep(a, target[0] == '/' ? "" : ".", target);
            ADD(a, "--symlink", link, path);
        } else if (!str_eq(*top, "opt") && access(path, R_OK) == 0) {
            ADD(a, "--ro-bind", path, path);
        }
    }
}

/* /opt takes the tool cache, so it is a new directory that shows what the host has in its own. */
static void bind_opt(struct args *a, const char *scratch)
{
    _closedir_ DIR *dir = opendir("/opt");
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        if (e->d_name[0] == '.' || str_eq(e->d_name, "hostedtoolcache"))
            continue;
        const char *path = args_keep(a, "/opt", e->d_name);
        ADD(a, "--ro-bind-try", path, path);
    }
    ADD(a, "--bind", args_keep(a, scratch, "tools"), "/opt/hostedtoolcache");
}

static void hide_paths(struct args *a, struct machines *ms)
{
    pthread_mutex_lock(&ms->lock);
    for (char **p = ms->hidden; p && *p; p++) {
        struct stat st;
        for (const char *const *top = sandbox_tops; *top; top++) {
            size_t len = strlen(*top);
            if (strncmp(*p + 1, *top, len) != 0 || (*p)[len + 1] != '/' || str_starts(*p, "/var/tmp/"))
                continue;
            if (stat(*p, &st) == 0 && S_ISDIR(st.st_mode))
                ADD(a, "--tmpfs", args_keep(a, "", *p + 1));
        }
    }
    pthread_mutex_unlock(&ms->lock);
}

static void arguments(struct args *a, struct machines *ms, const struct machine_spec *spec,
                      const char *scratch)
{
    _free_ char *resolv = realpath("/etc/resolv.conf", NULL);

    ADD(a, "bwrap", "--unshare-user", "--uid", "0", "--gid", "0", "--unshare-pid", "--unshare-ipc",
        "--unshare-uts");
    ADD(a, "--hostname", spec->name, "--new-session", "--die-with-parent", "--as-pid-1");
    if (spec->network == MACHINE_NET_NONE)
        ADD(a, "--unshare-net");
    bind_tops(a);
    bind_opt(a, scratch);
    ADD(a, "--proc", "/proc", "--dev", "/dev", "--ro-bind", "/sys", "/sys");
    for (const char *const *d = (const char *const[]){"/root", "/mnt", "/media", "/srv", "/run/lock", NULL};
         *d; d++)
        ADD(a, "--dir", *d);
    ADD(a, "--bind", args_keep(a, scratch, "home"), "/home", "--bind", args_keep(a, scratch, "tmp"), "/tmp");
    ADD(a, "--bind", args_keep(a, scratch, "vartmp"), "/var/tmp");
    if (resolv && str_starts(resolv, "/run/"))
        ADD(a, "--ro-bind-try", args_keep(a, "", resolv + 1), args_keep(a, "", resolv + 1));
    hide_paths(a, ms);
    ADD(a, "--ro-bind", ms->agent, "/run/runfs-agent", "--chdir", "/", "/run/runfs-agent", "serve-sandboxed");
}

static int make_scratch(const struct machine *m, const struct machine_spec *spec)
{
    static const char *const dirs[] = {
        "tmp", "vartmp", "tools", "home", "home/runner", "home/runner/work", "home/runner/work/_temp"};
    uid_t id = machine_root_id();
    int r = scratch_dir(m->ms, AT_FDCWD, m->dir, 0711, geteuid());
    _close_ int at = r < 0 ? -1 : open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (r == 0 && at < 0)
        r = -errno;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++)
        r = scratch_dir(m->ms, at, dirs[i], i < 2 ? 01777 : 0755, id);
    return r == 0 ? scratch_dirs(m->ms, at, spec->workspace + 1, id) : r;
}

static int bubblewrap_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                              struct err *err)
{
    _cleanup_(args_release) struct args a = {0};
    int r = machine_set_paths(m, "", spec->workspace, err);

    if (r == 0 && spec->network == MACHINE_NET_NAT)
        r = err_set(err, -ENOTSUP, "the backend bubblewrap has no network=nat");
    if (r == 0 && spec->image)
        r = err_set(err, -ENOTSUP, "the backend bubblewrap runs on the host's own root, without images");
    if (r == 0 && !proc_in_path("bwrap"))
        r = err_set(err, -ENOENT, "the program bwrap is not installed (Debian: apt-get install bubblewrap)");
    if (r == 0 && (r = make_scratch(m, spec)) < 0)
        err_errno(err, r, "cannot make the machine's directories in %s", m->dir);
    if (r < 0)
        return r;
    arguments(&a, ms, spec, m->dir);
    if (a.failed)
        return err_set(err, -E2BIG, "too many directories to show in a bubblewrap sandbox");
    struct spawn_request request = {
        .argv = a.list, .hostname = spec->name, .uid = geteuid() == 0 ? machine_root_id() : 0};
    limits_request(&m->limits, &request);
    return spawner_request(&ms->processes, &request, &m->limits.procs, NULL, &m->client, err);
}

static int bubblewrap_check_label(const struct machine_label *l, struct err *err)
{
    if (l->network == MACHINE_NET_NAT)
        return err_set(err, -EINVAL,
                       "the backend bubblewrap has no such network: it takes network=host or network=none");
    return 0;
}

/* As root bwrap runs as another user, who has to get to the machines: cuts path down to the directory that he
 * may not pass. */
static bool find_closed(char *path)
{
    struct stat st;
    char *slash = strrchr(path, '/');

    if (slash == path || !slash)
        return false;
    *slash = '\0';
    bool closed = find_closed(path) || (stat(path, &st) == 0 && !(st.st_mode & S_IXOTH));
    if (!closed)
        *slash = '/';
    return closed;
}

static void bubblewrap_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    _free_ char *path = strdup(ms->scratch);

    if (!why)
        snprintf(words, size, "bwrap with the host's directories read-only%s",
                 geteuid() == 0 ? ", as another user, who may pass the state directory and those above" : "");
    else if (why->code == -ECONNRESET && geteuid() == 0 && path && find_closed(path))
        snprintf(words, size,
                 "bwrap runs as another user, who may not pass %s: `chmod o+x` it, or name another state "
                 "directory with --state",
                 path);
    else if (why->code == -ECONNRESET)
        snprintf(words, size,
                 "bwrap is installed but cannot make a sandbox; `bwrap --unshare-user --ro-bind / / true` as "
                 "an ordinary "
                 "user says why (sysctls kernel.unprivileged_userns_clone, "
                 "kernel.apparmor_restrict_unprivileged_userns)");
    else
        snprintf(words, size, "%s", why->msg);
}

const struct machine_ops machine_bubblewrap = {.name = "bubblewrap",
                                               .isolates = true,
                                               .acquire = bubblewrap_acquire,
                                               .check_label = bubblewrap_check_label,
                                               .explain = bubblewrap_explain};
