/*
 * One qemu. It is given all it works on as descriptors, so that it needs no paths and no rights: as root it
 * is another user's, it may start nothing, and `runfs-agent tether` ends it when this process ends.
 */
#include <fcntl.h>
#include <grp.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/machine/qemu.h"
#include "runfs/io.h"
#include "runfs/proc.h"
#include "runfs/str.h"

/* Where it has its descriptors. */
enum {
    FD_TETHER = 3,
    FD_QMP,
    FD_AGENT,
    FD_ROOTFS,
    FD_DISK,
    FD_CONSOLE,
    FD_MEMORY,
    FD_KERNEL,
    FD_INITRD,
    FD_GROUPS, /* and following */
    FD_END = FD_GROUPS + SPAWN_FDS
};

struct command_line {
    struct buf text; /* arguments, each with its NUL */
    size_t n;
};

static __attribute__((format(printf, 3, 0))) void vadd(struct command_line *c, const char *option,
                                                       const char *format, va_list ap)
{
    char value[512];
    int len = vsnprintf(value, sizeof(value), format, ap);

    if (option)
        buf_add(&c->text, option, strlen(option) + 1);
    if (len < 0 || (size_t)len >= sizeof(value))
        c->text.failed = true;
    else
        buf_add(&c->text, value, (size_t)len + 1);
    c->n += option ? 2 : 1;
}

static __attribute__((format(printf, 2, 3))) void arg(struct command_line *c, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vadd(c, NULL, format, ap);
    va_end(ap);
}

static __attribute__((format(printf, 3, 4))) void opt(struct command_line *c, const char *option,
                                                      const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vadd(c, option, format, ap);
    va_end(ap);
}

/*
 * Where each branch of the machine's code is translated when it is first taken, a kernel that does less
 * begins sooner: without stacked security modules, the accounting of its own memory and of pressure,
 * watchdogs, and what comes round each second. Programs that lie where they lay before are not translated
 * again: half of what it takes to run one.
 */
#define EMULATED_KERNEL                                                                                      \
    " norandmaps lsm=landlock,yama,bpf cgroup.memory=nokmem,nosocket psi=0 noautogroup nowatchdog "          \
    "init_on_alloc=0 transparent_hugepage=madvise sysctl.vm.compaction_proactiveness=0 "                     \
    "sysctl.vm.stat_interval=30"
/* Of what it offers, this is slower here than what is done without: a byte at a time, a fifth level of page
 * tables, and keys of pages, which are looked at at each access. */
#define EMULATED_CPU "max,erms=off,la57=off,pku=off,smap=off"

static void add_kernel(struct command_line *c, bool kvm, unsigned long tsc_khz)
{
    opt(c, "-kernel", "/proc/self/fd/%d", FD_KERNEL);
    opt(c, "-initrd", "/proc/self/fd/%d", FD_INITRD);
    opt(c, "-append",
        "console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable tsc_early_khz=%lu mitigations=off "
        "no_timer_check cryptomgr.notests nokaslr reboot=t%s",
        tsc_khz, kvm ? "" : EMULATED_KERNEL);
}

static void add_memory(struct command_line *c, const struct qemu_shape *s, const struct qemu_parts *p)
{
    unsigned long long mib = s->memory >> 20;

    if (p->memory >= 0)
        opt(c, "-object", "memory-backend-file,id=mem,size=%lluM,mem-path=/proc/self/fd/%d,share=%s", mib,
            FD_MEMORY, p->memory_shared ? "on" : "off");
    else
        opt(c, "-object", "memory-backend-ram,id=mem,size=%lluM", mib);
    opt(c, "-m", "%llu", mib);
}

static void add_disks(struct command_line *c)
{
    opt(c, "-drive", "id=d0,if=none,format=raw,readonly=on,file=/proc/self/fd/%d", FD_ROOTFS);
    opt(c, "-device", "virtio-blk-device,drive=d0,serial=root");
    opt(c, "-drive",
        "id=d1,if=none,format=raw,cache=unsafe,discard=unmap,file.locking=off,file=/proc/self/fd/%d",
        FD_DISK);
    opt(c, "-device", "virtio-blk-device,drive=d1,serial=scratch");
}

