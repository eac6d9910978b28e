/*
 * Virtual machines by qemu: `qemu[:IMAGE]`, of a microvm with two disks (the image, and one of its own), a
 * port to the agent, which is its process 1, and a serial line. They begin as copies of one that was booted
 * once (qemu_template.c); KVM is used where it works, else they are emulated.
 */
#include "core/machine/qemu.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "runfs/image.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { MEMORY_MIB = 512, MEMORY_LEAST_MIB = 128, DISK_GIB = 8, CPUS = 2, CPUS_MAX = 32, WAKE_MS = 60000 };
enum { OVERHEAD_MIB = 320, THREADS = 256 }; /* of qemu itself */
/* After the end of one the next is started ahead: who comes at once, or ends, is not held up by it. */
#define MOMENT_NS (1000000000LL / 10)

/* A machine's own. */
struct vm {
    struct qemu qemu;
    struct qemu_shape shape;
    struct qemu_template *template; /* borrowed; NULL: not found yet */
    struct qemu_files files;
    struct fds groups; /* cgroup.procs files that each qemu of it enters */
    unsigned taken;    /* snapshots */
};

/* ------------------------------------------------------------------------------------------------- the parts
 */

static int find_image(const struct machines *ms, const char *image, char **ret, struct err *err)
{
    _buf_ struct buf path = BUF_INIT, rootfs = BUF_INIT;

    if (image && *image == '/')
        buf_adds(&path, image);
    else
        buf_addf(&path, "%.*s/images/%s", (int)(strrchr(ms->scratch, '/') - ms->scratch), ms->scratch,
                 image ? image : "default");
    buf_addf(&rootfs, "%s/rootfs.ext4", buf_str(&path));
    if (!buf_ok(&path) || !buf_ok(&rootfs))
        return err_errno(err, -ENOMEM, "qemu");
    *ret = access(rootfs.ptr, R_OK) == 0 ? realpath(path.ptr, NULL) : NULL;
    if (*ret)
        return 0;
    if (image && *image == '/')
        return err_set(err, -ENOENT,
                       "there is no image in %s: it has to hold rootfs.ext4, kernel and modules/", image);
    return err_set(err, -ENOENT, "there is no image '%s': as root, `runfs image build %s` makes one",
                   image ? image : "default", image ? image : "default");
}

static int shape_of(const struct machines *ms, const struct machine_spec *spec, struct qemu_shape *ret,
                    struct err *err)
{
    const struct machine_limits *l = &spec->limits;

    ret->memory = l->memory ? l->memory & ~((2ULL << 20) - 1) : (uint64_t)MEMORY_MIB << 20;
    ret->disk = l->disk ? l->disk & ~((1ULL << 20) - 1) : (uint64_t)DISK_GIB << 30;
    ret->network = spec->network == MACHINE_NET_NAT;
    ret->cpus = l->cpu ? (l->cpu + 999) / 1000 : CPUS;
    return find_image(ms, spec->image, &ret->image, err);
}

/* A file of the machine's, for qemu's user. */
static int make_file(const char *dir, const char *name, int flags, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", dir, name);
    _close_ int fd =
        buf_ok(&path) ? open(path.ptr, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0600) : -1;
    if (fd < 0 || (geteuid() == 0 && fchown(fd, machine_root_id(), machine_root_id()) < 0))
        return err_errno(err, buf_ok(&path) ? -errno : -ENOMEM, "cannot make %s", buf_str(&path));
    return TAKE_FD(fd);
}

