# Have the kernel signal a process outside: by F_SETOWN, or by a descriptor of it.
import fcntl
import socket

a, b = socket.socketpair()
for owner in (int(os.environ["DAEMON"]), -int(os.environ["DAEMON"])):
    try:
        fcntl.fcntl(a, fcntl.F_SETOWN, owner)
        fcntl.fcntl(a, 10, 9)  # F_SETSIG, SIGKILL
        fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)
        b.send(b"x")
        if owner > 0:
            reached("F_SETOWN")
    except OSError:
        pass
if syscall(434, int(os.environ["DAEMON"]), 0) >= 0:
    reached("pidfd_open")
