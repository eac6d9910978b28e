/* One machine's life: made, booted (or taken warm), released. */

#include <poll.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

int machine_set_paths(struct machine *m, const char *prefix, const char *workspace, struct err *err)
{
    /* GitHub's: on a runner, in a container of a job, and in that of an action */
    static const char *const places[3][4] = {
        {"/home/runner/work/_temp", "/home/runner/work/_temp/_runner_file_commands", "/opt/hostedtoolcache",
         "/home/runner"},
        {"/__w/_temp", "/__w/_temp/_runner_file_commands", "/__t", "/github/home"},
        {"/github/runner_temp", "/github/file_commands", "/opt/hostedtoolcache", "/github/home"}};
    const char *const *inside = places[str_eq(workspace, ACTION_WORK)          ? 2
                                       : str_starts(workspace, CONTAINER_WORK) ? 1
                                                                               : 0];
    char **s = m->path_strings;

    for (size_t i = 0; i < ARRAY_LEN(m->path_strings); i++) {
        _buf_ struct buf b = BUF_INIT;
        buf_addf(&b, "%s%s", prefix, i == 0 ? workspace : inside[i - 1]);
        s[i] = buf_steal(&b);
        if (!s[i])
            return err_errno(err, -ENOMEM, "machine %s", m->id);
    }
    m->paths = (struct machine_paths){
        .workspace = s[0], .temp = s[1], .files = s[2], .tool_cache = s[3], .home = s[4]};
    return 0;
}

void machine_free_paths(struct machine *m)
{
    for (size_t i = 0; i < ARRAY_LEN(m->path_strings); i++)
        free(TAKE(m->path_strings[i]));
}

/* The name says, after a crash, whose it is, which of its starts, and what it stands on. */
int machine_set_dir(struct machine *m, struct err *err)
{
    _buf_ struct buf dir = BUF_INIT;
    char id[sizeof(m->id)] = "";

    if (m->row)
        snprintf(id, sizeof(id), "m%lld-%u-%lld", (long long)m->row, m->starts,
                 (long long)(m->chain.n ? m->chain.ids[0] : 0));
    else
        snprintf(id, sizeof(id), "p%u", atomic_fetch_add(&m->ms->serial, 1) + 1);
    pthread_mutex_lock(&m->ms->living_lock);
    memcpy(m->id, id, sizeof(m->id));
    pthread_mutex_unlock(&m->ms->living_lock);
    buf_addf(&dir, "%s/%s", m->ms->scratch, id);
    m->dir = buf_steal(&dir);
    return m->dir ? 0 : err_errno(err, -ENOMEM, "machine %s", m->id);
}

void machine_init(struct machine *m, struct machines *ms, const struct machine_ops *ops)
{
    *m = (struct machine){.ms = ms,
                          .ops = ops,
                          .nat.exit_fd = -1,
                          .net_fd = -1,
                          .reach.control = -1,
                          .image_lock = -1,
                          .over_lock = -1,
                          .refs = 1,
                          .created_at = now_ns()};
    pthread_mutex_init(&m->state_lock, NULL);
    agent_client_init(&m->client);
    limits_init(&m->limits);
}

int machine_new(struct machines *ms, const struct machine_spec *spec, struct machine **ret, struct err *err)
{
    struct machine *m = calloc(1, sizeof(*m));

    if (!m)
        return err_errno(err, -ENOMEM, "machine");
    machine_init(m, ms, NULL);
    int r = spec_copy(spec, &m->spec);
    if (r < 0) {
        machine_unref(m);
        return err_errno(err, r, "machine");
    }
    m->kept = spec->keep;
    *ret = m;
    return 0;
}

/* The network that a label without one gets: see enum machine_network. */
static enum machine_network default_network(struct machine *m)
{
    struct err err = {0};

