/*
 * What commands may use of a virtual machine, by its own kernel: a control group bounds processes and tells
 * what was killed for want of memory; resource limits bound files. Commands are root, so that group is out of
 * their sight: process 1 of the kernel, the keeper, stays outside and sets it; the agent is process 1 of a
 * namespace of processes below it, at the root of a namespace of control groups, whose own limits the kernel
 * lets nobody inside write (`nsdelegate`, Documentation/admin-guide/cgroup-v2.rst, "Delegation").
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/runfs" /* as the keeper sees it: the root of all groups inside */
#define STEPS GROUPS "/steps" /* as it is seen inside */
enum { AGENT_OOM = -1000 };   /* it is not what is killed for want of memory */

static int keeper = -1; /* in the agent: to it */
static bool inside;     /* this is that agent, or a lane of it */

static int write_text(const char *path, const char *text)
{
    _close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int mount_groups(void)
{
    return mount("cgroup", GROUPS, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate") < 0 ? -errno
                                                                                                  : 0;
}

/* ------------------------------------------------------------------------------------------------ the keeper
 */

/* All that this kernel has, for groups that steps make; two are needed here. */
static int enable_controllers(void)
{
    _buf_ struct buf all = BUF_INIT;
    char *rest = read_file(GROUPS "/cgroup.controllers", 4096, &all, NULL) == 0 ? all.ptr : NULL;

    for (char *name; rest && (name = strsep(&rest, " \n"));) {
        char word[64];
        snprintf(word, sizeof(word), "+%.60s", name);
        (void)write_text(GROUPS "/cgroup.subtree_control", word);
    }
    return write_text(GROUPS "/cgroup.subtree_control", "+memory +pids");
}

/* Its group, as descriptors: whoever writes by them has the rights that it had when they were opened. */
static int make_group(int *ret_pids, int *ret_procs)
{
    int r = mount_groups();

    if (r < 0)
        return r;
    r = enable_controllers();
    if (r == 0 && mkdir(GROUP, 0755) < 0)
        r = -errno;
    *ret_pids = r == 0 ? open(GROUP "/pids.max", O_WRONLY | O_CLOEXEC) : -1;
    *ret_procs = r == 0 ? open(GROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC) : -1;
    if (r == 0 && (*ret_pids < 0 || *ret_procs < 0))
        r = -errno;
    (void)umount2(GROUPS, MNT_DETACH);
    return r;
}

/* Until the agent closes its end, after which nobody can ask any more; then until it has ended. */
static void keep(int socket, int pids, pid_t agent)
{
    char text[24];

    for (;;) {
        ssize_t n = recv(socket, text, sizeof(text), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        int r = pwrite(pids, text, (size_t)n, 0) == n ? 0 : errno;
        (void)!send(socket, &r, sizeof(r), MSG_NOSIGNAL);
    }
    while (waitpid(agent, NULL, 0) < 0 && errno == EINTR)
        ;
}

static int enter_group(int procs)
{
    int r = write(procs, "0", 1) == 1 && unshare(CLONE_NEWCGROUP) == 0 ? mount_groups() : -errno;

    /* a group that has groups below it has no processes itself: theirs too are to be made there */
    if (r == 0 && mkdir(STEPS, 0755) < 0)
        r = -errno;
    if (r == 0)
        r = write_text(STEPS "/cgroup.procs", "0");
    return r == 0 ? write_text(GROUPS "/cgroup.subtree_control", "+memory +pids") : r;
}

int guest_keep(void (*agent)(void))
{
    int pids = -1, procs = -1, pair[2];
    int r = make_group(&pids, &procs);

    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = -errno;
    if (r < 0 || unshare(CLONE_NEWPID) < 0)
        return r < 0 ? r : -errno;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        char score[16];
        close(pair[0]);
        close(pids);
        keeper = pair[1];
        inside = true;
        r = mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? -errno
                                                                                       : enter_group(procs);
        close(procs);
        snprintf(score, sizeof(score), "%d", AGENT_OOM);
        if (r == 0)
            r = write_text("/proc/self/oom_score_adj", score);
        if (r == 0)
            agent();
        else
            dprintf(2, "runfs-agent: a place of its own: %s\n", strerrordesc_np(-r));
        _exit(1);
    }
    close(pair[1]);
    close(procs);
    keep(pair[0], pids, pid);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- the agent
 */

void guest_begin_child(void)
{
    if (inside)
        (void)write_text("/proc/self/oom_score_adj", "0");
}

static int limit_pids(uint32_t pids)
{
    int r = EPERM, len;
    char text[24];

    len = snprintf(text, sizeof(text), "%llu", (unsigned long long)pids + 1); /* the agent too */
    if (send(keeper, text, (size_t)len, MSG_NOSIGNAL) != len || recv(keeper, &r, sizeof(r), 0) != sizeof(r))
        return -errno;
    return -r;
}

/* For good, and for all that it starts: without it a limit of files is not raised again. */
static int forgo_resources(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];
    uint32_t bit = 1U << CAP_SYS_RESOURCE; /* of the first 32 */

    if (prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0) < 0 || syscall(SYS_capget, &header, caps) < 0)
        return -errno;
    caps[0].effective &= ~bit;
    caps[0].permitted &= ~bit;
    caps[0].inheritable &= ~bit;
    return syscall(SYS_capset, &header, caps) < 0 ? -errno : 0;
}

int guest_limit(uint32_t pids, uint32_t files, unsigned how)
{
    static uint32_t set_pids, set_files; /* a copy begins with those of what it was copied from */
    struct rlimit limit = {.rlim_cur = files, .rlim_max = files};
    int r = pids && pids != set_pids ? limit_pids(pids) : 0;

    if (r == 0 && files && files != set_files && setrlimit(RLIMIT_NOFILE, &limit) < 0)
        r = -errno;
    if (r < 0)
        return r;
    set_pids = pids;
    set_files = files;
    if (how & WAKE_FINAL)
        cleanup_close(&keeper);
    return how & WAKE_FILES_HOLD ? forgo_resources() : 0;
}

/* How often what the line begins with has happened. */
static uint64_t count(int fd, const char *event)
{
    char text[512];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *at = strstr(text, event);
    return at ? strtoull(at + strlen(event), NULL, 10) : 0;
}

/* Of the group that steps are in: what happens in those that they make is their own affair. Kernels
 * since 6.11 count where a limit is, those before where the process was that wanted one more. */
void guest_watch_open(struct guest_watch *w)
{
    w->memory = open(STEPS "/memory.events", O_RDONLY | O_CLOEXEC);
    w->pids = open(GROUPS "/pids.events.local", O_RDONLY | O_CLOEXEC);
    if (w->pids < 0)
        w->pids = open(STEPS "/pids.events", O_RDONLY | O_CLOEXEC);
    w->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool guest_watched(const struct guest_watch *w)
{
    return w->root >= 0;
}

void guest_watch_begin(struct guest_watch *w)
{
    w->killed = count(w->memory, "oom_kill ");
    w->refused = count(w->pids, "max ");
    w->full = false;
}

enum limit_kind guest_watch_look(struct guest_watch *w)
{
    w->full = w->full || file_system_full(w->root);
    if (count(w->memory, "oom_kill ") != w->killed)
        return LIMIT_MEMORY;
    return count(w->pids, "max ") != w->refused ? LIMIT_PIDS : LIMIT_NONE;
}
