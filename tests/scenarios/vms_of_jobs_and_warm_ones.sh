# A job's machine shows in vms/ while it lives; config/pool keeps machines warm that jobs then find booted.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo mark > here; until [ -e /tmp/go ]; do sleep 0.05; done\n' >"$T/w.yml"
cp "$T/w.yml" "$M/workflows/"
n=$(readlink "$M/runs/latest")
vm=$M/vms/run-$n-a
rf_wait 10 test -d "$vm"
rf_wait 10 grep -q executing "$vm/status"
file_is "$vm/backend" sandbox
file_is "$vm/label" ubuntu-latest
file_is "$vm/job/status" in_progress
equal 'the way back' "$(cd "$vm" && pwd -P)" "$(cd "$M/runs/$n/jobs/a/vm" && pwd -P)"
rf_wait 10 sh -c "grep -q mark '$vm'/rootfs/home/runner/work/*/*/here"
refused bash -c "echo ls > '$vm/exec'"
file_has "$vm/ctl" "a job's"
refused mkdir "$vm/snapshots/x"
refused rmdir "$vm"
echo pause >"$vm/ctl"
file_is "$vm/status" paused
echo resume >"$vm/ctl"
file_is "$vm/status" executing
echo stop >"$vm/ctl"
equal 'a job whose machine was stopped' failure "$(cat "$M/runs/$n/wait")"
rf_wait 10 test ! -e "$vm"
[ ! -e "$M/runs/$n/jobs/a/vm" ]

say 'a pool'
refused bash -c "echo many > '$M/config/pool/ubuntu-latest'"
echo 2 >"$M/config/pool/ubuntu-latest"
warm() { [ "$(find "$M/vms" -maxdepth 1 -name 'warm-*' | wc -l)" = "$1" ]; }
rf_wait 10 warm 2
workflow "$T/p.yml" 'pwd; hostname; ls -A; touch /home/runner/mine'
for i in 1 2 3; do
    n=$(rf_drop "$T/p.yml")
    file_is "$M/runs/$n/conclusion" success
    file_has "$M/runs/$n/jobs/a/log" runner
done
rf_wait 10 warm 2
rf_umount
rf_mount
rf_wait 10 warm 2
rm "$M/config/pool/ubuntu-latest"
rf_wait 10 warm 0