static int open_file(const struct machine *m, const char *name, struct err *err)
{
    _buf_ struct buf path = BUF_INIT;

    buf_addf(&path, "%s/%s", m->dir, name);
    int fd = buf_ok(&path) ? open(path.ptr, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return fd >= 0 ? fd : err_errno(err, buf_ok(&path) ? -errno : -ENOMEM, "the snapshot's %s", name);
}

static int copy_disk(int from, int to, struct err *err)
{
    int r = ftruncate(to, 0) < 0 ? -errno : sparse_copy(from, to);

    return r < 0 ? err_errno(err, r, "cannot copy the machine's disk") : 0;
}

int qemu_files_make(const char *dir, const struct qemu_template *t, struct qemu_files *ret, struct err *err)
{
    ret->console = make_file(dir, "console", O_EXCL | O_APPEND, err);
    ret->disk = ret->console < 0 ? -1 : make_file(dir, "disk", O_EXCL, err);
    return ret->disk < 0 ? err->code : copy_disk(t->disk, ret->disk, err);
}

/* ---------------------------------------------------------------------------------------------- its agent */

int qemu_wake(struct agent_client *c, const char *name, const struct limits *l, unsigned how, struct err *err)
{
    uint64_t seed[WAKE_SEED];
    _buf_ struct buf b = BUF_INIT;
    size_t begin = frame_begin(&b, FRAME_WAKE);

    if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
        return err_errno(err, -errno, "random numbers");
    wire_add_u64(&b, (uint64_t)now_ns());
    wire_add_str(&b, name ? name : usual_hostname);
    for (size_t i = 0; i < WAKE_SEED; i++)
        wire_add_u64(&b, seed[i]);
    wire_add_u32(&b, l ? l->want.pids : machine_limits_default.pids);
    wire_add_u32(&b, l ? l->want.files : machine_limits_default.files);
    wire_add_u32(&b, how | (l ? WAKE_FINAL | (l->files_asked ? WAKE_FILES_HOLD : 0) : 0));
    frame_end(&b, begin);
    if (!buf_ok(&b))
        return err_errno(err, -ENOMEM, "qemu");
    int r = client_send(c, b.ptr, b.len, err);
    return r == 0 ? agent_client_hello(c, WAKE_MS, err) : r;
}

/* The network that its process is in gets a way out, while its state is loaded and its agent wakes: in a
 * template nothing but that runs. */
struct linking {
    struct nat *nat;
    pid_t pid;
    pthread_t thread;
    bool begun;
    int r;
    struct err err;
};

static int link_up(struct nat *nat, pid_t pid, struct err *err)
{
    static const char *const names[] = {"net", "user"};
    int fds[2] = {-1, -1}, r = 0;

    for (int i = 0; r == 0 && i < 2; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, names[i]);
        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0)
            r = err_errno(err, -errno, "the machine's network");
    }
    if (r == 0)
        r = nat_start(nat, fds, true, err);
    cleanup_close(&fds[0]);
    cleanup_close(&fds[1]);
    return r;
}

static void *link_run(void *data)
{
    struct linking *l = data;

    l->r = link_up(l->nat, l->pid, &l->err);
    return NULL;
}

static int link_begin(struct linking *l, struct machine *m, struct err *err)
{
    struct vm *vm = m->own;

    *l = (struct linking){.nat = &m->nat, .pid = vm->qemu.pid};
    if (!vm->shape.network)
        return 0;
    int r = -pthread_create(&l->thread, NULL, link_run, l);
    l->begun = r == 0;
    return r < 0 ? err_errno(err, r, "the machine's network") : 0;
}

/* r: how all else went. */
static int link_end(struct linking *l, int r, struct err *err)
{
    if (!l->begun)
        return r;
    pthread_join(l->thread, NULL);
    l->begun = false;
    return r < 0 || l->r == 0 ? r : err_set(err, l->r, "%s", l->err.msg);
}

int qemu_speak(struct agent_client *c, int *agent, struct err *err)
{
    if (fcntl(*agent, F_SETFL, O_NONBLOCK) < 0)
        return err_errno(err, -errno, "qemu");
    return agent_client_open(c, TAKE_FD(*agent), -1, err);
}

/* Lets it go unless it runs, and speaks to the agent in it by `c`. r: how all else went. */
static int wake(struct machine *m, bool runs, struct agent_client *c, int r, struct err *err)
{
    struct vm *vm = m->own;

    if (r == 0 && !runs)
        r = qemu_go(&vm->qemu, err);
    agent_client_tell_end(c, "its qemu ended (killed, out of memory, or its kernel stopped)");
    return r == 0 ? qemu_wake(c, m->spec.name, &m->limits, 0, err) : r;
}

/* Starts qemu and loads the state. memory: -1: it is part of that. */
static int start(struct machine *m, int memory, int state, struct agent_client *c, struct err *err)
{
    struct vm *vm = m->own;
    struct qemu_parts parts = {.memory = memory,
                               .disk = vm->files.disk,
                               .console = vm->files.console,
                               .kernel = -1,
                               .initrd = -1,
                               .groups = &vm->groups,
                               .linked = vm->shape.network};
    struct linking linking;
    int agent = -1, r = qemu_start(m->ms, m->dir, &vm->shape, &parts, &vm->qemu, &agent, err);

    if (r < 0)
        return r;
    r = link_begin(&linking, m, err);
    if (memory < 0) /* what runs on in a snapshot is a stranger's: not before its network is filtered */
        r = link_end(&linking, r, err);
    if (r == 0)
        r = qemu_load(&vm->qemu, state, err);
    if (r == 0)
        r = qemu_speak(c, &agent, err);
    cleanup_close(&agent);
    r = wake(m, false, c, r, err);
    return link_end(&linking, r, err);
}

