"""Answers where an SSH host should be, and sends packets of one type without end (RFC 4253, 6). Usage: flood.py PORTFILE TYPE"""
import os, socket, sys, threading

KIND = int(sys.argv[2])
PAYLOAD = bytes([KIND]) + b"x" * 32000
PADDING = 8 + -(5 + len(PAYLOAD)) % 8
PACKET = (1 + len(PAYLOAD) + PADDING).to_bytes(4, "big") + bytes([PADDING]) + PAYLOAD + bytes(PADDING)


def flood(peer):
    try:
        peer.sendall(b"SSH-2.0-flood\r\n")
        while True:
            peer.sendall(PACKET)
    except OSError:
        peer.close()


server = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as f:
    f.write(str(server.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    threading.Thread(target=flood, args=(server.accept()[0],), daemon=True).start()
