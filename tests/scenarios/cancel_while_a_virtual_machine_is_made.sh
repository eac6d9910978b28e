# A job that waits for the virtual machine that is being started ahead ends when it is cancelled, not when that is there.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image
vm_hold
rf_mount
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: echo ran}]}}\n' >"$T/w.yml"

V=$M/vms/first
echo vm >"$V.label"
mkdir "$V" # others are copies of what it was booted from, the first of which is started now
is_ahead() { grep -q ', one ahead$' "$M/vms/images/tiny/templates"; }
rf_wait 60 is_ahead
touch "$T/bin/hold"
n=$(rf_drop "$T/w.yml") # takes it: when it has ended the next is being started, and does not get far
is_made() { [ -n "$(vm_tethers ahead)" ]; }
rf_wait 20 is_made
n=$(rf_start "$T/w.yml")
is_waiting() { grep -qsx initializing "$M"/vms/*/status; }
rf_wait 20 is_waiting
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
is_made || fail 'it ended because there was nothing to wait for'
file_has "$M/runs/$n/log" 'cancelled before its machine was there'
rm "$T/bin/hold"
rf_wait 60 is_ahead
n=$(rf_drop "$T/w.yml")
equal 'the next' ran "$(step_out "$n" a 01)"
