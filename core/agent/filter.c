/*
 * The system call filter of a machine, by libseccomp, for the native calls, those of 32-bit programs and, on
 * x86, x32. A denylist: what is refused has been a way out of namespaces, or reaches what a kernel has one
 * of. The spawner makes it once; a machine only loads it.
 */
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/agent/agent.h"
#include "runfs/err.h"
#include "runfs/io.h"

#define EACH(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What is the whole host's: its clock, modules, memory, accounts, devices, other programs' counters. */
static const char *const host_calls[] = {"acct",
                                         "add_key",
                                         "bpf",
                                         "clock_adjtime",
                                         "clock_adjtime64",
                                         "clock_settime",
                                         "clock_settime64",
                                         "create_module",
                                         "delete_module",
                                         "finit_module",
                                         "init_module",
                                         "io_uring_enter",
                                         "io_uring_register",
                                         "io_uring_setup",
                                         "ioperm",
                                         "iopl",
                                         "kexec_file_load",
                                         "kexec_load",
                                         "keyctl",
                                         "lookup_dcookie",
                                         "nfsservctl",
                                         "open_by_handle_at",
                                         "perf_event_open",
                                         "quotactl",
                                         "quotactl_fd",
                                         "reboot",
                                         "request_key",
                                         "settimeofday",
                                         "stime",
                                         "swapoff",
                                         "swapon",
                                         "syslog",
                                         "userfaultfd",
                                         "vhangup",
                                         "vm86",
                                         "vm86old",
                                         NULL};

/* What changes mounts or moves between namespaces. */
static const char *const namespace_calls[] = {
    "fsconfig",   "fsmount", "fsopen", "fspick",  "mount", "mount_setattr", "move_mount", "open_tree",
    "pivot_root", "setns",   "umount", "umount2", NULL};

static int deny(scmp_filter_ctx ctx, const char *const *names)
{
    int r = 0;

    for (; r == 0 && *names; names++) {
        int nr = seccomp_syscall_resolve_name(*names);
        if (nr != __NR_SCMP_ERROR) /* newer or older than this library: then the kernel's own checks stay */
            r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
    }
    return r;
}

/* With an argument whose low half, masked, is that: the kernel does not look at the high one. */
static int deny_argument(scmp_filter_ctx ctx, const char *name, unsigned arg, uint32_t mask, uint32_t value)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(name), 1,
                            SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value));
}

static int deny_namespaces(scmp_filter_ctx ctx)
{
    static const uint32_t kinds[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    int r = deny(ctx, namespace_calls);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(kinds); i++) {
        r = deny_argument(ctx, "clone", 0, kinds[i], kinds[i]);
        if (r == 0)
            r = deny_argument(ctx, "unshare", 0, kinds[i], kinds[i]);
    }
    if (r == 0) /* CLONE_NEWTIME, which in clone is part of a signal's number */
        r = deny_argument(ctx, "unshare", 0, 0x80, 0x80);
    if (r == 0) /* its flags are in memory; C libraries go on with clone */
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return r;
}

/* The hypervisor's sockets are not a job's, where there are any; the kernel's own ciphers nobody needs. */
static int deny_sockets(scmp_filter_ctx ctx)
{
    static const int families[] = {AF_VSOCK, AF_ALG};
    _close_ int vsock = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(families); i++)
        r = deny_argument(ctx, "socket", 0, UINT32_MAX, (uint32_t)families[i]);
#ifdef __x86_64__
    /* 32-bit programs may ask through a call whose arguments are in memory. That goes too where it matters.
     */
    if (r == 0 && vsock >= 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socketcall), 1, SCMP_A0(SCMP_CMP_EQ, 1));
#endif
    return r;
}

static int add_architectures(scmp_filter_ctx ctx)
{
#if defined(__x86_64__)
    int r = seccomp_arch_add(ctx, SCMP_ARCH_X86);

    return r == 0 ? seccomp_arch_add(ctx, SCMP_ARCH_X32) : r;
#elif defined(__aarch64__)
    return seccomp_arch_add(ctx, SCMP_ARCH_ARM);
#else
    (void)ctx;
    return 0;
#endif
}

static int fill(scmp_filter_ctx ctx, bool namespaces)
{
    int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));

    if (r == 0) /* a tree: the kernel tries every call there is when it loads the filter */
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (r == 0)
        r = add_architectures(ctx);
    if (r == 0)
        r = deny(ctx, host_calls);
    if (r == 0 && !namespaces)
        r = deny_namespaces(ctx);
    if (r == 0)
        r = deny_sockets(ctx);
    if (r == 0) /* a terminal's input must not be forged */
        r = deny_argument(ctx, "ioctl", 1, UINT32_MAX, TIOCSTI);
    return r == 0 ? deny_argument(ctx, "ioctl", 1, UINT32_MAX, TIOCLINUX) : r;
}

static int export_filter(scmp_filter_ctx ctx, struct filter *ret)
{
    _close_ int fd = memfd_create("filter", MFD_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    int r = seccomp_export_bpf(ctx, fd);
    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    size_t size = (size_t)st.st_size;
    if (size == 0 || size / sizeof(struct sock_filter) > UINT16_MAX)
        return -E2BIG;
    struct sock_filter *code = malloc(size);
    r = code ? read_exact(fd, code, size) : -ENOMEM;
    if (r < 0) {
        free(code);
        return r;
    }
    *ret = (struct filter){.code = code, .n = (unsigned short)(size / sizeof(*code))};
    return 0;
}

int filter_make(bool namespaces, struct filter *ret, struct err *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int r = ctx ? fill(ctx, namespaces) : -ENOMEM;

    if (r == 0)
        r = export_filter(ctx, ret);
    seccomp_release(ctx);
    return r < 0 ? err_errno(err, r, "cannot make the system call filter") : 0;
}

int filter_load(const struct filter *f)
{
    struct sock_fprog program = {.len = f->n, .filter = f->code};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
}
