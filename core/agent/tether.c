/* `runfs-agent tether [--network | --apart] [--groups FIRST:N] [--user ID:GROUP] DIRECTORY PROGRAM
 * ARGUMENT...`: runs a program until it ends or descriptor 3 does, so that what has no control socket of its
 * own does not outlive who started it. Of what it prints the first MiB is passed on: a guest decides how much
 * comes out of its console. With --network it is in an empty network of its own, which it has no right to
 * change; with --apart too, if this user may have one. With groups it is in the control groups whose
 * cgroup.procs files those descriptors are. With a user it has his rights, and one group more if that is not
 * 0. */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/io.h"
#include "runfs/str.h"

enum { PRINTED_MAX = 1024 * 1024 };

static int become(const char *user)
{
    unsigned id, group;

    if (!user)
        return 0;
    if (sscanf(user, "%u:%u", &id, &group) != 2 || id == 0)
        return -1;
    return setgroups(group ? 1 : 0, &(gid_t){group}) < 0 || setresgid(id, id, id) < 0 ||
                   setresuid(id, id, id) < 0
               ? -1
               : 0;
}

static int write_text(const char *path, const char *text)
{
    _close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

/* Who is not root may have one only below a user namespace, whose root he is. 1: he may not. */
static int leave_network(void)
{
    unsigned uid = geteuid(), gid = getegid();
    char map[32];

    if (uid == 0)
        return unshare(CLONE_NEWNET) < 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return 1;
    if (write_text("/proc/self/setgroups", "deny") < 0)
        return -1;
    snprintf(map, sizeof(map), "0 %u 1", uid);
    int r = write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", gid);
    return r < 0 || write_text("/proc/self/gid_map", map) < 0 ? -1 : 0;
}

struct options {
    bool network, apart;
    unsigned first_group, groups;
    const char *user;
};

/* The descriptors are not for the program. */
static int enter_groups(const struct options *o)
{
    for (unsigned i = 0; i < o->groups; i++) {
        if (write((int)(o->first_group + i), "0", 1) != 1)
            return -1;
        close((int)(o->first_group + i));
    }
    return 0;
}

/*
 * In a user namespace of an ordinary user the program is root of it, and so of the network, whose filter is
 * not its to change. Without any capability, and without a way to some, it is a user like any other.
 */
static int forgo_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};

    for (int cap = 0; cap < 64; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
            return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0 ? -1 : 0;
}

static pid_t start(char **argv, const struct options *o, bool forgo, int out)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    if (dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    if (enter_groups(o) < 0 || become(o->user) < 0 || (forgo && forgo_capabilities() < 0) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        perror("runfs-agent tether");
        _exit(126);
    }
    close(3);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

/* False: there will be no more. */
static bool pass_on(int from, size_t *printed)
{
    char bytes[16384];
    ssize_t n = read(from, bytes, sizeof(bytes));

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    size_t room = PRINTED_MAX - *printed, len = (size_t)n < room ? (size_t)n : room;
    *printed += len;
    (void)write_all(1, bytes, len);
    return n > 0;
}

/* How many arguments they take. */
static int take_options(int argc, char **argv, struct options *ret)
{
    int n = 0;

    ret->network = argc > n && str_eq(argv[n], "--network");
    ret->apart = ret->network || (argc > n && str_eq(argv[n], "--apart"));
    n += ret->apart;
    if (argc > n + 1 && str_eq(argv[n], "--groups") &&
        sscanf(argv[n + 1], "%u:%u", &ret->first_group, &ret->groups) == 2)
        n += 2;
    if (argc > n + 3 && str_eq(argv[n], "--user")) {
        ret->user = argv[n + 1];
        n += 2;
    }
    return n;
}

int tether_main(int argc, char **argv)
{
    struct options options = {0};
    int out[2];
    size_t printed = 0;

    int taken = take_options(argc, argv, &options);
    argv += taken;
    bool ordinary = geteuid() != 0;
    int stayed = options.apart ? leave_network() : 1;
    if (stayed < 0 || (stayed && options.network)) {
        perror("runfs-agent tether: a network of its own");
        return 126;
    }
    if (chdir(argv[0]) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        perror(argv[0]);
        return 126;
    }
    pid_t pid = start(argv + 1, &options, ordinary && !stayed, out[1]);
    close(out[1]);
    int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0) {
        perror("runfs-agent tether");
        if (pid > 0)
            (void)kill(pid, SIGKILL);
        return 126;
    }
    struct pollfd p[3] = {
        {.fd = 3, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}, {.fd = out[0], .events = POLLIN}};
    while (!p[0].revents && !p[1].revents) {
        if (poll(p, 3, -1) > 0 && p[2].revents && !pass_on(out[0], &printed))
            p[2].fd = -1;
    }
    (void)kill(pid, SIGKILL); /* it is not reaped, so it is still that process */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    while (printed < PRINTED_MAX && p[2].fd >= 0 && poll(&p[2], 1, 0) > 0 && pass_on(out[0], &printed))
        ;
    return 0;
}
