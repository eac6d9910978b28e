# The name of a host is asked for where nobody answers: the job fails in time and says so, who cancels does not wait for it, and the
# runner ends when it is told to. In namespaces of their own, whose only name server takes every question and says nothing.
# waits
if [ -z "${IN_NAMESPACES-}" ]; then
    . "$(dirname "$0")/lib.sh"
    need_root
    need ip
    unshare -mn true 2>"$T/why" || skip "no namespaces here: $(cat "$T/why")"
    IN_NAMESPACES=1 unshare -mn bash "$0"
    exit
fi
. "$(dirname "$0")/lib.sh"
need ssh-keygen
ip link set lo up
"$PYTHON" - "$T/asked" <<'END' &
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
with open(sys.argv[1], "wb", 0) as f:
    while True:
        f.write(s.recv(512) + b"\n")
END
children+=("$!")
rf_wait 10 test -e "$T/asked"
# five times half a minute, which nobody is to wait for
printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:5\n' >"$T/resolv.conf"
echo 'hosts: files dns' >"$T/nsswitch.conf"
mount --bind "$T/resolv.conf" "$(realpath /etc/resolv.conf)"
mount --bind "$T/nsswitch.conf" /etc/nsswitch.conf
rf_mount

ssh-keygen -q -t ed25519 -N '' -f "$T/key"
cp "$T/key" "$M/config/identities/default"
printf 'ci@build1.example\nhostkey %s\n' "$(cut -d ' ' -f 1,2 "$T/key.pub")" >"$T/host"
cp "$T/host" "$M/config/hosts/nowhere"
echo ssh:nowhere >"$M/config/labels/far"
printf 'on: push\njobs: {a: {runs-on: far, steps: [{run: echo in}]}}\n' >"$T/far.yml"

n=$(rf_drop "$T/far.yml") # or it takes longer than a run is waited for
file_is "$M/runs/$n/conclusion" failure
contains 'why' "$(cat "$M/runs/$n/log")" 'ssh ci@build1.example:22: its name was asked for, and no answer came'
grep -q build1 "$T/asked" || fail 'it was not asked for'
exits 1 "$RUNFS" host add other ci@build2.example --accept SHA256:any "$M"
contains 'why' "$(cat "$T/err")" 'its name was asked for'

n=$(rf_start "$T/far.yml")
rf_wait 20 grep -q in_progress "$M/runs/$n/jobs/a/status"
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
contains 'why' "$(cat "$M/runs/$n/log")" 'the job was cancelled'