/* Goes on with what was started ahead: that directory becomes the machine's. */
static int start_ahead(struct machine *m, struct qemu_ahead *a, struct err *err)
{
    struct vm *vm = m->own;
    struct linking linking;

    vm->qemu = a->qemu;
    a->qemu = (struct qemu){.tether = -1, .qmp.fd = -1};
    vm->files = a->files;
    a->files = (struct qemu_files){-1, -1};
    if (rename(a->dir, m->dir) < 0)
        return err_errno(err, -errno, "cannot make %s", m->dir);
    free(TAKE(a->dir));
    int r = qemu_ahead_enter(a, &vm->groups, err);
    if (r < 0)
        return r;
    if (a->client.fd < 0 && (r = qemu_speak(&a->client, &a->agent, err)) < 0)
        return r;
    agent_client_swap(&m->client, &a->client);
    r = link_begin(&linking, m, err);
    r = wake(m, a->runs, &m->client, r, err);
    return link_end(&linking, r, err);
}

int qemu_reopen(int fd, struct err *err)
{
    char path[48];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_CLOEXEC);
    return again >= 0 ? again : err_errno(err, -errno, "qemu");
}

static int begin(struct machine *m, const struct machine_spec *spec, struct err *err)
{
    struct vm *vm = m->own;
    struct qemu_template *t = NULL;
    struct qemu_ahead *ahead = NULL;
    int r = qemu_template_get(m->ms, spec, &vm->shape, &t, err);

    if (r < 0)
        return r;
    vm->template = t;
    r = qemu_ahead_take(m->ms, t, spec, vm->groups.n > 0, &ahead, err);
    if (r < 0)
        return r;
    if (ahead) {
        r = start_ahead(m, ahead, err);
        qemu_ahead_release(m->ms, ahead);
        return r;
    }
    r = qemu_files_make(m->dir, t, &vm->files, err);
    _close_ int state = r == 0 ? qemu_reopen(t->state, err) : -1;
    if (r == 0 && state < 0)
        r = state;
    return r == 0 ? start(m, t->memory, state, &m->client, err) : r;
}

static int qemu_acquire(struct machines *ms, const struct machine_spec *spec, struct machine *m,
                        struct err *err)
{
    struct vm *vm = calloc(1, sizeof(*vm));
    struct err why = {0};

    if (!vm)
        return err_errno(err, -ENOMEM, "qemu");
    *vm = (struct vm){.qemu = {.tether = -1, .qmp.fd = -1}, .files = {-1, -1}};
    m->own = vm;
    vm->groups = m->limits.procs;
    m->limits.procs = (struct fds){0};
    int r = machine_set_paths(m, "", spec->workspace, &why);
    if (r == 0)
        r = shape_of(ms, spec, &vm->shape, &why);
    if (r == 0 && vm->shape.network)
        r = nat_works(&why);
    if (r == 0 && (r = scratch_dir(ms, AT_FDCWD, m->dir, 0711, geteuid())) < 0)
        err_errno(&why, r, "cannot make %s", m->dir);
    if (r == 0) {
        m->limits.want.memory = vm->shape.memory;
        m->limits.want.disk = vm->shape.disk;
        m->limits.want.cpu = spec->limits.cpu ? spec->limits.cpu : vm->shape.cpus * 1000;
        r = begin(m, spec, &why);
    }
    if (r == 0)
        r = agent_client_make_dirs(&m->client, spec->workspace, &why);
    if (r == 0) { /* not before: who waits is not held up by it */
        qemu_ahead_want(ms, vm->template, 0);
        qemu_template_keep(ms, vm->template);
    }
    return r < 0 ? err_set(err, r, "%s", why.msg) : 0;
}

int qemu_rehearse(struct agent_client *c, struct err *err)
{
    static const char *const argv[] = {
        "bash", "-c",
        "type -P rm >/dev/null && mkdir -p /home/runner/work/_temp/a/b && rm -r /home/runner/work/_temp/a\n"
        "true | cat",
        NULL};
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    struct machine_exec x = {.argv = argv, .env = env, .cwd = "/"};
    struct machine_result result = {0};
    int r = agent_client_exec(c, &x, &result, err);

    machine_result_release(&result);
    return r;
}

static int rehearse(struct machine *m, struct err *err)
{
    return qemu_rehearse(&m->client, err);
}

static void qemu_end(struct machine *m)
{
    struct vm *vm = m->own;

    qemu_stop(&vm->qemu);
    if (vm->template)
        qemu_ahead_want(m->ms, vm->template, MOMENT_NS);
    cleanup_close(&vm->files.disk);
    cleanup_close(&vm->files.console);
    fds_release(&vm->groups);
    free(vm->shape.image);
    free(vm);
}

/* ------------------------------------------------------------------------------------- pause, and snapshots
 */

static int qemu_pause(struct machine *m, bool pause, struct err *err)
{
    struct vm *vm = m->own;

    return qmp_call(&vm->qemu.qmp, pause ? "stop" : "cont", NULL, NULL, err);
}

