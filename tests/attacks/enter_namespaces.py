# Enter the namespaces of other processes.
# own: namespaces of its own kernel
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    for name in ("user", "mnt", "net", "pid", "ipc", "uts", "cgroup", "time"):
        try:
            fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        except OSError:
            continue
        if libc.setns(fd, 0) == 0:
            reached(f"{pid} {name}")
        if libc.ioctl(fd, 0xB702) >= 0 or libc.ioctl(fd, 0xB701) >= 0:  # its parent, its owner
            print(f"a descriptor of the parent of {name}")
