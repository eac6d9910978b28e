# Whoever answers where a host should be has shown no key yet: what it sends without end neither fills the memory of runfs nor keeps
# it for longer than an honest host may take.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need ssh-keygen
rf_mount

MOST=${FLOOD_MIB:-200} # of memory, in MiB; a sanitizer wants more
serve() { # NAME TYPE [SECONDS]
    local name=$1
    shift
    "$PYTHON" "$here/tests/servers/flood.py" "$T/$name.port" "$@" 2>"$T/$name.log" &
    children+=("$!")
    rf_wait 10 test -s "$T/$name.port"
}
peak() { awk '/^VmHWM/ {print int($2 / 1024)}' "/proc/$1/status"; }
serve unknown 200 # of no known type: kept for whoever may ask for it
serve ignored 2   # SSH_MSG_IGNORE: passed over, one after the other
serve slow 2 0.1  # little at a time, for as long as it is listened to
serve silent nothing
declare -A why=([silent]='it takes connections, but says nothing on them' [unknown]='it sends and sends, but shows no key' [slow]='it took too long')
why[ignored]=${why[unknown]}

ssh-keygen -q -t ed25519 -N '' -f "$T/key"
cp "$T/key" "$M/config/identities/default"
for host in unknown ignored slow silent; do
    at=$(id -un)@127.0.0.1:$(cat "$T/$host.port")
    began=$SECONDS
    exits 1 "$RUNFS" host add "$host" "$at" --accept SHA256:any "$M"
    contains "$host: why" "$(cat "$T/err")" "ssh $at: cannot agree with it: ${why[$host]}"
    [ $((SECONDS - began)) -lt 45 ] || fail "$host: it was listened to for $((SECONDS - began)) s"

    printf '%s\nhostkey %s\n' "$at" "$(cut -d ' ' -f 1,2 "$T/key.pub")" >"$T/host"
    cp "$T/host" "$M/config/hosts/$host"
    echo "ssh:$host" >"$M/config/labels/$host"
    printf 'on: push\njobs: {a: {runs-on: %s, steps: [{run: echo in}]}}\n' "$host" >"$T/$host.yml"
    n=$(rf_drop "$T/$host.yml")
    file_is "$M/runs/$n/conclusion" failure
    contains "$host: why" "$(cat "$M/runs/$n/log")" "cannot agree with it: ${why[$host]}"
done

# who cancels does not wait for it
n=$(rf_start "$T/slow.yml")
rf_wait 20 grep -q in_progress "$M/runs/$n/jobs/a/status"
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
contains 'why' "$(cat "$M/runs/$n/log")" 'cannot agree with it: the job was cancelled'

most=$(peak "$(daemon_pid)")
[ "$most" -lt "$MOST" ] || fail "the daemon held $most MiB"
