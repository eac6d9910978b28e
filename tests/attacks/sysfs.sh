# Change a device or the kernel through /sys, or read what firmware tells.
# vm: last
# own: its own kernel and devices
for f in /sys/kernel/uevent_helper /sys/power/state /sys/kernel/profiling /sys/class/net/lo/mtu /sys/module/*/parameters/*; do
    [ -f "$f" ] || continue
    { echo 1 >"$f"; } 2>/dev/null && reached "$f"
done
for d in /sys/firmware /sys/kernel/debug /sys/kernel/tracing /sys/kernel/security /sys/fs/bpf; do
    [ -z "$(ls -A $d 2>/dev/null)" ] || reached "$d"
done
true
