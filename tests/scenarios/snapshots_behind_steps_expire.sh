# config/snapshot_days: what is older goes, with its files, and its job cannot be resumed any more; what is younger stays.
. "$(dirname "$0")/lib.sh"
need sqlite3
rf_mount
need_sandbox
echo on >"$M/config/snapshots"
refused sh -c "echo soon >'$M/config/snapshot_days'"
echo 3 >"$M/config/snapshot_days"
printf 'on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: echo 1 >f}, {name: fails, run: cat f; exit 1}]}}\n' >"$T/w.yml"
old=$(rf_drop "$T/w.yml")
young=$(rf_drop "$T/w.yml")
layers() { find "$STATE/machines/layers" -mindepth 1 -maxdepth 1 | wc -l; }
both=$(layers)
rf_umount
for row in "$old 4" "$young 2"; do
    set -- $row
    sqlite3 "$STATE/runfs.db" "UPDATE snapshots SET created_at = created_at - $2 * 86400 * 1000000000
        WHERE job_id IN (SELECT id FROM jobs WHERE run_id = $1)"
done
rf_mount
fewer() { [ "$(layers)" -lt "$both" ]; }
rf_wait 30 fewer
resume() { sh -c "echo resume >'$M/runs/$1/jobs/a/steps/02-fails/ctl'"; }
refused resume "$old"
contains 'why' "$(cat "$M/runs/$old/jobs/a/steps/02-fails/ctl")" snapshot
resume "$young"
ended "$young"
file_is "$M/runs/$young/attempt" 2
equal 'what came before' 1 "$(cat "$M/runs/$young"/jobs/a/steps/02-fails/stdout)"
