# config/snapshots: auto takes a snapshot behind a step only where that costs little beside the step; off takes none.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - name: short
        run: 'true'
      - name: long
        run: sleep 2
      - name: fails
        run: 'false'
Y
for setting in auto off; do
    echo $setting >"$M/config/snapshots"
    n=$(rf_drop "$T/w.yml")
    if echo resume >"$M/runs/$n/jobs/a/steps/02-long/ctl"; then fail "a snapshot behind a short step ($setting)"; fi 2>/dev/null
    if [ $setting = auto ]; then
        echo resume >"$M/runs/$n/jobs/a/steps/03-fails/ctl"
        ended "$n"
        file_is "$M/runs/$n/attempt" 2
    else
        refused sh -c "echo resume >'$M/runs/$n/jobs/a/steps/03-fails/ctl'"
    fi
done
refused sh -c "echo sometimes >'$M/config/snapshots'"
