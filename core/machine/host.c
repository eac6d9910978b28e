/* The host itself: plain processes below an agent, in directories of their own. No isolation at all. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"

static int make_dirs_in(struct machine *m, const struct machine_spec *spec, struct err *err)
{
    const char *const dirs[] = {spec->workspace + 1, "home/runner/work/_temp", "opt/hostedtoolcache"};
    int r = scratch_dir(m->ms, AT_FDCWD, m->dir, 0755, geteuid());
    _close_ int at = r < 0 ? -1 : open(m->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (r == 0 && at < 0)
        r = -errno;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++)
        r = scratch_dirs(m->ms, at, dirs[i], geteuid());
    return r < 0 ? err_errno(err, r, "cannot make the machine's directories in %s", m->dir) : 0;
}

static int host_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                        struct err *err)
{
    static const char *const none[] = {NULL};
    int r = machine_set_paths(m, m->dir, spec->workspace, err);

    if (r == 0 && (spec->image || spec->network != MACHINE_NET_HOST))
        return err_set(err, -ENOTSUP, "the backend host has neither images nor networks of its own");
    if (r == 0)
        r = make_dirs_in(m, spec, err);
    if (r < 0)
        return r;
    struct spawn_request request = {.hostname = spec->name, .argv = (const char **)none};
    limits_request(&m->limits, &request);
    return spawner_request(&ms->processes, &request, &m->limits.procs, NULL, &m->client, err);
}

static int host_check_label(const struct machine_label *l, struct err *err)
{
    if (l->network == MACHINE_NET_NAT || l->network == MACHINE_NET_NONE)
        return err_set(err, -EINVAL, "the backend host has no such network: it takes network=host");
    return 0;
}

static void host_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    (void)ms;
    snprintf(words, size, "%s", why ? why->msg : "plain processes of this user; no isolation");
}

const struct machine_ops machine_host = {
    .name = "host", .acquire = host_acquire, .check_label = host_check_label, .explain = host_explain};
