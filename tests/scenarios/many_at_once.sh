# A hundred workflows dropped by several writers at once: a hundred runs, each with its own output.
. "$(dirname "$0")/lib.sh"
rf_mount
for i in $(seq 100); do workflow "$T/w$i.yml" "echo number $i"; done
for k in 0 1 2 3; do
    (for i in $(seq $((k * 25 + 1)) $((k * 25 + 25))); do cp "$T/w$i.yml" "$M/workflows/"; done) &
done
wait
rf_wait 60 grep -q 'active_runs: 0' "$M/status"
equal runs 100 "$(runs)"
for i in 1 37 100; do
    n=$(ls "$M/runs/by-workflow/w$i.yml")
    contains "w$i" "$(cat "$M"/runs/$n/jobs/a/steps/01-*/stdout)" "number $i"
    equal "w$i" success "$(cat "$M/runs/$n/conclusion")"
done
equal 'none failed' '' "$(ls "$M/runs/failed")"
