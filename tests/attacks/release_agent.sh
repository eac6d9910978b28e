# Have the kernel run a program of ours when a control group is empty, and leave our limits.
# vm: late
# own: its own control groups
[ -z "$(ls -A /sys/fs/cgroup 2>/dev/null)" ] || reached "sees $(ls /sys/fs/cgroup | head -n 3 | xargs)"
mkdir -p /tmp/cg
for type in cgroup cgroup2; do mount -t $type -o memory x /tmp/cg 2>/dev/null && reached "$type"; done
for f in $(find /sys /tmp /proc/1 \( -name release_agent -o -name cgroup.procs -o -name notify_on_release \) 2>/dev/null | head); do
    { echo /tmp/evil >"$f"; } 2>/dev/null && reached "$f"
done
grep -q runfs /proc/self/cgroup && reached "its group's name"
true
