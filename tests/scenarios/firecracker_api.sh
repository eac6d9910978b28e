# The firecracker backend speaks Firecracker's API as it is published: a server of it (tests/firecracker), which refuses what the
# API does not know, takes all that a job, a pause, snapshots and rollbacks ask, and its refusals are told in its own words.
. "$(dirname "$0")/lib.sh"
need_root
[ -w /dev/kvm ] || skip '/dev/kvm cannot be opened here'
unshare -m true 2>/dev/null || skip 'no namespaces can be made here'
mkdir "$T/bin" "$T/image"
ln -s "$here/tests/firecracker" "$T/bin/firecracker"
export FIRECRACKER_LOG=$T/requests FIRECRACKER_AGENT=$BUILD/runfs-agent FIRECRACKER_MEMORY_MAX=4096
PATH=$T/bin:$PATH rf_mount
refused sh -c "echo firecracker:$T/image >'$M/config/labels/vm'"
contains 'what an image is' "$(cat "$M/errors/config-labels" 2>/dev/null || cat "$M"/errors/config-*vm)" '`kernel` and `rootfs.ext4`'
touch "$T/image/kernel" "$T/image/rootfs.ext4"
refused sh -c "echo 'firecracker:$T/image network=nat' >'$M/config/labels/vm'"
echo "firecracker:$T/image memory=256M cpu=1" >"$M/config/labels/vm"

# a job
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: echo hi; echo K=v >>"$GITHUB_ENV"}, {run: echo $K; exit 4}]}}\n' >"$T/w.yml"
n=$(rf_drop "$T/w.yml")
equal 'its output' hi "$(step_out "$n" a 01)"
equal 'from step to step' v "$(step_out "$n" a 02)"
equal 'its end' 4 "$(cat "$M/runs/$n/exit_code")"
equal 'what was asked' "204 PUT /machine-config {\"vcpu_count\":1,\"mem_size_mib\":256,\"track_dirty_pages\":true}
204 PUT /boot-source {\"kernel_image_path\":\"$T/image/kernel\",\"boot_args\":\"console=ttyS0 reboot=k panic=1 pci=off quiet root=/dev/vda ro\"}
204 PUT /drives/rootfs {\"drive_id\":\"rootfs\",\"path_on_host\":\"$T/image/rootfs.ext4\",\"is_root_device\":true,\"is_read_only\":true}
204 PUT /entropy {}
204 PUT /vsock {\"guest_cid\":3,\"uds_path\":\"v.sock\"}
204 PUT /actions {\"action_type\":\"InstanceStart\"}" "$(cat "$T/requests")"
servers() { for pid in $(pgrep -f '^/usr/bin/python3 .*/firecracker '); do ! grep -qsF "FIRECRACKER_LOG=$T/" "/proc/$pid/environ" || echo "$pid"; done; }
none_left() { [ -z "$(servers)" ]; }
rf_wait 10 none_left

# the same in a jail, where there is a jailer: it knows its files by other names
ln -s "$here/tests/jailer" "$T/bin/jailer"
rm "$T/requests"
n=$(rf_drop "$T/w.yml")
equal 'its end in a jail' 4 "$(cat "$M/runs/$n/exit_code")"
equal 'what was asked' 'jailed
204 PUT /machine-config
204 PUT /boot-source
204 PUT /drives/rootfs' "$(sed 's/ {.*//' "$T/requests" | head -n 4)"
contains 'its kernel' "$(cat "$T/requests")" '"kernel_image_path":"kernel"'
rm "$T/bin/jailer"

# a machine by hand: pause, snapshot, rollback
rm "$T/requests"
echo vm >"$M/vms/box.label"
mkdir "$M/vms/box"
echo pause >"$M/vms/box/ctl"
file_is "$M/vms/box/status" paused
echo resume >"$M/vms/box/ctl"
mkdir "$M/vms/box/snapshots/s1"
echo 'echo after' >"$M/vms/box/exec"
file_is "$M/vms/box/last/stdout" after
mkdir "$M/vms/box/snapshots/s2" # of what has changed, laid over the first
memory=$(find "$STATE/machines" -name 2.memory)
equal 'the memory of the second' 'FDFF' "$(fold -w 65536 "$memory" | cut -c1 | tr -d '\n')"
equal 'what it was made of' '' "$(find "$STATE/machines" -name '*.changed')"
echo 'rollback s1' >"$M/vms/box/ctl"
file_is "$M/vms/box/status" rolled_back
echo 'echo again' >"$M/vms/box/exec"
file_is "$M/vms/box/last/stdout" again
equal 'what was asked' '204 PATCH /vm {"state":"Paused"}
204 PATCH /vm {"state":"Resumed"}
204 PATCH /vm {"state":"Paused"}
204 PUT /snapshot/create {"snapshot_type":"Full","snapshot_path":"1.state","mem_file_path":"1.memory"}
204 PATCH /vm {"state":"Resumed"}
204 PATCH /vm {"state":"Paused"}
204 PUT /snapshot/create {"snapshot_type":"Diff","snapshot_path":"2.state","mem_file_path":"2.changed"}
204 PATCH /vm {"state":"Resumed"}
204 PUT /snapshot/load {"snapshot_path":"1.state","mem_backend":{"backend_type":"File","backend_path":"1.memory"},"track_dirty_pages":true,"resume_vm":true}' \
    "$(sed 1,6d "$T/requests")"

# it dies in the middle of a step
sleeper=7655$$ # told apart from any other's
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: sleep %s}]}}\n' "$sleeper" >"$T/long.yml"
rmdir "$M/vms/box"
n=$(rf_start "$T/long.yml")
rf_wait 20 pgrep -xf "sleep $sleeper"
kill -KILL $(servers)
ended "$n"
file_is "$M/runs/$n/conclusion" failure
rf_wait 10 none_left
no_sleep() { ! pgrep -xf "sleep $sleeper"; }
rf_wait 10 no_sleep

# what it refuses is told in its words
echo "firecracker:$T/image memory=8G" >"$M/config/labels/vm"
n=$(rf_drop "$T/w.yml")
contains 'its words' "$(cat "$M/runs/$n/log")" 'PUT /machine-config: 400: The memory size (MiB) is invalid.'
rf_wait 10 none_left

# a daemon that is killed leaves none behind
echo "firecracker:$T/image" >"$M/config/labels/vm"
n=$(rf_start "$T/long.yml")
rf_wait 20 pgrep -xf "sleep $sleeper"
kill -KILL "$(daemon_pid)"
rf_wait 10 none_left

# what comes out of a console is bounded
mkfifo "$T/held"
exec 3<>"$T/held"
"$BUILD/runfs-agent" tether "$T" sh -c 'yes | head -c 3000000' >"$T/printed"
exec 3>&-
equal 'what is kept of it' 1048576 "$(stat -c %s "$T/printed")"
