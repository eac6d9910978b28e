/* `runfs-agent tether DIRECTORY PROGRAM ARGUMENT...`: runs a program until it ends or descriptor 3 does, so
 * that what has no control socket of its own does not outlive who started it. */
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

int tether_main(int argc, char **argv)
{
    (void)argc;
    if (chdir(argv[0]) < 0) {
        perror(argv[0]);
        return 126;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(3);
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    _close_ int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0) {
        perror("runfs-agent tether");
        if (pid > 0)
            (void)kill(pid, SIGKILL);
        return 126;
    }
    struct pollfd p[2] = {{.fd = 3, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    (void)kill(pid, SIGKILL); /* it is not reaped, so it is still that process */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}
