# A real Firecracker, where there is one: a job, and a snapshot that its memory comes back from.
. "$(dirname "$0")/lib.sh"
need firecracker
[ -w /dev/kvm ] || skip '/dev/kvm cannot be opened here'
image=${RUNFS_FIRECRACKER_IMAGE:-}
[ -n "$image" ] || skip 'RUNFS_FIRECRACKER_IMAGE names no directory with kernel and rootfs.ext4 (docs/firecracker.md)'
rf_mount
echo "firecracker:$image" >"$M/config/labels/vm"
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: uname -r; exit 4}]}}\n' >"$T/w.yml"
n=$(rf_drop "$T/w.yml")
equal 'its end' 4 "$(cat "$M/runs/$n/exit_code")"
[ "$(step_out "$n" a 01)" != "$(uname -r)" ] || fail 'it has the kernel of the host'
echo vm >"$M/vms/box.label"
mkdir "$M/vms/box"
echo 'echo one >/tmp/f' >"$M/vms/box/exec"
mkdir "$M/vms/box/snapshots/s1"
echo 'echo two >/tmp/f' >"$M/vms/box/exec"
echo 'rollback s1' >"$M/vms/box/ctl"
echo 'cat /tmp/f' >"$M/vms/box/exec"
file_is "$M/vms/box/last/stdout" one
rmdir "$M/vms/box"
