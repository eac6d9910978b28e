# Set the host's clock, its name, its swap, its accounting; switch it off.
# vm: late
# arch: x86_64
# outside: [ "$(hostname)" != hacked ]
# own: its own clock, name and power
refused(("settimeofday", 164), ("clock_settime", 227), ("swapon", 167), ("swapoff", 168), ("acct", 163), ("reboot", 169),
        ("quotactl", 179), ("ioperm", 173), ("iopl", 172), ("vhangup", 153))
if libc.sethostname(b"hacked", 6) == 0:
    reached("sethostname")
