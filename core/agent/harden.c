/* What the processes of a machine lose for good before the first command runs. */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

/*
 * The capabilities that package managers, servers and debuggers need. All are over the machine's own user
 * namespace; SYS_ADMIN is left out, so mounts stay as they were made. NET_ADMIN would be good for nothing on
 * the host's network, and on one of the machine's own opens much of the kernel (filters, queues, interfaces,
 * the modules of these), in which ways out have been found again and again.
 */
static const int kept[] = {
    CAP_CHOWN,       CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,   CAP_FSETID,
    CAP_KILL,        CAP_SETGID,       CAP_SETUID,          CAP_SETPCAP,  CAP_NET_BIND_SERVICE,
    CAP_NET_RAW,     CAP_SYS_CHROOT,   CAP_SYS_PTRACE,      CAP_SYS_NICE, CAP_SYS_RESOURCE,
    CAP_AUDIT_WRITE, CAP_SETFCAP,      CAP_IPC_OWNER,       CAP_IPC_LOCK};

static bool is_kept(int cap, bool filtered)
{
    if (filtered && cap == CAP_NET_RAW) /* it would go round its network's filter */
        return false;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (kept[i] == cap)
            return true;
    return false;
}

static int drop_capabilities(bool filtered)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    for (int cap = 0; cap < 64; cap++) {
        if (is_kept(cap, filtered))
            data[cap / 32].permitted |= 1U << (cap % 32);
        else if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            if (errno != EINVAL)
                return -errno;
            break; /* the kernel knows no more */
        }
    }
    for (int i = 0; i < 2; i++)
        data[i].effective = data[i].permitted;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* ---------------------------------------------------------------------------------------------- Landlock */

/* The kernel's own header may be older than the kernel: Linux 6.18, include/uapi/linux/landlock.h. */
struct ruleset {
    uint64_t fs, net, scoped;
};
struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));
enum { FS_MAKE_CHAR = 1 << 6, FS_MAKE_BLOCK = 1 << 11, FS_REFER = 1 << 13 };
enum { SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2 };
enum { CREATE_VERSION = 1, RULE_PATH_BENEATH = 1 };
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* 0: none. */
static int landlock_version(void)
{
    long n = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

    return n < 0 ? 0 : (int)n;
}

/*
 * No signal and no abstract socket reaches out of the machine, whatever its network; no device can be made,
 * and, as for any process whose files are ruled by Landlock, no mount. Renaming is not meant to be.
 */
static int restrict_self(bool namespaces)
{
    int version = landlock_version();
    struct ruleset set = {.scoped = version >= 6 ? SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS : 0};
    struct path_rule rule = {.allowed = FS_REFER};
    size_t size = version >= 6 ? sizeof(set) : version >= 4 ? 16 : 8;

    if (version >= 2 && !namespaces)
        set.fs = FS_MAKE_CHAR | FS_MAKE_BLOCK | FS_REFER;
    if (!set.fs && !set.scoped)
        return 0;
    _close_ int fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (fd < 0)
        return -errno;
    if (set.fs) {
        _close_ int root = open("/", O_PATH | O_CLOEXEC);
        rule.parent = root;
        if (root < 0 || syscall(SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &rule, 0) < 0)
            return -errno;
    }
    return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}

/* -------------------------------------------------------------------------------------------- the whole */

static void set_limit(int which, uint64_t value)
{
    struct rlimit now;

    if (!value || getrlimit((__rlimit_resource_t)which, &now) < 0)
        return;
    now.rlim_cur = value < now.rlim_max ? value : now.rlim_max;
    now.rlim_max = now.rlim_cur;
    (void)setrlimit((__rlimit_resource_t)which, &now);
}

enum { ROOM_PART = 8, ROOM_LEAST = 8 };

/*
 * Where processes are counted now and then, the kernel's limit lies a little above that of the count: a crowd
 * that is stopped by the kernel falls back below its limit at once, often between two counts.
 */
static uint64_t processes_with_room(uint64_t limit)
{
    return limit ? limit + limit / ROOM_PART + ROOM_LEAST : 0;
}

uint64_t processes_without_room(uint64_t with_room)
{
    return with_room > ROOM_LEAST ? ((with_room - ROOM_LEAST) * ROOM_PART + ROOM_PART) / (ROOM_PART + 1) : 0;
}

void harden_limits(const struct spawn_request *r, bool counted)
{
    _close_ int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    struct rlimit core;

    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
    set_limit(RLIMIT_NOFILE, r->open_files ? r->open_files : 65536);
    set_limit(RLIMIT_NPROC, counted ? processes_with_room(r->processes) : r->processes);
    set_limit(RLIMIT_DATA, r->data);
    if (score >= 0) /* before the host's own processes, like the jobs of GitHub's runner */
        (void)!write(score, "500", 3);
    umask(022);
}

/* What can be done without any capability. */
static int shut_in(const struct filter *filter, bool namespaces, struct err *err)
{
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0); /* the host's stays behind */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, -errno, "cannot set no_new_privs");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) /* commands cannot trace us, nor take our descriptors */
        return err_errno(err, -errno, "cannot keep commands away from the agent");
    int r = restrict_self(namespaces);
    if (r < 0)
        return err_errno(err, r, "cannot enter a Landlock domain");
    r = filter_load(filter);
    return r < 0 ? err_errno(err, r, "cannot set the system call filter") : 0;
}

int agent_serve_sandboxed(int control)
{
    struct filter filter;
    struct err err = {0};

    if (filter_make(false, &filter, &err) < 0 || shut_in(&filter, false, &err) < 0) {
        fprintf(stderr, "runfs-agent: %s\n", err.msg);
        return 73;
    }
    return agent_serve(control, true);
}

int harden_process(const struct filter *filter, const struct spawn_request *q, struct err *err)
{
    int r = drop_capabilities(q->filtered);

    return r < 0 ? err_errno(err, r, "cannot drop capabilities") : shut_in(filter, q->namespaces, err);
}
