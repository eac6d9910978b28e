# Signal the daemon, and every process that there is.
# vm: late
kill -0 "$DAEMON" 2>/dev/null && reached "the daemon"
for pid in $(seq 2 300) "$PPID" -1; do [ "$pid" = $$ ] || kill -KILL -- "$pid" 2>/dev/null; done
true
