# A run that still waited when the daemon ended, and whose workflow cannot be read any more, fails with a sentence; one that cannot
# be written down at the moment is tried again. Neither stays queued for ever, where nobody could even cancel it.
. "$(dirname "$0")/lib.sh"
need sqlite3
write() { echo "$1" >"$2"; }
rf_mount
echo host >"$M/config/labels/here"
echo 1 >"$M/config/slots"
cat >"$T/slow.yml" <<'Y'
on: push
jobs: {a: {runs-on: here, steps: [{run: exec sleep 100}]}}
Y
cat >"$T/next.yml" <<'Y'
on: push
jobs:
  a: {runs-on: here, steps: [{run: echo ran}]}
  b: {runs-on: here, needs: a, steps: [{run: echo ran}]}
Y
slow=$(rf_start "$T/slow.yml")
lost=$(rf_start "$T/next.yml")
kept=$(rf_start "$T/next.yml")
rf_wait 10 grep -q in_progress "$M/runs/$slow/status"
file_is "$M/runs/$lost/status" queued
pid=$(daemon_pid)
kill -9 "$pid"
rf_wait 10 gone "$pid"
sqlite3 "$STATE/runfs.db" "UPDATE run_texts SET text = 'on: [' WHERE run_id = $lost AND which = (SELECT which FROM run_texts WHERE run_id = $lost AND text LIKE 'on: push%')"

say 'its workflow is gone'
rf_mount
file_is "$M/runs/$slow/conclusion" interrupted
ended "$lost"
file_is "$M/runs/$lost/conclusion" failure
file_has "$M/runs/$lost/why" 'the run cannot be taken up again: '
file_has "$M/runs/$lost/annotations" 'the run cannot be taken up again: '
file_is "$M/runs/$lost/jobs/a/conclusion" cancelled
file_is "$M/runs/$lost/jobs/b/conclusion" cancelled
ended "$kept"
file_is "$M/runs/$kept/conclusion" success
equal 'what runs' '' "$(ls "$M/runs/active")"
refused write rerun "$M/runs/$lost/ctl"

say 'it cannot be written down'
is_root || exit 0
rf_umount
mount -t tmpfs -o size=24m,mode=700 runfs-test "$STATE" || exit 0
at_end+=(rf_umount 'umount -l "$STATE"')
rf_mount
echo host >"$M/config/labels/here"
echo 1 >"$M/config/slots"
head -c 900000 /dev/zero | tr '\0' '#' >>"$T/next.yml"
slow=$(rf_start "$T/slow.yml")
kept=$(rf_start "$T/next.yml")
rf_wait 10 grep -q in_progress "$M/runs/$slow/status"
rf_umount
dd if=/dev/zero of="$STATE/fill" bs=4k 2>/dev/null || :
truncate -s -256K "$STATE/fill" # room for the daemon, but not for another attempt of that
rf_mount
file_has "$M/log" "$kept: the run cannot be taken up again: cannot write to the database: No space left on device: it is tried again"
file_is "$M/runs/$kept/status" queued
rm "$STATE/fill"
ended "$kept"
file_is "$M/runs/$kept/conclusion" success
equal 'what runs' '' "$(ls "$M/runs/active")"