/* Behind the card is a network made by qemu, which speaks to the one that its process is in. */
static void add_network(struct command_line *c, const struct qemu_shape *s, const struct qemu_parts *p)
{
    if (!s->network)
        return;
    opt(c, "-netdev", "user,id=net,net=" GUEST_NET ",host=" GUEST_GATEWAY ",ipv6=off%s",
        p->linked ? "" : ",restrict=on");
    /* nobody has to hear that a copy begins: not from its kernel either */
    opt(c, "-device", "virtio-net-device,netdev=net,guest_announce=off");
}

static void add_channels(struct command_line *c)
{
    opt(c, "-chardev", "socket,id=qmp,fd=%d", FD_QMP);
    opt(c, "-mon", "chardev=qmp,mode=control");
    opt(c, "-device", "virtio-serial-device");
    opt(c, "-chardev", "socket,id=agent,fd=%d", FD_AGENT);
    opt(c, "-device", "virtserialport,chardev=agent,name=agent");
    /* what its kernel prints goes through the tether, which bounds it */
    opt(c, "-chardev", "stdio,id=console,signal=off");
    opt(c, "-serial", "chardev:console");
}

/* The group that may open /dev/kvm; 0: none is needed. */
static gid_t kvm_group(const struct qemu_shape *s)
{
    struct stat st;

    return s->kvm && stat("/dev/kvm", &st) == 0 ? st.st_gid : 0;
}

static void add_tether(struct command_line *c, const char *dir, const struct qemu_shape *s,
                       const struct qemu_parts *p)
{
    arg(c, "runfs-agent");
    arg(c, "tether");
    arg(c, p->linked ? "--network" : "--apart");
    if (p->groups && p->groups->n)
        opt(c, "--groups", "%d:%zu", FD_GROUPS, p->groups->n);
    if (geteuid() == 0) {
        opt(c, "--user", "%u:%u", (unsigned)machine_root_id(), (unsigned)kvm_group(s));
    }
    arg(c, "%s", dir);
    arg(c, "%s", QEMU_PROGRAM);
}

