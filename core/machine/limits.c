/*
 * What a machine may use: which of the kernel's means enforces each limit, what is told of it, and noticing
 * that one was hit while a command runs.
 */
#include <fcntl.h>
#include <stdarg.h>

#include "core/machine/machine_internal.h"
#include "runfs/io.h"
#include "runfs/str.h"

static const struct {
    const char *hit; /* with the limit: what a command did */
} kinds[] = {
    [LIMIT_MEMORY] = {"ran out of memory"},
    [LIMIT_PIDS] = {"started too many processes"},
    [LIMIT_DISK] = {"filled its disk"},
    [LIMIT_OUTPUT] = {"wrote too much output"},
};

static void limit_value(const struct limits *l, enum limit_kind kind, char ret[24])
{
    const uint64_t values[] = {[LIMIT_MEMORY] = l->want.memory,
                               [LIMIT_PIDS] = l->want.pids,
                               [LIMIT_DISK] = l->want.disk,
                               [LIMIT_OUTPUT] = l->want.output};

    if (kind == LIMIT_PIDS)
        snprintf(ret, 24, "%llu", (unsigned long long)values[kind]);
    else
        size_format(values[kind], ret);
}

void limit_words(const struct limits *l, enum limit_kind kind, char *ret, size_t size)
{
    char value[24];

    limit_value(l, kind, value);
    snprintf(ret, size, "%s (limit %s)", kinds[kind].hit, value);
}

/* ------------------------------------------------------------------------------------------------ set-up */

void limits_init(struct limits *l)
{
    *l = (struct limits){.disk = -1, .group = {.events = {-1, -1, -1}}};
}

void limits_release(struct limits *l)
{
    group_close(&l->group);
    fds_release(&l->procs);
    cleanup_close(&l->disk);
}

static struct machine_limits or_default(const struct machine_limits *want, bool isolates)
{
    struct machine_limits l = *want;

    l.output = l.output ? l.output : machine_limits_default.output;
    if (isolates && !l.pids)
        l.pids = machine_limits_default.pids;
    l.files = l.files ? l.files : machine_limits_default.files;
    return l;
}

/* To enter a control group can take as long as all else in making a machine (the kernel waits for all of its
 * processors), so nobody does who has not asked for a limit. */
int limits_prepare(struct limits *l, struct groups *groups, const char *name,
                   const struct machine_limits *want, const struct machine_ops *ops, struct err *err)
{
    uint64_t values[CONTROLLERS] = {
        [GROUP_MEMORY] = want->memory, [GROUP_PIDS] = want->pids, [GROUP_CPU] = want->cpu};

    l->want = or_default(want, ops->isolates);
    l->pids_asked = want->pids != 0;
    l->files_asked = want->files != 0;
    l->within = ops->around != NULL;
    if (ops->around)
        ops->around(want, values);
    else if (ops->elsewhere)
        return 0;
    return group_make(groups, name, values, &l->group, &l->procs, err);
}

void limits_request(const struct limits *l, struct spawn_request *r)
{
    r->open_files = l->want.files;
    if (!l->group.controls[GROUP_PIDS])
        r->processes = l->want.pids;
    if (!l->group.controls[GROUP_MEMORY])
        r->data = l->want.memory;
    r->shm = l->want.memory;
}

/* ---------------------------------------------------------------------------------------------- its words */

static void say_controller(const struct limits *l, enum controller c, const char *key, const char *value,
                           const char *otherwise, struct buf *ret)
{
    const struct groups *g = l->group.groups;

    if (l->group.controls[c])
        buf_addf(ret, "%s %s: control group, version %d\n", key, value, g->version[c] + 1);
    else
        buf_addf(ret, "%s %s: %s (%s)\n", key, value, otherwise, g ? g->why : "no control group");
}

static void say_disk(const struct limits *l, const char *value, struct buf *ret)
{
    if (l->disk >= 0)
        buf_addf(ret, "disk %s: a file system of that size in memory\n", value);
    else
        buf_addf(ret, "disk %s: not in force (%s)\n", value,
                 l->disk_why[0] ? l->disk_why : "only a sandbox can have a disk of its own");
}

static const char *around(const struct limits *l, enum controller c)
{
    return l->group.controls[c] ? ", and a control group around the process that is the machine" : "";
}

