/* The host itself: plain processes below an agent, in directories of their own. No isolation at all. */
#include <sys/stat.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"

static int host_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                        struct err *err)
{
    static const char *const none[] = {NULL};
    int r = machine_set_paths(m, m->dir, spec->workspace, err);

    if (r == 0 && (spec->image || spec->network != MACHINE_NET_HOST))
        return err_set(err, -ENOTSUP, "the backend host has neither images nor networks of its own");
    for (int i = 0; r == 0 && i < 4; i++)
        if ((r = make_dirs(m->path_strings[i], 0755)) < 0)
            err_errno(err, r, "cannot make %s", m->path_strings[i]);
    if (r < 0)
        return r;
    struct spawn_request request = {.hostname = spec->name, .argv = (const char **)none};
    return spawner_request(&ms->processes, &request, &m->client, err);
}

static void host_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    (void)ms;
    snprintf(words, size, "%s", why ? why->msg : "plain processes of this user; no isolation");
}

const struct machine_ops machine_host = {
    .name = "host", .isolates = false, .acquire = host_acquire, .explain = host_explain};