static void add_machine(struct command_line *c, const struct qemu_shape *s, const struct qemu_parts *p)
{
    /* with a second interrupt controller it has room for 24 devices, which each take time to make */
    opt(c, "-M", "microvm,acpi=on,rtc=on,pit=on,pic=on,ioapic2=off,x-option-roms=off,memory-backend=mem");
    opt(c, "-accel", "%s", s->kvm ? "kvm" : "tcg,thread=multi,tb-size=128");
    opt(c, "-cpu", "%s", s->kvm ? "host" : EMULATED_CPU);
    opt(c, "-smp", "%u", s->cpus);
    arg(c, "-nodefaults");
    arg(c, "-no-user-config");
    arg(c, "-no-reboot");
    opt(c, "-display", "none");
    opt(c, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add_memory(c, s, p);
    add_disks(c);
    add_network(c, s, p);
    add_channels(c);
    if (p->kernel >= 0) {
        add_kernel(c, s->kvm, p->tsc_khz);
    } else {
        opt(c, "-incoming", "defer");
    }
}

int qemu_arguments(const struct qemu_shape *s, bool boots, struct buf *ret)
{
    const struct qemu_parts parts = {
        .memory_shared = boots, .kernel = boots ? 0 : -1, .linked = !boots && s->network};
    struct command_line c = {0};

    add_machine(&c, s, &parts);
    const char *at = c.text.ptr;
    for (size_t i = 0; buf_ok(&c.text) && i < c.n; i++, at += strlen(at) + 1)
        buf_addf(ret, "%s%s", i ? " " : "", at);
    int r = buf_ok(&c.text) && buf_ok(ret) ? 0 : -ENOMEM;
    buf_release(&c.text);
    return r;
}

static int command_line(const char *dir, const struct qemu_shape *s, const struct qemu_parts *p,
                        struct command_line *c, const char ***ret, struct err *err)
{
    add_tether(c, dir, s, p);
    add_machine(c, s, p);
    const char **argv = calloc(c->n + 1, sizeof(*argv));
    if (!argv || !buf_ok(&c->text)) {
        free(argv);
        return err_errno(err, -ENOMEM, "qemu");
    }
    const char *at = c->text.ptr;
    for (size_t i = 0; i < c->n; i++, at += strlen(at) + 1)
        argv[i] = at;
    *ret = argv;
    return 0;
}

/* dup2 of descriptors that may be in each other's way: first all above, then down. */
static int spawn(struct machines *ms, const char *const *argv, const int fds[FD_END], pid_t *ret)
{
    _buf_ struct buf path = BUF_INIT;
    posix_spawn_file_actions_t fa;

    buf_addf(&path, "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    const char *const env[] = {buf_str(&path), NULL}; /* nothing of this process's own */
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    for (int i = FD_TETHER; i < FD_END; i++)
        if (fds[i] >= 0)
            posix_spawn_file_actions_adddup2(&fa, fds[i], i);
    posix_spawn_file_actions_adddup2(&fa, FD_CONSOLE, 1);
    posix_spawn_file_actions_adddup2(&fa, FD_CONSOLE, 2);
    posix_spawn_file_actions_addclose(&fa, FD_CONSOLE);
    posix_spawn_file_actions_addclosefrom_np(&fa, FD_END);
    int r = proc_spawn(ret, ms->agent, &fa, argv, env);
    posix_spawn_file_actions_destroy(&fa);
    return r;
}

/* Copies of the given descriptors with numbers that are not of the child's. */
static int lift(const int from[FD_END], int ret[FD_END])
{
    int r = 0;

    for (int i = 0; i < FD_END; i++) {
        ret[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, 64);
        if (from[i] >= 0 && ret[i] < 0)
            r = -errno;
    }
    return r;
}

static int launch(struct machines *ms, const char *dir, const struct qemu_shape *shape,
                  const struct qemu_parts *p, const int ends[3], struct qemu *q, struct err *err)
{
    struct command_line c = {0};
    _free_ const char **argv = NULL;
    _buf_ struct buf rootfs = BUF_INIT;
    int lifted[FD_END];

    buf_addf(&rootfs, "%s/rootfs.ext4", shape->image);
    _close_ int root = open(buf_str(&rootfs), O_RDONLY | O_CLOEXEC);
    if (root < 0)
        return err_errno(err, -errno, "cannot open %s", buf_str(&rootfs));
    int r = command_line(dir, shape, p, &c, &argv, err);
    if (r == 0) {
        int fds[FD_END] = {[0] = -1,
                           [1] = -1,
                           [2] = -1,
                           [FD_TETHER] = ends[0],
                           [FD_QMP] = ends[1],
                           [FD_AGENT] = ends[2],
                           [FD_ROOTFS] = root,
                           [FD_DISK] = p->disk,
                           [FD_CONSOLE] = p->console,
                           [FD_MEMORY] = p->memory,
                           [FD_KERNEL] = p->kernel,
                           [FD_INITRD] = p->initrd};
        for (size_t i = 0; i < SPAWN_FDS; i++)
            fds[FD_GROUPS + i] = p->groups && i < p->groups->n ? p->groups->list[i] : -1;
        r = lift(fds, lifted);
        if (r == 0)
            r = spawn(ms, argv, lifted, &q->pid);
        for (int i = 0; i < FD_END; i++)
            cleanup_close(&lifted[i]);
        if (r < 0)
            err_errno(err, r, "cannot start %s", QEMU_PROGRAM);
    }
    buf_release(&c.text);
    return r;
}

/* What it printed last is why it ended. */
static int say_ended(int console, struct err *err)
{
    _buf_ struct buf text = BUF_INIT;

    if (lseek(console, 0, SEEK_SET) < 0 || read_fd(console, 1 << 21, &text) < 0)
        buf_reset(&text);
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.ptr[--text.len] = '\0';
    const char *last = strrchr(buf_str(&text), '\n');
    last = last ? last + 1 : buf_str(&text);
    return err_set(err, -ECONNRESET, "qemu ended%s%.*s", *last ? ": " : "",
                   (int)utf8_valid_prefix(last, strnlen(last, 400)), last);
}

int qemu_start(struct machines *ms, const char *dir, const struct qemu_shape *shape,
               const struct qemu_parts *p, struct qemu *q, int *ret_agent, struct err *err)
{
    int pairs[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, r = 0;

    *q = (struct qemu){.tether = -1, .qmp.fd = -1};
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(pairs); i++)
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) < 0)
            r = err_errno(err, -errno, "qemu");
    if (r == 0)
        r = launch(ms, dir, shape, p, (const int[3]){pairs[0][1], pairs[1][1], pairs[2][1]}, q, err);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        cleanup_close(&pairs[i][1]);
    if (r == 0) {
        q->tether = TAKE_FD(pairs[0][0]);
        r = qmp_open(&q->qmp, TAKE_FD(pairs[1][0]), err);
        if (r == -ECONNRESET) {
            qemu_stop(q);
            r = say_ended(p->console, err);
        }
    }
    if (r == 0)
        *ret_agent = TAKE_FD(pairs[2][0]);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        cleanup_close(&pairs[i][0]);
    if (r < 0)
        qemu_stop(q);
    return r;
}

