/* The rows of vms/: names, what the files show, verbs. */
#include "runfs/vms.h"

#include "fs.h"
#include "runfs/io.h"
#include "runfs/machine_rows.h"
#include "runfs/str.h"

/* ------------------------------------------------------------------------------------------------- names */

static int64_t find_vm(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return store_find_machine(fs->store, name);
}

static ssize_t next_vm(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_machines(fs->store, after, ids, max);
}

static int name_vm(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct machine_row *row = store_get_machine(fs->store, id);

    if (!row)
        return -ENOENT;
    buf_adds(ret, row->title);
    machine_row_unref(row);
    return 0;
}

const struct name_class class_vms = {find_vm, next_vm, name_vm};

/* A setting below a prefix: pool/LABEL, vms/NAME. */
static int64_t find_below(struct fs *fs, const char *prefix, const char *name, size_t len)
{
    _buf_ struct buf key = BUF_INIT;

    buf_addf(&key, "%s%.*s", prefix, (int)len, name);
    return buf_ok(&key) ? store_find_setting(fs->store, SETTING_CONFIG, buf_str(&key)) : 0;
}

static int name_below(struct fs *fs, int64_t id, const char *suffix, struct buf *ret)
{
    const struct setting_row *row = store_get_setting(fs->store, SETTING_CONFIG, id);
    const char *slash = row ? strchr(row->name, '/') : NULL;

    if (slash)
        buf_addf(ret, "%s%s", slash + 1, suffix);
    setting_row_unref(row);
    return slash ? 0 : -ENOENT;
}

static int64_t find_pool(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return find_below(fs, "pool/", name, strlen(name));
}

static ssize_t next_pool(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_settings(fs->store, SETTING_CONFIG, "pool/", after, ids, max);
}

static int name_pool(struct fs *fs, int64_t id, struct buf *ret)
{
    return name_below(fs, id, "", ret);
}

const struct name_class class_pool = {find_pool, next_pool, name_pool, "pool/"};

static int64_t find_vm_label(struct fs *fs, int64_t up, const char *name)
{
    (void)up;
    return str_ends(name, ".label") ? find_below(fs, "vms/", name, strlen(name) - strlen(".label")) : 0;
}

static ssize_t next_vm_label(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_settings(fs->store, SETTING_CONFIG, "vms/", after, ids, max);
}

static int name_vm_label(struct fs *fs, int64_t id, struct buf *ret)
{
    return name_below(fs, id, ".label", ret);
}

const struct name_class class_vm_labels = {find_vm_label, next_vm_label, name_vm_label, "vms/"};

static int64_t find_command(struct fs *fs, int64_t up, const char *name)
{
    uint64_t n;

    return name[0] != '0' && parse_u64(name, &n) == 0 && n < INT32_MAX
               ? store_find_command(fs->store, up, (int)n)
               : 0;
}

static ssize_t next_command(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_commands(fs->store, up, after, ids, max);
}

static int name_command(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct command_row *row = store_get_command(fs->store, id);

    if (!row)
        return -ENOENT;
    buf_addf(ret, "%d", row->number);
    command_row_unref(row);
    return 0;
}

const struct name_class class_commands = {find_command, next_command, name_command};

static int64_t find_snapshot(struct fs *fs, int64_t up, const char *name)
{
    return *name ? store_find_snapshot(fs->store, up, name) : 0;
}

static ssize_t next_snapshot(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    return store_list_snapshots(fs->store, up, after, ids, max);
}

static int name_snapshot(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct snapshot_row *row = store_get_snapshot(fs->store, id);

    if (!row)
        return -ENOENT;
    buf_adds(ret, row->name);
    snapshot_row_unref(row);
    return 0;
}

const struct name_class class_snapshots = {find_snapshot, next_snapshot, name_snapshot};

/* ----------------------------------------------------------------------------------------- what is shown */

#define SHOW(name, type, get, ...)                                                                           \
    int name(struct fs *fs, int64_t id, struct buf *ret)                                                     \
    {                                                                                                        \
        const struct type##_row *row = get(fs->store, id);                                                   \
        if (!row)                                                                                            \
            return -ENOENT;                                                                                  \
        __VA_ARGS__;                                                                                         \
        type##_row_unref(row);                                                                               \
        return 0;                                                                                            \
    }
#define SHOW_VM(name, ...) SHOW(name, machine, store_get_machine, __VA_ARGS__)

SHOW_VM(show_vm_status, buf_addf(ret, "%s\n", row->lives ? row->state : "stopped"))
SHOW_VM(show_vm_why, if (*row->why) buf_addf(ret, "%s\n", row->why))
SHOW_VM(show_vm_backend, buf_addf(ret, "%s\n", row->backend))
SHOW_VM(show_vm_image, buf_addf(ret, "%s\n", *row->image ? row->image : "host"))
SHOW_VM(show_vm_label, if (*row->label) buf_addf(ret, "%s\n", row->label))
SHOW_VM(show_vm_boot, buf_addf(ret, "%.3f\n", (double)row->boot_ns / 1e6))
SHOW_VM(show_vm_uptime,
        if (row->lives) buf_addf(ret, "%lld\n", (long long)((now_ns() - row->created_at) / 1000000)))

/* What its label bounds, else what the host has. */
static void bounds(struct fs *fs, const struct machine_row *row, struct machine_label *ret)
{
    struct machine_spec spec;

    if (!*row->label || label_spec(fs->store, row->label, ret, &spec, NULL) < 0)
        *ret = (struct machine_label){0};
}

