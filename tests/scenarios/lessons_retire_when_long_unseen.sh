# A lesson whose failure was not met for as long as runs are kept is retired, and is there again when the failure is.
. "$(dirname "$0")/lib.sh"
need sqlite3
rf_mount
echo host >"$M/config/labels/h"
L=$M/knowledge/lessons
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: "echo fatal: the well is dry >&2; exit 3"}]}}\n' >"$T/dry.yml"
for i in 1 2 3; do rf_drop "$T/dry.yml" >/dev/null; done
equal 'learnt' fatal-the-well-is-dry.md "$(ls "$L")"
rf_umount
sqlite3 "$STATE/runfs.db" 'UPDATE failures SET last_seen = last_seen - 91 * 86400 * 1000000000'
rf_mount
equal 'retired' '' "$(ls "$L")"
refused cat "$L/fatal-the-well-is-dry.md"
file_is "$M/knowledge/failures/fatal-the-well-is-dry/count" 3
echo 365 >"$M/config/retention_days"
equal 'not yet, where runs are kept for longer' fatal-the-well-is-dry.md "$(ls "$L")"
rm "$M/config/retention_days"
rf_drop "$T/dry.yml" >/dev/null
file_has "$L/fatal-the-well-is-dry.md" '4 steps failed with it'
