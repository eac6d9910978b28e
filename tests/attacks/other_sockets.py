# Open sockets that reach below or beside the network: the hypervisor's, raw ones, the kernel's ciphers.
# arch: x86_64
# own: sockets of its own kernel
import socket

for family, kind, name in ((40, socket.SOCK_STREAM, "vsock"), (38, socket.SOCK_SEQPACKET, "alg"),
                           (17, socket.SOCK_RAW, "packet"), (2, socket.SOCK_RAW, "raw")):
    for high in (0, 1 << 32):
        if syscall(41, family | high, kind, 255 if name == "raw" else 0) >= 0:
            reached(name)
