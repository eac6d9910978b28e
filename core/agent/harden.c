/* What the processes of a machine lose for good before the first command runs. */
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/agent/agent.h"

/*
 * The capabilities that package managers, servers and debuggers need. All are over the machine's own user
 * namespace; SYS_ADMIN is left out, so mounts stay as they were made (a step may still make a user namespace
 * of its own and mount there).
 */
static const int kept[] = {
    CAP_CHOWN,        CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,     CAP_FSETID,
    CAP_KILL,         CAP_SETGID,       CAP_SETUID,          CAP_SETPCAP,    CAP_NET_BIND_SERVICE,
    CAP_NET_RAW,      CAP_NET_ADMIN,    CAP_SYS_CHROOT,      CAP_SYS_PTRACE, CAP_SYS_NICE,
    CAP_SYS_RESOURCE, CAP_AUDIT_WRITE,  CAP_SETFCAP,         CAP_IPC_OWNER,  CAP_IPC_LOCK};

static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        data[kept[i] / 32].permitted |= 1U << (kept[i] % 32);
    for (int cap = 0; cap < 64; cap++)
        if (!(data[cap / 32].permitted & 1U << (cap % 32)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
            errno != EINVAL)
            return -errno;
    for (int i = 0; i < 2; i++)
        data[i].effective = data[i].permitted;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Calls that no build needs and that have been ways out of namespaces: they fail with EPERM. */
static const unsigned denied[] = {SYS_bpf,
                                  SYS_kexec_load,
                                  SYS_kexec_file_load,
                                  SYS_init_module,
                                  SYS_finit_module,
                                  SYS_delete_module,
                                  SYS_perf_event_open,
                                  SYS_userfaultfd,
                                  SYS_keyctl,
                                  SYS_add_key,
                                  SYS_request_key,
                                  SYS_open_by_handle_at,
                                  SYS_io_uring_setup,
                                  SYS_reboot,
                                  SYS_swapon,
                                  SYS_swapoff,
                                  SYS_acct,
                                  SYS_quotactl,
                                  SYS_settimeofday};

#if defined(__x86_64__)
#define SECCOMP_ARCH AUDIT_ARCH_X86_64
/* The same calls as 32-bit programs name them; any program may, by `int 0x80`. */
static const unsigned denied_i386[] = {357, 283, 128, 350, 129, 336, 374, 288, 286,
                                       287, 342, 425, 88,  87,  115, 51,  131, 79};
#elif defined(__aarch64__)
#define SECCOMP_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef SECCOMP_ARCH
struct filter {
    struct sock_filter code[128];
    unsigned short n;
};

#define ADD(f, ...) ((f)->code[(f)->n++] = (struct sock_filter)__VA_ARGS__)
#define LOAD(f, field) ADD(f, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field)))
/* Skips so many instructions when what was loaded compares (JEQ, JGE) to a value or does not. */
#define JUMP(f, how, value, yes, no) ADD(f, BPF_JUMP(BPF_JMP | BPF_##how | BPF_K, (value), (yes), (no)))
#define ALLOW(f) ADD(f, BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW))
#define DENY(f) ADD(f, BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM))

static void deny_calls(struct filter *f, const unsigned *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        JUMP(f, JEQ, calls[i], 0, 1);
        DENY(f);
    }
}

/* Native calls, those of 32-bit x86; programs of any other architecture cannot run here. */
static void filter_fill(struct filter *f)
{
    LOAD(f, arch);
    JUMP(f, JEQ, SECCOMP_ARCH, 2, 0);
    unsigned short foreign = f->n;
    JUMP(f, JEQ, 0, 0, 0);
    ALLOW(f);
    LOAD(f, nr);
#ifdef __x86_64__
    JUMP(f, JGE, 0x40000000, 0, 1); /* the x32 numbers of the same calls */
    DENY(f);
#endif
    deny_calls(f, denied, ARRAY_LEN(denied));
    /* A terminal's input must not be forged, and the hypervisor's sockets are not a job's. */
    JUMP(f, JEQ, SYS_ioctl, 0, 4);
    LOAD(f, args[1]);
    JUMP(f, JEQ, TIOCSTI, 0, 1);
    DENY(f);
    ALLOW(f);
    JUMP(f, JEQ, SYS_socket, 0, 3);
    LOAD(f, args[0]);
    JUMP(f, JEQ, AF_VSOCK, 0, 1);
    DENY(f);
    ALLOW(f);
#ifdef __x86_64__
    f->code[foreign] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386,
                                                    (uint8_t)(f->n - foreign - 1), 0);
    LOAD(f, nr);
    deny_calls(f, denied_i386, ARRAY_LEN(denied_i386));
    ALLOW(f);
#endif
}
#endif

static int filter_calls(void)
{
#ifdef SECCOMP_ARCH
    struct filter f = {0};

    filter_fill(&f);
    struct sock_fprog program = {.len = f.n, .filter = f.code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
        return errno == EINVAL ? 0 : -errno; /* a kernel without seccomp */
#endif
    return 0;
}

int harden_limits(void)
{
    struct rlimit files, core = {0, RLIM_INFINITY};

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        rlim_t want = files.rlim_max < 65536 ? files.rlim_max : 65536;
        files.rlim_cur = want;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
    umask(022);
    return 0;
}

int harden_process(struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, -errno, "cannot set no_new_privs");
    int r = drop_capabilities();
    if (r < 0)
        return err_errno(err, r, "cannot drop capabilities");
    r = filter_calls();
    return r < 0 ? err_errno(err, r, "cannot set the system call filter") : 0;
}
