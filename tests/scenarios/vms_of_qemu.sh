# A label that maps to qemu runs a job in a virtual machine with its own kernel: booted once, copied then; with snapshots, rollback
# and pause, and nothing left of it when its job has ended.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
refused "$RUNFS" image build 'No Name' --state "$STATE"
vm_tiny_image
contains 'what images there are' "$("$RUNFS" image list --state "$STATE")" 'cloud-amd64'

rf_mount
refused sh -c "echo 'qemu:tiny network=host' >'$M/config/labels/vm'"
echo 'qemu:none' >"$M/config/labels/none"
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
printf 'on: push\njobs: {a: {runs-on: none, steps: [{run: uname}]}}\n' >"$T/none.yml"
n=$(rf_drop "$T/none.yml")
contains 'what is missing' "$(cat "$M/runs/$n/log")" "there is no image 'none'"

cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: vm
    steps:
      - run: uname -r; echo K=v >>"$GITHUB_ENV"
      - run: echo "$K" >kept; cat kept; exit 4
Y
n=$(rf_drop "$T/w.yml")
contains 'its own kernel' "$(step_out "$n" a 01)" cloud-amd64
equal 'from step to step' v "$(step_out "$n" a 02)"
equal 'its end' 4 "$(cat "$M/runs/$n/exit_code")"

# one that waits for a job has done what jobs begin with, and shows nothing of that
mkdir -p "$M/config/pool"
echo 1 >"$M/config/pool/vm"
is_warm() { grep -qsx active "$M"/vms/warm-vm*/status; } # looks anew each time at what there is
rf_wait 120 is_warm
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: ls -A /home/runner/work/_temp}]}}\n' >"$T/warm.yml"
n=$(rf_drop "$T/warm.yml")
file_is "$M/runs/$n/conclusion" success
equal 'what is there' _runner_file_commands "$(step_out "$n" a 01)"
rm "$M/config/pool/vm"
none_left() { [ -z "$(vm_tethers)" ]; }
rf_wait 10 none_left

# what there is to boot from
equal 'images' 'host tiny' "$(ls "$M/vms/images" | paste -sd ' ')"
I=$M/vms/images/tiny
file_is "$I/path" "$STATE/images/tiny"
file_has "$I/kernel" cloud-amd64
file_has "$I/digest" sha256-
file_is "$I/root" "${TESTS_SHARED:-$T}/tiny/vm-root.tar"
file_is "$I/packages" ''
equal 'its size' "$("$RUNFS" image list --state "$STATE" | awk '{print $2}')" "$(($(cat "$I/size") >> 20))"
file_has "$I/templates" 'memory=256M cpu=1 disk=8G network='
file_is "$M/vms/images/host/path" /
file_is "$M/vms/images/host/templates" ''
refused ls "$M/vms/images/none"

# by hand: as it was at a snapshot, memory and disk
V=$M/vms/mine
echo vm >"$M/vms/mine.label"
mkdir "$V"
do_in() { # SCRIPT -> what it says
    echo "$1" >"$V/exec"
    cat "$V/last/stdout"
}
do_in 'echo one >/root.txt; sync; echo memory >/dev/shm/m; echo 127.0.0.2 db >>/etc/hosts' >/dev/null
mkdir "$V/snapshots/clean"
do_in 'echo two 1<>/root.txt; sync; echo other >/dev/shm/m' >/dev/null # in the same block of the disk
equal 'after it' 'two other' "$(do_in 'echo $(cat /root.txt /dev/shm/m)')"
echo 'rollback clean' >"$V/ctl"
equal 'as it was' 'one memory' "$(do_in 'echo 3 >/proc/sys/vm/drop_caches; echo $(cat /root.txt /dev/shm/m)')"
contains 'names that it had' "$(do_in 'cat /etc/hosts')" '127.0.0.2 db'
echo pause >"$V/ctl"
echo resume >"$V/ctl"
equal 'after a pause' on "$(do_in 'echo on')"
if grep -q emulated "$I/templates"; then # what is translated once is translated for all that run the same program
    where=$(do_in 'read -r first </proc/self/maps; echo "${first%% *}"')
    equal 'where a program lies' "$where" "$(do_in 'read -r first </proc/self/maps; echo "${first%% *}"')"
fi
do_in 'printf -v x "%0100000d" 0; for i in {1..12}; do echo "$x" >/dev/ttyS0; done' >/dev/null
console=$(find "$STATE"/machines/m* -name console)
[ "$(stat -c %s "$console")" -le 1048576 ] || fail "what it printed fills the disk: $(stat -c %s "$console")"
[ "$(stat -c %s "$console")" -ge 1000000 ] || fail "what it printed is not there: $(stat -c %s "$console")"
rmdir "$V"
rf_wait 10 none_left

# a name that would lead out of the images, and a build that is cut short
refused sh -c "echo 'qemu:../tiny' >'$M/config/labels/vm'"
mkdir "$STATE/images/.building"
"$RUNFS" image build tiny --from "$T/vm-root.tar" --kernel "$KERNEL_PACKAGE" --state "$STATE" 2>/dev/null &
build=$!
children+=($build)
rf_wait 10 test -e "$STATE/images/.building/tree"
refused "$RUNFS" image rm tiny --state "$STATE"
kill -TERM $build
status=0
wait $build || status=$?
equal 'its end' 1 "$status"
equal 'what is left' 'sha256 tiny' "$(cd "$STATE/images" && ls -A | sed 's/-.*//' | paste -sd ' ')"
"$RUNFS" image rm tiny --state "$STATE"
equal 'nothing' '' "$(ls -A "$STATE/images")"
