"""Answers where an SSH host should be, and sends packets of one type without end (RFC 4253, 6), as fast as they are taken, or SECONDS apart and short. Usage:
flood.py PORTFILE TYPE [SECONDS]
The type `nothing` takes connections and says nothing on them."""
import os, socket, sys, threading, time

SILENT = sys.argv[2] == "nothing"
KIND = 0 if SILENT else int(sys.argv[2])
APART = float(sys.argv[3]) if len(sys.argv) > 3 else 0
PAYLOAD = bytes([KIND]) + b"x" * (32 if APART else 32000)
PADDING = 8 + -(5 + len(PAYLOAD)) % 8
PACKET = (1 + len(PAYLOAD) + PADDING).to_bytes(4, "big") + bytes([PADDING]) + PAYLOAD + bytes(PADDING)


def flood(peer):
    try:
        while SILENT and peer.recv(4096):
            pass
        peer.sendall(b"SSH-2.0-flood\r\n")
        while True:
            peer.sendall(PACKET)
            time.sleep(APART)
    except OSError:
        peer.close()


server = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as f:
    f.write(str(server.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    threading.Thread(target=flood, args=(server.accept()[0],), daemon=True).start()
