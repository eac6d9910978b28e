# What a job sends to the mapped port of a service, which does not read it, lies in no process of the job's: it has a bound, however
# many connections there are, and that process goes before the host's own where memory is short. Another connection goes on meanwhile.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
need ss
busybox_root
image_of tool "$T/busybox"
mkdir -p "$STATE"
"$RUNFS" image pull "oci:$T/images/tool:it" tool --state "$STATE" >/dev/null 2>&1
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: host-network
    services:
      deaf: {image: tool, ports: [7], command: "nc -ll -p 7 -e sleep 1000", options: '--health-cmd "grep -q :0007 /proc/net/tcp /proc/net/tcp6" --health-interval 1s --health-retries 60'}
      heard: {image: tool, ports: [8], command: "nc -ll -p 8 -e cat", options: '--health-cmd "grep -q :0008 /proc/net/tcp /proc/net/tcp6" --health-interval 1s --health-retries 60'}
    steps:
      - run: |
          exec python3 -u - <<'P'
          import socket
          s = socket.create_server(("127.0.0.1", 0))
          print("ports ${{ job.services.deaf.ports['7'] }} ${{ job.services.heard.ports['8'] }}", s.getsockname()[1], "are open")
          s.accept()
          P
Y
rf_mount
need_sandbox
echo 'sandbox network=host' >"$M/config/labels/host-network"
n=$(rf_start "$T/w.yml")
said() { sed -n 's/.*ports \([0-9 ]*\) are open.*/\1/p' "$M/runs/$n/log" | tail -n 1; }
rf_wait 60 sh -c "grep -q '[0-9] are open' '$M/runs/$n/log'"
read -r deaf heard ending <<<"$(said)"
cat >"$T/flood.py" <<'P'
import re, resource, socket, subprocess, sys
deaf, heard, sockets, sent = int(sys.argv[1]), int(sys.argv[2]), [], 0
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
other = socket.create_connection(("127.0.0.1", heard))
for i in range(1500):
    s = socket.create_connection(("127.0.0.1", deaf))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 12)
    s.setblocking(False)
    sockets.append(s)
    try:
        while True:
            sent += s.send(bytes(1 << 16))
    except OSError:
        pass
print("sent %d MiB" % (sent >> 20))
other.sendall(b"hello\n")
assert other.recv(10) == b"hello\n"
lines = subprocess.run(["ss", "-tnmO", "state", "established", "sport", "=", ":%d" % deaf], capture_output=True, text=True).stdout
rooms = [int(r) + int(t) for r, t in re.findall(r"skmem:\(r\d+,rb(\d+),t\d+,tb(\d+)", lines)]
print("connections", len(rooms), "room of their sockets", sum(rooms) >> 20, "MiB")
assert 100 < len(rooms) <= 1024 + 129 and sum(rooms) <= 80 << 20
P
"$PYTHON" "$T/flood.py" "$deaf" "$heard" >"$T/said" 2>&1 || fail "$(cat "$T/said")"
say "$(cat "$T/said")"
if is_root; then
    pid=$(ss -tnlpH sport = ":$deaf" | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1)
    file_is "/proc/$pid/oom_score_adj" 500
fi
: <"/dev/tcp/127.0.0.1/$ending"
ended "$n"
file_is "$M/runs/$n/conclusion" success
