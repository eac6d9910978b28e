/* `runfs-agent vsock PORT`: listens in a virtual machine, and serves whoever connects, one after the other. A
 * connection that has gone, as all do when the machine is restored from a snapshot, makes room for the next.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <linux/vm_sockets.h>

#include "core/agent/agent.h"
#include "runfs/io.h"

int vsock_main(unsigned port)
{
    struct sockaddr_vm a = {.svm_family = AF_VSOCK, .svm_port = port, .svm_cid = VMADDR_CID_ANY};
    _close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4) < 0) {
        perror("runfs-agent vsock");
        return 126;
    }
    for (;;) {
        _close_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        pid_t pid = connection < 0 ? -1 : fork();
        if (pid == 0) {
            if (dup2(connection, 3) < 0)
                _exit(126);
            _exit(agent_serve(3, false));
        }
        if (pid > 0)
            (void)waitpid(pid, NULL, 0);
        else
            usleep(100000);
    }
}