/* Of a machine with a kernel of its own. */
static void say_within(const struct limits *l, struct buf *ret)
{
    char value[24];

    limit_value(l, LIMIT_MEMORY, value);
    buf_addf(ret, "memory %s: all that the machine has%s\n", value, around(l, GROUP_MEMORY));
    buf_addf(ret, "pids %u: a control group in the machine\n", l->want.pids);
    snprintf(value, sizeof(value), "%.3g", l->want.cpu / 1000.0);
    buf_addf(ret, "cpu %s: all that the machine has%s\n", value, around(l, GROUP_CPU));
    limit_value(l, LIMIT_DISK, value);
    buf_addf(ret, "disk %s: all that the machine has\n", value);
}

static void say_here(const struct limits *l, struct buf *ret)
{
    char value[24];

    if (l->want.memory) {
        limit_value(l, LIMIT_MEMORY, value);
        say_controller(l, GROUP_MEMORY, "memory", value, "RLIMIT_DATA of each process", ret);
    }
    limit_value(l, LIMIT_PIDS, value);
    if (l->pids_asked)
        say_controller(l, GROUP_PIDS, "pids", value, "RLIMIT_NPROC of each user", ret);
    else if (l->want.pids)
        buf_addf(ret, "pids %s: RLIMIT_NPROC of each user, and counted by runfs\n", value);
    if (l->want.cpu) {
        snprintf(value, sizeof(value), "%.3g", l->want.cpu / 1000.0);
        say_controller(l, GROUP_CPU, "cpu", value, "not in force", ret);
    }
    if (l->want.disk) {
        limit_value(l, LIMIT_DISK, value);
        say_disk(l, value, ret);
    }
}

void limits_say(const struct limits *l, struct buf *ret)
{
    char value[24];

    if (l->within)
        say_within(l, ret);
    else
        say_here(l, ret);
    buf_addf(ret, "files %u: RLIMIT_NOFILE of each process%s\n", l->want.files,
             l->within && !l->files_asked ? ", which root there can raise" : "");
    limit_value(l, LIMIT_OUTPUT, value);
    buf_addf(ret, "output %s: counted by runfs\n", value);
}

void machines_probe_limits(const struct machines *ms, struct machine_probe ret[MACHINE_LIMIT_PROBES])
{
    static const char *const names[] = {"memory", "pids", "cpu"}, *const otherwise[] = {
                                                                      "RLIMIT_DATA of each process",
                                                                      "RLIMIT_NPROC of each user",
                                                                      "not in force"};
    const struct groups *g = &ms->groups;
    struct err err = {0};
    size_t n = 0;

    for (; n < CONTROLLERS; n++)
        if (g->of[n] >= 0)
            probe_set(&ret[n], names[n], true, "control group, version %d", g->version[n] + 1);
        else
            probe_set(&ret[n], names[n], false, "%s: %s", otherwise[n], g->why);
    probe_set(&ret[n++], "disk", !ms->no_masks, "%s",
              ms->no_masks ? "not in force: needs Linux 6.6" : "file systems in memory, of the limit's size");
    bool nat = nat_works(&err) == 0;
    probe_set(&ret[n++], "nat", nat, "%s", nat ? "slirp4netns, filtered by nftables" : err.msg);
    bool scopes = ms->landlock >= LANDLOCK_SCOPES;
    probe_set(&ret[n], "sockets", scopes, "%s",
              scopes ? "Landlock keeps abstract sockets of the host away, on its network too"
                     : "network=host shows abstract sockets of the host: the kernel is older than 6.12");
}

/* ------------------------------------------------------------------------------------- while a command runs
 */

void limits_begin(struct limits *l)
{
    l->written = 0;
    l->disk_full = false;
    (void)group_hit(&l->group, GROUP_MEMORY); /* what was hit between two commands is not this one's */
    (void)group_hit(&l->group, GROUP_PIDS);
}

enum limit_kind limits_check(struct limits *l)
{
    l->disk_full |= file_system_full(l->disk);
    if (group_hit(&l->group, GROUP_MEMORY))
        return LIMIT_MEMORY;
    return group_hit(&l->group, GROUP_PIDS) ? LIMIT_PIDS : LIMIT_NONE;
}

enum limit_kind limits_count_output(struct limits *l, size_t len)
{
    l->written += len;
    return l->written > l->want.output ? LIMIT_OUTPUT : LIMIT_NONE;
}
