/*
 * The sandbox: own namespaces, an overlay over the host's root or an image, its own process 1. This side
 * makes the directories that it writes to; core/agent/sandbox.c does the rest.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static int put_hosts(int upper, const char *hostname)
{
    _buf_ struct buf b = BUF_INIT;

    buf_addf(&b, "127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n", hostname);
    if (!buf_ok(&b))
        return -ENOMEM;
    (void)read_file("/etc/hosts", 1024 * 1024, &b, NULL);
    _close_ int fd = openat(upper, "etc/hosts", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || (geteuid() == 0 && fchown(fd, machine_root_id(), machine_root_id()) < 0))
        return -errno;
    return write_all(fd, b.ptr, b.len);
}

static int make_layers(const struct machine *m, const struct machine_spec *spec, bool with_mask)
{
    uid_t id = machine_root_id();
    int r = scratch_dir(m->ms, AT_FDCWD, m->dir, 0711, geteuid());
    _close_ int dir = r < 0 ? -1 : open(m->dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (r == 0)
        r = dir < 0 ? -errno : scratch_dir(m->ms, dir, "work", 0700, id);
    if (r == 0)
        r = scratch_dir(m->ms, dir, "upper", 0755, id);
    _close_ int upper = r < 0 ? -1 : openat(dir, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r == 0)
        r = upper < 0 ? -errno : with_mask ? mask_fill(m->ms, upper, spec->image != NULL) : 0;
    if (r == 0 && m->ms->split) /* without an overlay over the whole root */
        r = mask_dirs(m->ms, upper);
    if (r == 0)
        r = scratch_dirs(m->ms, upper, spec->workspace + 1, id);
    if (r == 0)
        r = scratch_dir(m->ms, upper, "home/runner/work/_temp", 0755, id);
    if (r == 0)
        r = scratch_dir(m->ms, upper, "etc", 0755, id);
    return r == 0 ? put_hosts(upper, spec->name) : r;
}

static int sandbox_try(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                       struct err *err)
{
    static const char *const none[] = {NULL};
    char mask[64];
    int r = mask_ensure(ms, spec->image != NULL, mask, sizeof(mask), err);

    if (r == 0 && (r = make_layers(m, spec, !mask[0])) < 0)
        err_errno(err, r, "cannot make the machine's directories in %s", m->dir);
    if (r < 0)
        return r;
    struct spawn_request request = {.scratch = m->id,
                                    .mask = mask,
                                    .image = spec->image ? spec->image : "",
                                    .hostname = spec->name,
                                    .no_network = spec->network == MACHINE_NET_NONE,
                                    .argv = (const char **)none};
    return spawner_request(&ms->sandboxes, &request, &m->client, err);
}

static int sandbox_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                           struct err *err)
{
    int r = machine_set_paths(m, "", spec->workspace, err);

    if (r < 0)
        return r;
    r = sandbox_try(ms, spec, m, err);
    /* A spawner that had died took the mask with it. */
    pthread_mutex_lock(&ms->lock);
    bool lost = ms->mask_start && ms->mask_start != atomic_load(&ms->sandboxes.starts);
    pthread_mutex_unlock(&ms->lock);
    if (r < 0 && lost) {
        agent_client_release(&m->client);
        agent_client_init(&m->client);
        (void)scratch_remove(ms, m->dir);
        r = sandbox_try(ms, spec, m, err);
    }
    return r;
}

static bool sysctl_is(const char *path, char value)
{
    _buf_ struct buf b = BUF_INIT;

    return read_file(path, 64, &b, NULL) == 0 && buf_str(&b)[0] == value;
}

static const char *advice(const struct err *why)
{
    if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", '0') && geteuid() != 0)
        return ". Ordinary users may not make user namespaces here: sysctl -w "
               "kernel.unprivileged_userns_clone=1";
    if (sysctl_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1') && geteuid() != 0)
        return ". AppArmor keeps ordinary users from user namespaces here: sysctl -w "
               "kernel.apparmor_restrict_unprivileged_userns=0, or give runfs-agent an AppArmor profile with "
               "userns";
    if (sysctl_is("/proc/sys/user/max_user_namespaces", '0'))
        return ". User namespaces are switched off here: sysctl -w user.max_user_namespaces=10000";
    if (why->code == -EPERM)
        return ". In a container, it must be allowed to make namespaces and mounts (--privileged, or "
               "--cap-add "
               "SYS_ADMIN with seccomp and AppArmor unconfined)";
    return "";
}

static void sandbox_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    if (why)
        snprintf(words, size, "%s%s", why->msg, advice(why));
    else if (geteuid() == 0)
        snprintf(words, size,
                 "user namespace with ids from 200000 on, overlay over the host's root, written to %s",
                 ms->scratch);
    else
        snprintf(words, size,
                 "user namespace with one id, overlays over the host's directories, written to %s",
                 ms->scratch);
}

const struct machine_ops machine_sandbox = {.name = "sandbox",
                                            .isolates = true,
                                            .one_kill = true,
                                            .acquire = sandbox_acquire,
                                            .explain = sandbox_explain};
