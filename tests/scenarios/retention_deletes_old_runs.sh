# retention_days: runs completed longer ago are deleted, with their logs; younger ones, and numbers, stay.
. "$(dirname "$0")/lib.sh"
need sqlite3
rf_mount
workflow "$T/w.yml" 'echo old'
for i in 1 2 3; do rf_drop "$T/w.yml" >/dev/null; done
rf_umount
columns=$(sqlite3 "$STATE/runfs.db" 'PRAGMA table_info(runs)' | cut -d'|' -f2 | grep -x completed_at) || skip 'the schema is another one'
sqlite3 "$STATE/runfs.db" "UPDATE runs SET completed_at = completed_at - 91*86400*1000000000 WHERE id < 3"
rf_mount
only_the_young() { [ "$(ls "$M/runs" | grep '^[0-9]')" = 3 ]; }
rf_wait 30 only_the_young
equal 'logs' 3.log "$(cd "$STATE/logs" && find . -name '*.log' -printf '%f\n')"
equal 'the next number' 4 "$(rf_drop "$T/w.yml")"
