# Write to /proc/sys what is the whole host's.
# vm: late
# own: its own kernel
for f in kernel/panic kernel/modprobe kernel/hotplug kernel/sysrq kernel/randomize_va_space vm/drop_caches \
    vm/overcommit_memory fs/suid_dumpable fs/protected_symlinks kernel/yama/ptrace_scope fs/binfmt_misc/register \
    kernel/unprivileged_userns_clone kernel/threads-max net/core/somaxconn net/ipv4/ip_forward; do
    [ -e "/proc/sys/$f" ] || continue
    { cat "/proc/sys/$f" >/tmp/value && cat /tmp/value >"/proc/sys/$f"; } 2>/dev/null && reached "$f"
done
for f in /proc/sysrq-trigger /proc/irq/default_smp_affinity /proc/mtrr; do
    { echo 1 >"$f"; } 2>/dev/null && reached "$f"
done
true