void qemu_stop(struct qemu *q)
{
    qmp_release(&q->qmp);
    if (q->tether < 0)
        return;
    cleanup_close(&q->tether);
    (void)waitpid(q->pid, NULL, 0);
}

int qemu_works(struct err *err)
{
    static const char *const needed[][2] = {{QEMU_PROGRAM, "qemu-system-x86"}, {"mke2fs", "e2fsprogs"}};

    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!proc_in_path(needed[i][0]))
            return err_set(err, -ENOENT, "the program %s is not in PATH: install %s", needed[i][0],
                           needed[i][1]);
    return 0;
}

/* Memory that is a file of many is not part of a state. qemu reads its monitor byte by byte, each a dozen
 * system calls: nothing is said that is not needed. */
static int prepare(struct qemu *q, struct err *err)
{
    return qmp_call(
        &q->qmp, "migrate-set-capabilities",
        json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "x-ignore-shared", "state", 1), NULL,
        err);
}

int qemu_save(struct qemu *q, int fd, struct err *err)
{
    int r = qmp_call(&q->qmp, "stop", NULL, NULL, err);

    if (r == 0)
        r = prepare(q, err);
    if (r == 0) /* as fast as it can be written */
        r = qmp_call(&q->qmp, "migrate-set-parameters",
                     json_pack("{s:I}", "max-bandwidth", (json_int_t)1 << 40), NULL, err);
    if (r == 0)
        r = qmp_pass(&q->qmp, "state", fd, err);
    if (r == 0)
        r = qmp_call(&q->qmp, "migrate", json_pack("{s:s}", "uri", "fd:state"), NULL, err);
    return r == 0 ? qmp_migrated(&q->qmp, err) : r;
}

int qemu_load(struct qemu *q, int fd, struct err *err)
{
    int r = prepare(q, err);

    if (r == 0)
        r = qmp_pass(&q->qmp, "state", fd, err);
    if (r == 0)
        r = qmp_call(&q->qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"), NULL, err);
    if (r == 0)
        r = qmp_migrated(&q->qmp, err);
    return r;
}

int qemu_go(struct qemu *q, struct err *err)
{
    return qmp_call(&q->qmp, "cont", NULL, NULL, err);
}
