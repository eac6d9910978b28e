# kill -9 of the daemon: finished runs are whole, what ran is interrupted with what it logged, queued runs run after all,
# and no process, mount or lock is left.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 1 >"$M/config/slots"
workflow "$T/done.yml" 'echo finished'
n=$(rf_drop "$T/done.yml")
workflow "$T/live.yml" "echo so far; exec sleep 987$$"
cp "$T/live.yml" "$M/workflows/"
live=$(readlink "$M/runs/latest")
rf_wait 10 grep -q '^so far' "$M/runs/$live/log"
rf_wait 10 pgrep -xf "sleep 987$$"
workflow "$T/queued.yml" 'echo waited in attempt $GITHUB_RUN_ATTEMPT'
cp "$T/queued.yml" "$M/workflows/"
queued=$(readlink "$M/runs/latest")
pid=$(daemon_pid)
marker=$(pgrep -xf "sleep 987$$")
kill -9 "$pid"
rf_wait 10 sh -c "! kill -0 $pid 2>/dev/null"
rf_wait 10 sh -c "! kill -0 $marker 2>/dev/null"
refused ls "$M/runs"
rf_mount
equal 'finished' success "$(cat "$M/runs/$n/conclusion")"
contains 'its log' "$(cat "$M/runs/$n/log")" finished
equal 'interrupted' interrupted "$(cat "$M/runs/$live/conclusion")"
equal 'its step' interrupted "$(cat "$M"/runs/$live/jobs/a/steps/01-*/conclusion)"
contains 'what it had logged' "$(cat "$M/runs/$live/log")" 'so far'
equal 'queued runs after all' success "$(cat "$M/runs/$queued/wait")"
file_is "$M/runs/$queued/attempt" 2
file_has "$M/runs/$queued/log" 'waited in attempt 2'
file_is "$M/runs/$queued/attempts/1/conclusion" interrupted
file_is "$M/runs/$queued/attempts/1/jobs/a/status" completed
file_is "$M/runs/$queued/attempts/1/jobs/a/conclusion" cancelled
equal 'scratch is gone' '' "$(find "$STATE/machines" -mindepth 2 -name workspace 2>/dev/null | head -1)"
grep -c " $M " /proc/mounts | grep -qx 1 || fail "mounts: $(grep " $M " /proc/mounts)"
if out=$("$RUNFS" mount --state "$STATE" "$T/other" 2>&1); then fail 'two daemons on one state'; fi
contains 'who has it' "$out" "$(daemon_pid)"
