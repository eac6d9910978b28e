# Use descriptors that the runner left open.
for fd in os.listdir("/proc/self/fd"):
    try:
        to = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        continue
    if int(fd) > 2 and not to.startswith("/proc/") and not to.endswith(".py"):
        reached(f"{fd}: {to}")
    if int(fd) <= 2 and not to.startswith(("pipe:", "/dev/null")):
        reached(f"{fd}: {to}")
