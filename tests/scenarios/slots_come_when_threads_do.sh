# Slots that there are no threads for come by themselves as soon as there are; until then those that are there work.
. "$(dirname "$0")/lib.sh"
need_root
pids=/sys/fs/cgroup/pids
[ -d "$pids" ] || pids=/sys/fs/cgroup
group=$pids/runfs-test-$$
rf_mount
pid=$(daemon_pid)
{ mkdir "$group" && echo "$pid" >"$group/cgroup.procs"; } 2>/dev/null || skip 'a process cannot be put into a control group of its own here'
at_end+=(rf_umount 'rf_wait 10 rmdir "$group"')
[ -e "$group/pids.max" ] || skip 'control groups do not count processes here'
echo host >"$M/config/labels/here"
jobs() { # N: that many, of which each waits for all
    printf 'on: push\njobs:\n'
    for i in $(seq "$1"); do
        echo "  j$i: {runs-on: here, steps: [{run: 'touch $T/$1-$i; until [ \$(ls $T/$1-* | wc -l) = $1 ]; do sleep 0.02; done'}]}"
    done
}
workflow "$T/one.yml" true
sed -i 's/ubuntu-latest/here/' "$T/one.yml"
rf_drop "$T/one.yml" >/dev/null
echo 1 >"$group/pids.max"
echo 8 >"$M/config/slots"
rf_wait 10 grep -q 'no more workers can be started: 2 slots of 8 are there until they can' "$M/log"
echo max >"$group/pids.max"
jobs 8 >"$T/eight.yml"
n=$(rf_drop "$T/eight.yml")
file_is "$M/runs/$n/conclusion" success