    if (m->ops->own_network) {
        if (nat_works(&err) == 0)
            return MACHINE_NET_NAT;
        snprintf(m->note, sizeof(m->note), "This machine has no network: %.200s", err.msg);
        return MACHINE_NET_NONE;
    }
    if (m->ops != &machine_sandbox || m->ms->landlock >= LANDLOCK_SCOPES)
        return MACHINE_NET_HOST;
    if (nat_works(&err) == 0)
        return MACHINE_NET_NAT;
    if (!m->note[0])
        snprintf(m->note, sizeof(m->note),
                 "Abstract sockets of the host can be reached from this machine: the kernel is older than "
                 "6.12, and %.120s",
                 err.msg);
    return MACHINE_NET_HOST;
}

/* With a network of machines to be on. The label may say that the host's is allowed: what is behind NAT is
 * less than that. */
static enum machine_network network_beside(struct machine *m, const struct machine_spec *spec)
{
    bool contained = spec->image && *spec->image != '/';
    struct err err = {0};

    if (m->ops != &machine_sandbox)
        return spec->network ? spec->network : default_network(m);
    if (spec->network == MACHINE_NET_NONE || spec->network == MACHINE_NET_NAT ||
        (spec->network == MACHINE_NET_HOST && !contained))
        return spec->network;
    if (nat_works(&err) == 0)
        return MACHINE_NET_NAT;
    snprintf(m->note, sizeof(m->note), "%s: %.150s",
             contained ? "Nothing but the job and its services is reached from this container"
                       : "Ports of services are mapped on the host, where other jobs may want the same",
             err.msg);
    return contained ? MACHINE_NET_NONE : MACHINE_NET_HOST;
}

const char *machine_network_name(const struct machine *m)
{
    return m->network == MACHINE_NET_NONE ? "none" : m->network == MACHINE_NET_NAT ? "nat" : "host";
}

void machine_bounds(const struct machine *m, struct machine_spec *spec)
{
    spec->network = m->network;
    spec->limits = m->spec.limits;
}

static void say_limits(struct machine *m)
{
    static const char *const networks[] = {[MACHINE_NET_HOST] =
                                               "host: the host's, its abstract sockets apart",
                                           [MACHINE_NET_NONE] = "none: a loopback interface only",
                                           [MACHINE_NET_NAT] = "nat: slirp4netns, filtered by nftables"};
    _buf_ struct buf b = BUF_INIT;
    bool open = m->network == MACHINE_NET_HOST && (!m->ops->isolates || m->ms->landlock < LANDLOCK_SCOPES);

    limits_say(&m->limits, &b);
    buf_addf(&b, "network %s\n", open ? "host: the host's, with its abstract sockets" : networks[m->network]);
    m->limits_text = buf_steal(&b);
}

/* All that is common to backends around the start of one machine. */
int machine_start(struct machine *m, const struct machine_spec *spec, struct err *err)
{
    struct machine_spec s = *spec;

    if (s.net)
        s.network = network_beside(m, &s);
    else if (s.network == MACHINE_NET_DEFAULT)
        s.network = default_network(m);
    m->network = s.network;
    int r = limits_prepare(&m->limits, &m->ms->groups, m->id, &s.limits, m->ops, err);
    if (r == 0)
        r = m->ops->acquire(m->ms, &s, m, err);
    fds_release(&m->limits.procs);
    if (r == 0)
        m->client.limits = &m->limits;
    if (r == 0)
        say_limits(m);
    return r;
}

/* Boots what machine_new() made. */
static int machine_boot(struct machine *m, struct err *err)
{
    int64_t begin = mono_ns();
    int r = machine_enlist(m, err);

    if (r < 0)
        return r;
    if (m->spec.revive) /* its row still says what it was */
        r = kept_chain(m, err);
    machine_become(m, MACHINE_INITIALIZING, "");
    if (r == 0 && m->spec.snapshot && !m->spec.revive)
        r = snapshot_chain(m, m->spec.snapshot, err);
    if (r == 0)
        r = machine_set_dir(m, err);
    if (r == 0)
        r = machine_start(m, &m->spec, err);
    if (r == 0 && m->chain.n)
        r = agent_client_make_dirs(&m->client, m->paths.workspace, err);
    m->spec.cancelled = NULL; /* these were for this long only */
    m->spec.beside = NULL;
    m->spec.shared = NULL;
    m->spec.net = NULL;
    m->boot_ns = mono_ns() - begin;
    machine_become(m, r < 0 ? MACHINE_FAILED : MACHINE_ACTIVE, r < 0 && err ? err->msg : "");
    return r;
}

