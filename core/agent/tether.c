/* `runfs-agent tether [--network] [--user ID:GROUP] DIRECTORY PROGRAM ARGUMENT...`: runs a program until it
 * ends or descriptor 3 does, so that what has no control socket of its own does not outlive who started it.
 * Of what it prints the first MiB is passed on: a guest decides how much comes out of its console. With
 * --network it is in an empty network of its own. With a user it has his rights, and one group more if that
 * is not 0. */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
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

/* Who is not root may have one only below a user namespace, whose root he is. */
static int leave_network(void)
{
    unsigned uid = geteuid(), gid = getegid();
    char map[32];

    if (uid == 0)
        return unshare(CLONE_NEWNET);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || write_text("/proc/self/setgroups", "deny") < 0)
        return -1;
    snprintf(map, sizeof(map), "0 %u 1", uid);
    int r = write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", gid);
    return r < 0 || write_text("/proc/self/gid_map", map) < 0 ? -1 : 0;
}

static pid_t start(char **argv, const char *user, int out)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    if (dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    if (become(user) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
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

int tether_main(int argc, char **argv)
{
    int out[2];
    size_t printed = 0;

    bool network = str_eq(argv[0], "--network");
    argv += network;
    argc -= network;
    const char *user = argc > 3 && str_eq(argv[0], "--user") ? argv[1] : NULL;
    if (user)
        argv += 2;
    if (network && leave_network() < 0) {
        perror("runfs-agent tether: a network of its own");
        return 126;
    }
    if (chdir(argv[0]) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        perror(argv[0]);
        return 126;
    }
    pid_t pid = start(argv + 1, user, out[1]);
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
