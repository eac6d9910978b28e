# kill -9 in the middle of a step: of qemu, of an agent (a sandbox's, a host's by SSH, a virtual machine with its kernel), of
# sshd, and of the daemon. Each run ends at once and says what happened, the others go on, and nothing is left anywhere.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
vm_tiny_image
rf_mount
need_sandbox
port=$(ssh_port)
ssh_serve one 127.0.0.1 "$port"
one_pid=${children[-1]}
ssh_add one 127.0.0.1 "$port"
echo 'sandbox memory=200M' >"$M/config/labels/box"
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
echo ssh:one >"$M/config/labels/far"
echo 4 >"$M/config/slots"
sleeper=765$$4321 # what all the steps do, told apart from any other's

for label in box vm far; do
    printf 'on: push\njobs: {a: {runs-on: %s, steps: [{run: echo begun; sleep %s}, {run: echo no}]}}\n' $label "$sleeper" >"$T/$label.yml"
done
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: kill -9 1; echo begun}, {run: echo b >/proc/sysrq-trigger; sleep %s}]}}\n' \
    "$sleeper" >"$T/fall.yml"

begin() { # FILE: drops it, and sets n to its run, in which a step runs
    n=$(rf_start "$T/$1.yml")
    rf_wait 30 grep -qx begun "$M/runs/$n/log"
    [ "$1" != far ] && [ "$1" != box ] || rf_wait 10 pgrep -xf "sleep $sleeper"
}
is_over() { # WHY: the run has failed, long before its step would have ended; other jobs do not notice
    ended "$n"
    file_is "$M/runs/$n/conclusion" failure
    contains 'what it had said' "$(step_out "$n" a 01)" begun
    lacks 'nothing after it' "$(cat "$M/runs/$n/log")" 'echo no'
    contains 'why' "$(cat "$M/runs/$n/log")" "$1"
    nothing_left
}
parent() { awk '/^PPid:/ {print $2}' "/proc/$1/status"; }
step_process() { pgrep -xf "sleep $sleeper"; }
here_left() { find "$STATE/machines" -mindepth 1 -maxdepth 1 -name '[mp][0-9]*'; }
there_left() { ls "$T/one/home/.cache/runfs/machines"; }
groups() { find /sys/fs/cgroup -path '*/runfs-*' -path "*-$daemon/*" -name 'm[0-9]*' 2>/dev/null; }
slirps() { grep -lsx slirp4netns /proc/[0-9]*/comm | while read -r f; do grep -lsF "$T" "${f%comm}environ" || :; done; }
nothing_runs() { # the dearest looks come last, and only where the others found nothing
    local look
    for look in step_process there_left vm_tethers groups slirps; do [ -z "$($look)" ] || return 1; done
}
nothing_left() { rf_wait 30 nothing_runs && rf_wait 10 nothing_here; }
nothing_here() { [ -z "$(here_left)" ]; }
daemon=$(daemon_pid)

begin vm
kill -KILL "$(pgrep -P "$(vm_tethers)" -f qemu-system)"
is_over 'its qemu ended'
begin vm
kill -KILL "$(vm_tethers)"
is_over 'its qemu ended'
begin fall
is_over 'its qemu ended'

begin far
pkill -KILL -P "$one_pid" # its session's sshd
is_over 'the connection to '
begin far
kill -KILL "$(parent "$(parent "$(step_process)")")" # of the step's shell: the agent
is_over 'its agent ended'
begin far
session=$(step_process)
until [ "$(cat "/proc/$session/comm")" = sshd ]; do session=$(parent "$session"); done
kill -KILL "$one_pid" # nobody listens there any more
wait "$one_pid" 2>/dev/null || :
ssh_serve one 127.0.0.1 "$port"
equal 'goes on' sleep "$(ps -o comm= -p "$(step_process)")"
kill -KILL "$session"
is_over 'the connection to '

begin box
kill -KILL "$(parent "$(parent "$(step_process)")")"
is_over 'its agent ended'

# the daemon, while all three run
begin box
box=$n
begin vm
vm=$n
begin far
kill -KILL "$daemon"
rf_wait 30 nothing_runs
rf_mount
rf_wait 10 nothing_here
for run in $box $vm $n; do
    file_is "$M/runs/$run/conclusion" interrupted
    contains 'what it had said' "$(step_out "$run" a 01)" begun
done
printf 'on: push\njobs: {a: {runs-on: "${{ matrix.on }}", strategy: {matrix: {on: [box, vm, far]}}, steps: [{run: echo still}]}}\n' >"$T/after.yml"
n=$(rf_drop "$T/after.yml")
file_is "$M/runs/$n/conclusion" success