int machine_make(struct machines *ms, const struct machine_spec *spec, struct machine **ret, struct err *err)
{
    struct machine *m = NULL;
    int r = machine_new(ms, spec, &m, err);

    if (r == 0) {
        m->shares = spec->beside && spec->shared;
        m->spec.beside = spec->beside;
        m->spec.shared = spec->shared;
        m->spec.net = spec->net;
    }
    if (r == 0)
        r = choose_backend(ms, spec->backend, m, err);
    if (r == 0)
        r = machine_boot(m, err);
    if (r < 0) {
        if (m && !spec->revive) /* what was kept stays so */
            m->kept = false;
        machine_release(m);
        return r;
    }
    *ret = m;
    return 0;
}

int machine_acquire(struct machines *ms, const struct machine_spec *spec, struct machine **ret,
                    struct err *err)
{
    int r = spec_check(spec, err);
    struct machine *warm = r == 0 ? pool_take(ms->pool, spec) : NULL;

    if (warm)
        *ret = warm;
    return r < 0 || warm ? r : machine_make(ms, spec, ret, err);
}

int machine_make_dirs(struct machine *m, const char *path, struct err *err)
{
    return agent_client_make_dirs(machine_client(m), path, err);
}

/* What goes with one start of a machine, but its process and directory. */
void machine_end_start(struct machine *m)
{
    nat_stop(&m->nat);
    cleanup_close(&m->reach.control);
    cleanup_close(&m->net_fd);
    limits_release(&m->limits);
    free(TAKE(m->limits_text));
}

/* Its process is nobody's any more. */
bool machines_leak(const struct machines *ms)
{
    return ms->landlock < LANDLOCK_SCOPES;
}

struct remains machine_remains(struct machine *m)
{
    struct remains what = {0};

    pthread_mutex_lock(&m->client.lock);
    what.pidfd = TAKE_FD(m->client.pidfd);
    what.root = TAKE_FD(m->client.root);
    cleanup_close(&m->client.mounts);
    pthread_mutex_unlock(&m->client.lock);
    return what;
}

void machine_bury(struct machine *m, struct remains what_take)
{
    what_take.path = TAKE(m->dir);
    what_take.lent = atomic_load(&m->lent) || (m->network == MACHINE_NET_HOST && machines_leak(m->ms));
    if (m->limits.group.made)
        memcpy(what_take.group, m->id, sizeof(m->id));
    cleaner_add(m->ms->cleaner, what_take);
}

void machine_release(struct machine *m)
{
    if (!m)
        return;
    if (m->row)
        machine_become(m, MACHINE_TERMINATING, "");
    pthread_mutex_lock(&m->client.lock);
    cleanup_close(&m->client.mounts); /* whoever lets go of them last waits for the kernel to unmount them */
    /* A sandbox dies with its process 1. Other agents kill what they started when their socket is at its end.
     */
    if (m->client.pidfd >= 0 && m->ops && m->ops->one_kill)
        pidfd_kill(m->client.pidfd);
    pthread_mutex_unlock(&m->client.lock);
    machine_thaw(m);
    if (m->kept) {
        kept_suspend(m);
        machine_changed(m);
        machines_flush(m->ms); /* before nobody but the row knows what it stands on */
    }
    struct remains what = machine_remains(m);
    if (m->shares) /* what it has of another one's files is that one's again */
        (void)poll(&(struct pollfd){.fd = what.pidfd, .events = POLLIN}, 1, 2000);
    agent_client_close(&m->client);
    cleanup_close(&m->image_lock);
    cleanup_close(&m->over_lock);
    if (m->own)
        m->ops->end(m);
    m->own = NULL;
    machine_lanes_end(m);
    machine_delist(m);
    pthread_mutex_lock(&m->state_lock);
    m->lives = false;
    machine_end_start(m);
    pthread_mutex_unlock(&m->state_lock);
    machine_bury(m, what);
    if (m->row)
        machine_changed(m);
    if (m->chain.n)
        keeper_collect(m->ms->keeper);
    machine_unref(m);
}