static void add_cpus(struct fs *fs, const struct machine_row *row, struct buf *ret)
{
    _machine_label_ struct machine_label label = {0};

    bounds(fs, row, &label);
    if (label.limits.cpu)
        buf_addf(ret, "%g\n", label.limits.cpu / 1000.0);
    else
        buf_addf(ret, "%ld\n", sysconf(_SC_NPROCESSORS_ONLN));
}

static void add_memory(struct fs *fs, const struct machine_row *row, struct buf *ret)
{
    _machine_label_ struct machine_label label = {0};
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    bounds(fs, row, &label);
    buf_addf(ret, "%llu\n", (unsigned long long)((label.limits.memory ? label.limits.memory : all) >> 20));
}

SHOW_VM(show_vm_cpus, add_cpus(fs, row, ret))
SHOW_VM(show_vm_memory, add_memory(fs, row, ret))

int show_vm_address(struct fs *fs, int64_t id, struct buf *ret)
{
    _buf_ struct buf limits = BUF_INIT;

    (void)machines_limits(fs->machines, id, &limits);
    if (strstr(buf_str(&limits), "network nat"))
        buf_adds(ret, "10.0.2.100\n"); /* slirp4netns gives every machine the same, behind the host's */
    return 0;
}

int show_vm_limits(struct fs *fs, int64_t id, struct buf *ret)
{
    int r = machines_limits(fs->machines, id, ret);

    return r == -ENOENT ? 0 : r; /* it is stopped */
}

static int add_transition(void *data, const char *state, const char *why, int64_t at)
{
    buf_add_time(data, at);
    buf_addf(data, " %s%s%s\n", state, *why ? ": " : "", why);
    return 0;
}

int show_vm_console(struct fs *fs, int64_t id, struct buf *ret)
{
    return store_each_transition(fs->store, id, add_transition, ret);
}

int show_vm_exec(struct fs *fs, int64_t id, struct buf *ret)
{
    (void)fs;
    (void)id;
    (void)ret;
    return 0;
}

int link_vm_last(struct fs *fs, int64_t id, struct buf *ret)
{
    int64_t last = store_last_command(fs->store, id);

    if (last <= 0)
        return -ENOENT;
    buf_adds(ret, "history/");
    return name_command(fs, last, ret);
}

int link_vm_job(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct machine_row *row = store_get_machine(fs->store, id);
    const struct job_row *job = row && row->job_id ? store_get_job(fs->store, row->job_id) : NULL;

    machine_row_unref(row);
    if (!job)
        return -ENOENT;
    buf_addf(ret, "../../runs/%lld/jobs/%s", (long long)job->run_id, job->key);
    job_row_unref(job);
    return 0;
}

int link_job_vm(struct fs *fs, int64_t id, struct buf *ret)
{
    int64_t machine = store_find_job_machine(fs->store, id);
    const struct machine_row *row = machine > 0 ? store_get_machine(fs->store, machine) : NULL;
    bool there = row && (row->lives || row->kept);

    if (there)
        buf_addf(ret, "../../../../vms/%s", row->title);
    machine_row_unref(row);
    return there ? 0 : -ENOENT;
}

int link_step_snapshot(struct fs *fs, int64_t id, struct buf *ret)
{
    const struct snapshot_row *snapshot =
        store_get_snapshot(fs->store, store_find_step_snapshot(fs->store, id));
    const struct machine_row *row = snapshot ? store_get_machine(fs->store, snapshot->machine_id) : NULL;
    bool there = row && (row->lives || row->kept) && *snapshot->name;

    if (there)
        buf_addf(ret, "../../../../../../vms/%s/snapshots/%s", row->title, snapshot->name);
    machine_row_unref(row);
    snapshot_row_unref(snapshot);
    return there ? 0 : -ENOENT;
}

#define SHOW_COMMAND(name, ...) SHOW(name, command, store_get_command, __VA_ARGS__)

SHOW_COMMAND(show_command, buf_addf(ret, "%s%s", row->command, str_ends(row->command, "\n") ? "" : "\n"))
SHOW_COMMAND(show_command_exit_code, if (row->exit_code >= 0) buf_addf(ret, "%d\n", row->exit_code))
SHOW_COMMAND(show_command_duration,
             buf_addf(ret, "%lld\n",
                      (long long)((row->exit_code >= 0 ? row->duration_ns : now_ns() - row->started_at) /
                                  1000000)))
SHOW(show_snapshot_created, snapshot, store_get_snapshot, {
    buf_add_time(ret, row->created_at);
    buf_addc(ret, '\n');
})
SHOW(show_snapshot_cost, snapshot, store_get_snapshot, buf_addf(ret, "%.3f\n", (double)row->cost_ns / 1e6))

/* ------------------------------------------------------------------------------------------------- verbs */

static int verb_pause(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    int r = machines_pause(fs->machines, id, err);

    (void)rest;
    machines_flush(fs->machines);
    return r;
}

static int verb_resume(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    int r = machines_resume(fs->machines, id, err);

    (void)rest;
    machines_flush(fs->machines);
    return r;
}

static int verb_stop(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    int r = vms_stop(fs->vms, id, err);

    (void)rest;
    machines_flush(fs->machines);
    return r;
}

static int verb_rollback(struct fs *fs, int64_t id, const char *rest, struct err *err)
{
    return vms_rollback(fs->vms, id, rest + strspn(rest, " \t"), err);
}

const struct verb vm_verbs[] = {
    {"pause", verb_pause, "nothing in it gets the processor"},
    {"resume", verb_resume, "it goes on"},
    {"stop", verb_stop, "ends it; its files stay, and the next exec boots it again"},
    {"rollback", verb_rollback, "its files become those of a snapshot"},
    {0},
};
