# A virtual machine reaches the world behind the host's address, and neither the host nor what clouds tell about it; after a
# rollback too. With network=none it has nothing but a loopback.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image "$VM_SMALL_SHAPE"
rf_mount
grep -q 'limit nat: works' "$M/status" || grep -q '^nat.*works' "$M/status" || "$RUNFS" doctor | grep -q '^ok *nat' ||
    skip 'network=nat does not work here'
other_network world 1
listen() { # ADDRESS COMMAND...: a server that says hello on port 8123, and notes who came
    local address=$1
    shift
    "$@" "$PYTHON" - "$address" "$T/contacted" <<'P' &
import socket, sys
s = socket.create_server((sys.argv[1], 8123))
open(sys.argv[2] + ".ready-" + sys.argv[1], "w")
while True:
    c, peer = s.accept()
    open(sys.argv[2], "a").write(f"{peer[0]} to {c.getsockname()[0]}\n")
    c.sendall(b"hello\n")
    c.close()
P
    children+=("$!")
    rf_wait 10 test -e "$T/contacted.ready-$address"
}
listen "$world_at" nsenter -t "$world_net" -n
listen "${world_at%.2}.1" # the host, on that link
listen 127.0.0.1

refused sh -c "echo 'qemu:tiny network=host' >'$M/config/labels/vm'"
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
echo "qemu:tiny $VM_SMALL_SHAPE" >"$M/config/labels/alone"
V=$M/vms/mine
echo vm >"$V.label"
mkdir "$V"
do_in() {
    echo "$1" >"$V/exec"
    cat "$V/last/stdout"
}
reach() { # ADDRESS: what it says there, or what bash says
    do_in "exec 2>&1; timeout 10 bash -c 'exec 3<>/dev/tcp/$1/8123 && cat <&3'" | sed 's/.*: //' | tail -n 1
}
file_has "$V/limits" 'network nat'
equal 'the world' hello "$(reach "$world_at")"
equal 'who came there' "${world_at%.2}.1 to $world_at" "$(cat "$T/contacted")"
rm "$T/contacted"
equal 'its resolver' 'nameserver 10.0.2.3' "$(do_in 'cat /etc/resolv.conf')"
for address in "${world_at%.2}.1" 10.0.3.2 10.0.2.2 127.0.0.1 169.254.169.254 100.100.100.200; do
    case $(reach "$address") in
    'Connection refused' | 'No route to host' | 'Network is unreachable' | 'Permission denied') ;;
    *) fail "$address: $(cat "$V/last/stdout")" ;;
    esac
done
[ ! -e "$T/contacted" ] || fail "the host was contacted: $(cat "$T/contacted")"

mkdir "$V/snapshots/clean"
do_in 'echo >/changed' >/dev/null
echo 'rollback clean' >"$V/ctl"
file_is "$V/status" rolled_back
equal 'the world, after a rollback' hello "$(reach "$world_at")"
rm "$T/contacted"
reach "${world_at%.2}.1" >/dev/null
[ ! -e "$T/contacted" ] || fail "the host was contacted: $(cat "$T/contacted")"
slirps() { grep -lsx slirp4netns /proc/[0-9]*/comm | while read -r f; do grep -qsF "$T" "${f%comm}environ" && echo "$f"; done | wc -l; }
equal 'one helper' 1 "$(slirps)"
rmdir "$V"
equal 'none is left' 0 "$(slirps)"

echo alone >"$V.label"
mkdir "$V"
file_has "$V/limits" 'network none'
equal 'alone' lo: "$(do_in 'while read -r name rest; do case $name in *:) echo $name ;; esac; done </proc/net/dev')"
equal 'nothing reached' 'Network is unreachable' "$(reach "$world_at")"
