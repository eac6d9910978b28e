# Make namespaces by clone, clone3 and unshare, with flags whose upper half is not zero.
# arch: x86_64
# own: namespaces of its own kernel
NEW = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000, "cgroup": 0x2000000}
for name, flag in NEW.items():
    for high in (0, 1 << 32, 1 << 63):
        if syscall(272, flag | high) == 0:
            reached(f"unshare {name} {high:#x}")
        pid = syscall(56, flag | high | 17, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        if pid > 0:
            reached(f"clone {name} {high:#x}")
    args = (ctypes.c_uint64 * 11)(flag, 0, 0, 0, 17)
    pid = syscall(435, args, 64)
    if pid == 0:
        os._exit(0)
    if pid > 0:
        reached(f"clone3 {name}")