/* The memory with the rest of the state, and the disk, as they are at one moment. */
static int qemu_snapshot(struct machine *m, const char *name, struct buf *ret_handle, struct err *err)
{
    struct vm *vm = m->own;
    unsigned n = ++vm->taken;
    char state_name[32], disk_name[32];
    struct err why = {0};

    (void)name; /* its row has that */
    snprintf(state_name, sizeof(state_name), "%u.state", n);
    snprintf(disk_name, sizeof(disk_name), "%u.disk", n);
    _close_ int state = make_file(m->dir, state_name, O_EXCL, err);
    _close_ int disk = state < 0 ? -1 : make_file(m->dir, disk_name, O_EXCL, err);
    if (disk < 0)
        return err->code;
    int r = qemu_save(&vm->qemu, state, err);
    if (r == 0)
        r = copy_disk(vm->files.disk, disk, err);
    if (qmp_call(&vm->qemu.qmp, "cont", NULL, NULL, &why) < 0)
        return err_set(err, -ECONNRESET, "%s", why.msg);
    if (r == 0)
        buf_addf(ret_handle, "%u", n);
    return r;
}

static int qemu_rollback(struct machine *m, const char *handle, struct err *err)
{
    struct vm *vm = m->own;
    char name[48];
    struct agent_client fresh;

    snprintf(name, sizeof(name), "%.20s.disk", handle);
    _close_ int disk = open_file(m, name, err);
    snprintf(name, sizeof(name), "%.20s.state", handle);
    _close_ int state = disk < 0 ? -1 : open_file(m, name, err);
    if (state < 0)
        return err->code;
    qemu_stop(&vm->qemu); /* a state is loaded into a fresh process only */
    nat_stop(&m->nat);
    agent_client_init(&fresh);
    int r = copy_disk(disk, vm->files.disk, err);
    if (r == 0)
        r = start(m, -1, state, &fresh, err);
    machine_lanes_end(m);
    if (r == 0)
        agent_client_swap(&m->client, &fresh);
    agent_client_close(&fresh);
    agent_client_release(&fresh);
    return r < 0 ? -ECONNRESET : 0;
}

/* ------------------------------------------------------------------------------------------------ the kind
 */

/* Only where a label asks: to enter a control group takes time. Beyond the machine's memory qemu has what it
 * translates the machine's code to, buffers, and a cache of what is read from the disk. */
static void qemu_around(const struct machine_limits *want, uint64_t ret[])
{
    ret[GROUP_MEMORY] = want->memory ? want->memory + ((uint64_t)OVERHEAD_MIB << 20) : 0;
    ret[GROUP_PIDS] = want->memory || want->cpu ? THREADS : 0;
}

static int qemu_check_label(const struct machine_label *l, struct err *err)
{
    if (l->image && *l->image != '/' && image_name_check(l->image, err) < 0)
        return -EINVAL;
    if (l->network == MACHINE_NET_HOST)
        return err_set(err, -EINVAL,
                       "the backend qemu has no such network: it takes network=nat and network=none");
    if (l->limits.cpu > CPUS_MAX * 1000)
        return err_set(err, -EINVAL, "a virtual machine takes cpu= up to %d", CPUS_MAX);
    if (l->limits.memory && l->limits.memory < (uint64_t)MEMORY_LEAST_MIB << 20)
        return err_set(err, -EINVAL, "a virtual machine needs memory=%dM at least", MEMORY_LEAST_MIB);
    if (l->limits.disk && l->limits.disk < 16ULL << 20)
        return err_set(err, -EINVAL, "a virtual machine needs disk=16M at least");
    return 0;
}

static int qemu_probe(struct machines *ms, struct err *err)
{
    (void)ms;
    return qemu_works(err);
}

static void qemu_explain(const struct machines *ms, const struct err *why, char *words, size_t size)
{
    (void)ms;
    snprintf(words, size, "%s",
             why ? why->msg
                 : "virtual machines with their own kernel, of images that `runfs image build` makes; KVM is "
                   "used if a first boot with it succeeds, else they are emulated");
}

const struct machine_ops machine_qemu = {.name = "qemu",
                                         .isolates = true,
                                         .elsewhere = true,
                                         .images = true,
                                         .own_network = true,
                                         .acquire = qemu_acquire,
                                         .around = qemu_around,
                                         .rehearse = rehearse,
                                         .end = qemu_end,
                                         .pause = qemu_pause,
                                         .snapshot = qemu_snapshot,
                                         .rollback = qemu_rollback,
                                         .check_label = qemu_check_label,
                                         .probe = qemu_probe,
                                         .explain = qemu_explain};
