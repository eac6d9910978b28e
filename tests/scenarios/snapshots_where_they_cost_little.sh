# config/snapshots: auto takes a snapshot behind a step only where that costs little beside the step and nothing gets lost, and
# keeps those of jobs that fail; off takes none. For root it is auto at first: directories can still be renamed then.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
if is_root; then file_is "$M/config/snapshots" auto; else file_is "$M/config/snapshots" off; fi
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - name: short
        run: mkdir -p dir/sub && echo x > dir/sub/f
      - name: long
        run: sleep 2
      - name: fails
        run: perl -e 'rename("dir", "moved") or die "$!\n"'; cat moved/sub/f; false
Y
for setting in auto off; do
    echo $setting >"$M/config/snapshots"
    n=$(rf_drop "$T/w.yml")
    took=$(cat "$M/runs/$n/jobs/a/steps/01-short/duration_ms") # on a busy machine it may be no short one
    [ "$took" -gt 20 ] || refused sh -c "echo resume >'$M/runs/$n/jobs/a/steps/02-long/ctl'"
    if [ $setting = auto ]; then
        if is_root; then equal 'renamed' x "$(step_out "$n" a 03)"; else contains 'not renamed' "$(step_out "$n" a 03)" 'cross-device'; fi
        echo resume >"$M/runs/$n/jobs/a/steps/03-fails/ctl"
        ended "$n"
        file_is "$M/runs/$n/attempt" 2
    else
        refused sh -c "echo resume >'$M/runs/$n/jobs/a/steps/03-fails/ctl'"
    fi
done
refused sh -c "echo sometimes >'$M/config/snapshots'"

# nobody goes on from a job that succeeded; what is in memory is not lost
echo auto >"$M/config/snapshots"
layers() { find "$STATE/machines/layers" -mindepth 1 -maxdepth 1 | wc -l; }
before=$(layers)
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - name: long
        run: sleep 0.5
      - name: memory
        run: echo in memory > /dev/shm/f; sleep 0.5
      - name: still
        run: cat /dev/shm/f
Y
n=$(rf_drop "$T/w.yml")
equal 'what was in memory' 'in memory' "$(step_out "$n" a 03)"
refused sh -c "echo resume >'$M/runs/$n/jobs/a/steps/02-memory/ctl'"
same_layers() { [ "$(layers)" = "$before" ]; }
rf_wait 10 same_layers
