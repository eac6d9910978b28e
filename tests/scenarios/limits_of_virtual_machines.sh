# A label's limits hold in a virtual machine too, after a rollback as well: a step that uses more ends with a sentence that says so,
# and a control group is around qemu.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image "$VM_SMALL_SHAPE"
rf_mount
refused sh -c "echo 'qemu:tiny cpu=33' >'$M/config/labels/vm'"
file_has "$M/errors/config-labels-vm" 'cpu= up to 32'
limits='memory=128M cpu=0.5 disk=32M pids=40 files=100 network=none'
echo "qemu:tiny $limits" >"$M/config/labels/vm"

job() { # NAME SCRIPT
    printf '  %s:\n    runs-on: vm\n    steps:\n      - run: |\n' "$1"
    printf '%s\n' "$2" | sed 's/^/          /'
}
{
    printf 'on: push\njobs:\n'
    job files 'ulimit -n'
    job pids 'for i in {1..100}; do sleep 60 & done; wait'
    job memory 'bash -c "x=aaaaaaaaaaaaaaaa; while :; do x=\$x\$x; done" || true; echo went on; sleep 60; echo and on'
    job disk 'head -c 50M /dev/zero >/big'
    job behind 'sleep 0.1'
    echo "      - {background: true, run: 'for i in {1..100}; do sleep 60 & done; wait'}"
    job fine 'head -c 20M /dev/zero >/big; for i in {1..30}; do sleep 0.1 & done; wait; echo fine'
} >"$T/l.yml"
n=$(rf_drop "$T/l.yml")
says() { # JOB SENTENCE CONCLUSION
    equal "$1" "$3" "$(cat "$M/runs/$n/jobs/$1/conclusion")"
    file_has "$M/runs/$n/jobs/$1/log" "$2"
}
equal 'files' 100 "$(step_out "$n" files 01)"
says pids '##[error]The step started too many processes (limit 40).' failure
says behind '##[error]The step started too many processes (limit 40).' failure
says memory '##[error]The step ran out of memory (limit 128M).' failure
lacks 'nothing of it goes on' "$(step_out "$n" memory 01)" 'and on'
says disk '##[error]The step filled its disk (limit 32M).' failure
says fine fine success

# by hand: what is in force, here and there, and after a rollback
V=$M/vms/mine
echo vm >"$V.label"
mkdir "$V"
mkdir "$V/snapshots/clean"
echo 'rollback clean' >"$V/ctl"
file_is "$V/status" rolled_back
echo 'ulimit -n; cat /sys/fs/cgroup/pids.max' >"$V/exec"
file_is "$V/last/stdout" "$(printf '100\n41')" # and the agent
for line in 'pids 40: a control group in the machine' 'disk 32M: all that the machine has' 'files 100: '; do file_has "$V/limits" "$line"; done
if "$RUNFS" doctor | grep -q '^ok *memory'; then
    file_has "$V/limits" 'memory 128M: all that the machine has, and a control group around'
    file_has "$V/limits" 'cpu 0.5: all that the machine has, and a control group around'
    qemu=$(pgrep -P "$(vm_tethers)")
    file_has "/proc/$qemu/cgroup" /runfs-
    group=$(basename "$(readlink "/proc/$qemu/cwd")") # named as its directory
    bound=$(find /sys/fs/cgroup -path "*/runfs-*-$(daemon_pid)/$group/memory.*" '(' -name memory.limit_in_bytes -o -name memory.max ')')
    file_is "$bound" $((448 << 20))
    grep -qx "$qemu" "${bound%/*}/cgroup.procs" || fail "$qemu is not in ${bound%/*}"
fi
rmdir "$V"
no_groups() { [ -z "$(find /sys/fs/cgroup -path "*/runfs-*-$(daemon_pid)/*" -name 'm[0-9]*')" ]; }
rf_wait 20 no_groups
