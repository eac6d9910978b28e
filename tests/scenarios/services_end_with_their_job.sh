# However a job ends, nothing of its services is left: when it is cancelled while they are waited for or while its steps run, and
# when the daemon is killed. A step that runs in spite of a cancel still has them.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
busybox_root
mark=$((RANDOM + 100000)).$$
image_of tool "$T/busybox"
rf_mount
need_sandbox
"$RUNFS" image pull "oci:$T/images/tool:it" tool --state "$STATE" >/dev/null 2>&1
free() { # a port of this host that nobody has by now
    $PYTHON -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
port=$(free)
echo 'sandbox network=host' >"$M/config/labels/hosts"
job() { # NAME OPTIONS
    cat <<Y
on: push
jobs:
  j:
    runs-on: hosts
    services:
      s:
        image: tool
        ports: ["$port:7"]
        command: sh -c "nc -ll -p 7 -e echo heard & exec sleep $mark"
        options: $2
    steps:
      - run: |
          until grep heard <"/dev/tcp/localhost/$port"; do sleep 0.1; done
          echo "it is there"
          exec sleep 1000
      - if: always()
        run: cat <"/dev/tcp/localhost/$port"
Y
}
serves() { pgrep -f "[s]leep $mark" && { [ -z "${1-}" ] || (exec 3<>"/dev/tcp/127.0.0.1/$port"); }; }
no_process() { ! pgrep -f "[s]leep $mark"; }
nothing_left() {
    rf_wait 20 no_process
    ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || fail 'its port is still there'
    equal 'machines' '' "$(find "$M/vms" -maxdepth 1 -name 'run-*' -exec sh -c 'test -e "$1/status" && ! grep -qE "completed|failed|gone|terminat" "$1/status" && echo "$1"' - {} \;)"
}

say 'cancelled while they are waited for'
job waits '--health-cmd "sleep 1000" --health-interval 1h --health-timeout 1h' >"$T/waits.yml"
n=$(rf_start "$T/waits.yml")
rf_wait 60 serves
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
nothing_left

say 'cancelled while a step runs'
job runs '--health-cmd true' >"$T/runs.yml"
n=$(rf_start "$T/runs.yml")
rf_wait 60 grep -qx 'it is there' "$M/runs/$n/log"
serves port >/dev/null || fail 'it does not serve'
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
contains 'a step that runs all the same' "$(cat "$M/runs/$n/log" | sed -n '/Run cat/,$p')" $'\nheard'
file_has "$M/runs/$n/log" 'Stop and remove container: s'
nothing_left

say 'the daemon is killed'
n=$(rf_start "$T/runs.yml")
rf_wait 60 grep -qx 'it is there' "$M/runs/$n/log"
pid=$(daemon_pid)
kill -KILL "$pid"
rf_wait 20 gone "$pid"
rf_wait 20 no_process
rf_wait 20 $PYTHON -c "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', $port)); s.listen()"
umount -l "$M" 2>/dev/null || fusermount3 -uz "$M"
mounts=()
rf_mount
rf_wait 20 sh -c "! ls '$STATE/machines' | grep '^m[0-9]'"
file_is "$M/runs/$n/conclusion" interrupted
