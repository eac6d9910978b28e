# When a virtual machine is there, and when it has ended, the next one is started, as far as that goes without a job: who wants one then
# goes on with that. It is bounded like others, and nobody misses one that died.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image
rf_mount
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: read -r id </proc/sys/kernel/random/uuid && echo "$id"}]}}\n' >"$T/w.yml"
is_ahead() { grep -q ', one ahead$' "$M/vms/images/tiny/templates" && [ -n "$(vm_tethers ahead)" ]; }
job() { # prints what is random there
    local n
    n=$(rf_drop "$T/w.yml")
    file_is "$M/runs/$n/conclusion" success
    step_out "$n" a 01
}

first=$(job)
rf_wait 60 is_ahead
waits=$(vm_tethers ahead)

# one by hand is that one, as if it had been started now
V=$M/vms/mine
echo vm >"$V.label"
mkdir "$V"
equal 'which it is' "$waits" "$(vm_tethers)"
echo 'read -r id </proc/sys/kernel/random/uuid && echo "$id"' >"$V/exec"
[ "$(cat "$V/last/stdout")" != "$first" ] || fail 'two machines draw the same random numbers'
echo 'echo said >/dev/ttyS0' >"$V/exec"
rf_wait 10 grep -q said "$STATE/machines/$(basename "$(readlink "/proc/$waits/cwd")")/console"
if "$RUNFS" doctor | grep -q '^ok *memory'; then
    file_has "/proc/$(pgrep -P "$waits")/cgroup" /runfs-
fi
mkdir "$V/snapshots/clean"
echo 'echo kept >/root.txt; sync' >"$V/exec"
echo 'rollback clean' >"$V/ctl"
echo 'ls /root.txt' >"$V/exec"
[ "$(cat "$V/last/exit_code")" != 0 ] || fail 'a rollback leaves what was written'

# meanwhile another has been started, which dies
rf_wait 60 is_ahead
waits=$(vm_tethers ahead)
kill -KILL "$(pgrep -P "$waits")"
rf_wait 20 gone "$waits"
second=$(job)
[ "$second" != "$first" ] || fail 'two machines draw the same random numbers'
rmdir "$V"
rf_wait 60 is_ahead
rf_umount
none_left() { ! pgrep -f "tether.*$STATE/machines/" >/dev/null; }
rf_wait 10 none_left
