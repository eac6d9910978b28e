# Steps are root in a virtual machine, and its limits hold all the same: they are neither raised nor left. What else root may do there,
# a step may: mount, set what the kernel runs with, make control groups of its own; and raise limits that its label does not say.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image "$VM_SMALL_SHAPE"
rf_mount
echo "qemu:tiny $VM_SMALL_SHAPE pids=40 files=100" >"$M/config/labels/vm"
echo "qemu:tiny $VM_SMALL_SHAPE" >"$M/config/labels/plain"
try() { # NAME COMMAND: a step that says what became of it
    printf '      - {name: %s, if: always(), run: "%s"}\n' "$1" "$2"
}
{
    printf 'on: push\njobs:\n  a:\n    runs-on: vm\n    steps:\n'
    try raise 'echo 4000 >/sys/fs/cgroup/pids.max'
    try again 'mkdir /tmp/c && mount -t cgroup2 c /tmp/c && echo 4000 >/tmp/c/pids.max'
    try enter 'nsenter -t 1 -a bash -c \"mount -t cgroup2 c /tmp/c; echo 4000 >/tmp/c/pids.max\"'
    try below 'umount -l /sys/fs/cgroup && umount -l /proc; test -e /proc/1 -o -e /sys/fs/cgroup/pids.max'
    try restore 'mount -t proc proc /proc && mount -t cgroup2 c /sys/fs/cgroup && cat /sys/fs/cgroup/pids.max'
    try files 'ulimit -n 4000'
    try another 'prlimit --pid 1 --nofile=4000:4000'
    try these 'ulimit -n; prlimit --pid 1 --nofile --noheadings --output HARD'
    try many 'for i in {1..100}; do sleep 60 & done; wait'
    printf '  may:\n    runs-on: plain\n    steps:\n'
    try mount 'mkdir /tmp/t && mount -t tmpfs t /tmp/t && echo kept >/tmp/t/f && cat /tmp/t/f'
    try set 'echo 12345 >/proc/sys/kernel/pid_max && cat /proc/sys/kernel/pid_max; hostname other && hostname'
    try group 'mkdir /sys/fs/cgroup/own && echo 5 >/sys/fs/cgroup/own/pids.max && echo $$ >/sys/fs/cgroup/own/cgroup.procs && cat /proc/self/cgroup'
    try files 'ulimit -n 100000 && ulimit -n'
    try oom 'cat /proc/self/oom_score_adj; echo -500 >/proc/self/oom_score_adj'
} >"$T/w.yml"
n=$(rf_drop "$T/w.yml")
ended() { # JOB NAME CONCLUSION
    equal "$1: $2" "$3" "$(cat "$M/runs/$n/jobs/$1/steps/"*-"$2"/conclusion)"
}
said() { cat "$M/runs/$n/jobs/$1/steps/"*-"$2"/stdout; }
for name in raise again enter below files another many; do ended a $name failure; done
equal 'the limit' 41 "$(said a restore)" # and the agent
equal 'files' '100 100' "$(said a these | paste -sd ' ' | tr -s ' ')"
file_has "$M/runs/$n/jobs/a/log" '##[error]The step started too many processes (limit 40).'
for name in mount set group files oom; do ended may $name success; done
equal 'a file system' kept "$(said may mount)"
equal 'settings' '12345 other' "$(said may set | paste -sd ' ')"
equal 'a group' '0::/own' "$(said may group)"
equal 'more files' 100000 "$(said may files)"
equal 'who is killed for memory' 0 "$(said may oom)" # any command, rather than the agent
