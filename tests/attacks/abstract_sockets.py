# Connect to an abstract socket of the host, which no file system guards.
# outside: [ ! -s "$CANARY_DIR/contacted" ]
import socket

for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
    s = socket.socket(socket.AF_UNIX, kind)
    try:
        s.connect(b"\0" + os.environ["ABSTRACT"].encode())
        s.send(b"hello from a job")
        reached(f"kind {kind}")
    except OSError:
        pass
for line in open("/proc/net/unix"):
    name = line.split()[-1]
    if not name.startswith("@"):
        continue
    try:
        socket.socket(socket.AF_UNIX).connect("\0" + name[1:])
        reached(name)
    except OSError:
        pass
