# What a job's machine went through is kept behind it: it ends as its job ended, completed or failed.
. "$(dirname "$0")/lib.sh"
need sqlite3
rf_mount
need_sandbox
workflow "$T/good.yml" true
workflow "$T/bad.yml" false
good=$(rf_drop "$T/good.yml")
bad=$(rf_drop "$T/bad.yml")
rf_umount
states() { # RUN
    sqlite3 "$STATE/runfs.db" "SELECT state FROM transitions WHERE machine_id IN (SELECT id FROM machines WHERE run_id = $1) ORDER BY id" | paste -sd' '
}
contains 'of a job that went well' "$(states "$good")" 'executing active completed terminating'
contains 'of one that failed' "$(states "$bad")" 'executing active failed terminating'
