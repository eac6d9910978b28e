# A state directory has one daemon: the second says who has it, and the first is not disturbed.
. "$(dirname "$0")/lib.sh"
rf_mount
exits 1 "$RUNFS" mount --state "$STATE" "$T/second"
contains 'who has it' "$(cat "$T/err")" "$(daemon_pid)"
if is_mounted "$T/second"; then fail 'mounted nevertheless'; fi
workflow "$T/w.yml" 'echo undisturbed'
n=$(rf_drop "$T/w.yml")
file_is "$M/runs/$n/conclusion" success
# another state at another place is another runner
"$RUNFS" mount --state "$T/other" "$T/second"
mounts+=("$T/second")
equal 'runs of the other' '' "$(ls "$T/second/runs" | grep '^[0-9]' || :)"
