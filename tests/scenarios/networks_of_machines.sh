# network=none has nothing but a loopback, network=nat reaches the world but not the host; for root and for an ordinary user.
if [ "${1-}" != inside ] && [ "$(id -u)" = 0 ]; then # with a device that the ordinary user may open, in mounts of our own
    exec unshare -m --propagation private bash "$0" inside
fi
. "$(dirname "$0")/lib.sh"
if is_root; then
    mount -t tmpfs -o mode=755 net /dev/net
    (umask 0 && mknod -m 666 /dev/net/tun c 10 200)
fi
"$RUNFS" doctor >"$T/doctor" || :
grep -q '^ok *sandbox' "$T/doctor" || skip "$(grep sandbox "$T/doctor")"
grep -q '^ok *nat' "$T/doctor" || skip "$(grep ' nat ' "$T/doctor")"
host=$(ip -4 -o addr show scope global | awk '{ sub("/.*", "", $4); print $4; exit }')
[ -n "$host" ] || skip 'this host has no address but loopback'
$PYTHON - "$T/port" <<'P' &
import socket, sys, threading
def serve(s):
    while True:
        c, peer = s.accept()
        open(sys.argv[1] + ".contacted", "a").write(f"{peer}\n")
        c.close()
s = socket.socket()
s.bind(("0.0.0.0", 0))
s.listen(8)
open(sys.argv[1] + ".new", "w").write(str(s.getsockname()[1]))
import os
os.rename(sys.argv[1] + ".new", sys.argv[1])
serve(s)
P
children+=($!)
rf_wait 10 test -s "$T/port"
port=$(cat "$T/port")
$PYTHON -c "import socket; socket.create_connection(('$host', $port))"
rf_wait 10 test -s "$T/port.contacted" # the host itself gets there
rm "$T/port.contacted"
cat >"$T/n.yml" <<Y
on: push
jobs:
  none:
    runs-on: none
    steps:
      - run: |
          [ "\$(tail -n +3 /proc/net/dev | wc -l)" = 1 ]
          python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1); socket.create_connection(s.getsockname())'
          ! python3 -c 'import socket; socket.create_connection(("$host", $port), 3)' 2>/dev/null
  nat:
    runs-on: nat
    steps:
      - run: |
          grep -q tap0 /proc/net/dev
          cat /etc/resolv.conf
          python3 - <<'P'
          import errno, os, socket
          def reach(what, address, kind=socket.SOCK_STREAM, prepare=lambda s: None):
              s = socket.socket(socket.AF_INET, kind)
              s.settimeout(3)
              try:
                  prepare(s)
                  s.connect(address)
                  if kind == socket.SOCK_DGRAM:
                      s.send(b"x")
                  print("reached", what)
              except OSError as e:
                  print("not", what, errno.errorcode.get(e.errno, e))
          for name, address in {"host": "$host", "gateway": "10.0.2.2", "metadata": "169.254.169.254", "azure": "168.63.129.16",
                                "alibaba": "100.100.100.200"}.items():
              reach(name, (address, $port))
              reach(name + " by the device", (address, $port), prepare=lambda s: s.setsockopt(1, 25, b"tap0"))
          reach("resolver as something else", ("10.0.2.3", $port))
          reach("resolver", ("10.0.2.3", 53), socket.SOCK_DGRAM)
          reach("world", ("192.0.2.250", 9), socket.SOCK_DGRAM)
          try:
              socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
              print("reached frames")
          except OSError:
              print("not frames")
          P
          ! nft flush ruleset 2>/dev/null
          ! ip route add 198.51.100.1/32 dev tap0 2>/dev/null
Y
check() { # NAME COMMAND...: runs it as somebody
    local who=$1 file=$2 out
    shift 2
    out=$("$@" run --state "$T/state-$who" --label none='sandbox network=none' --label nat='sandbox network=nat' "$file" 2>&1) ||
        fail "$who: $out"
    contains "$who: its resolver" "$out" 'nameserver 10.0.2.3'
    for what in host gateway metadata azure alibaba; do
        contains "$who" "$out" "not $what EHOSTUNREACH"
        contains "$who" "$out" "not $what by the device"
    done
    contains "$who" "$out" 'not resolver as something else EHOSTUNREACH'
    contains "$who" "$out" 'reached resolver'
    contains "$who" "$out" 'reached world'
    contains "$who" "$out" 'not frames'
    [ ! -e "$T/port.contacted" ] || fail "$who: the host was contacted by $(cat "$T/port.contacted")"
}
check self "$T/n.yml" "$RUNFS"
if is_root; then
    as_user true
    cp "$T/n.yml" "$T/user/home/n.yml"
    mkdir -p "$T/state-user" && chown 31337 "$T/state-user"
    check user "$T/user/home/n.yml" as_user runfs
fi
# the helpers are gone with their machines
no_helpers() {
    local f
    for f in $(grep -lsx slirp4netns /proc/[0-9]*/comm); do
        tr '\0' '\n' <"${f%comm}environ" 2>/dev/null | grep -qsF "$T" && return 1
    done
    return 0
}
rf_wait 10 no_helpers
