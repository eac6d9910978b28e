# Connect to any socket of the host that has a name in a file system.
# outside: [ ! -s "$CANARY_DIR/contacted" ]
import socket
import stat

names = [os.environ["SOCKET"], "/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/dev/log"]
for top, dirs, files in os.walk("/"):
    if top.startswith(("/proc", "/sys")) or top.count("/") >= 4:
        dirs.clear()
    for f in files:
        try:
            if stat.S_ISSOCK(os.lstat(os.path.join(top, f)).st_mode):
                names.append(os.path.join(top, f))
        except OSError:
            pass
for name in names:
    try:
        socket.socket(socket.AF_UNIX).connect(name)
        reached(name)
    except OSError:
        pass
