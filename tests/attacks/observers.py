# Watch the kernel and other processes: perf, userfaultfd, the kernel's log.
# arch: x86_64
# own: its own kernel and processes
refused(("perf_event_open", 298), ("userfaultfd", 323), ("syslog", 103), ("lookup_dcookie", 212))
