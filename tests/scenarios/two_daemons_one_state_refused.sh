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
# a run beside a daemon has its state in TMPDIR, and leaves nothing there
"$RUNFS" mount "$T/third"
mounts+=("$T/third")
mkdir "$T/tmp"
TMPDIR=$T/tmp rf_run "$T/w.yml"
contains 'a run beside it' "$(cat "$T/out")" undisturbed
equal 'left in TMPDIR' '' "$(ls -A "$T/tmp")"
TMPDIR=$T/nowhere exits 1 "$RUNFS" run "$T/w.yml"
contains 'which directory is missing' "$(cat "$T/err")" "$T/nowhere"
