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
#elif defined(__aarch64__)
#define SECCOMP_ARCH AUDIT_ARCH_AARCH64
#endif

/* Programs of another architecture (32-bit) could name the calls by other numbers; those are few and pass. */
static int filter_calls(void)
{
#ifdef SECCOMP_ARCH
    struct sock_filter code[16 + 2 * ARRAY_LEN(denied)];
    const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_filter deny = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    unsigned short n = 0;

    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_ARCH, 1, 0);
    code[n++] = allow;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[i], 0, 1);
        code[n++] = deny;
    }
    /* A terminal's input must not be forged, and the hypervisor's sockets are not a job's. */
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 4, 0);
    code[n++] = allow;
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_VSOCK, 0, 1);
    code[n++] = deny;
    code[n++] = allow;
    struct sock_fprog program = {.len = n, .filter = code};
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
