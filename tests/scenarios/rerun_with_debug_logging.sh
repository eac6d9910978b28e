# A rerun may ask for debug logging, as GitHub's does: its steps know, and what they say in `::debug::` is shown.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: h
    steps:
      - run: |
          echo "RUNNER_DEBUG=$RUNNER_DEBUG runner.debug=${{ runner.debug }}"
          echo "::debug::deep inside"
Y
n=$(rf_drop "$T/w.yml")
log=$M/runs/$n/jobs/a/log
file_has "$log" 'RUNNER_DEBUG= runner.debug='
file_lacks "$log" '##[debug]'
echo 'rerun --debug' >"$M/runs/$n/ctl"
ended "$n"
file_has "$log" 'RUNNER_DEBUG=1 runner.debug=1'
file_has "$log" '##[debug]deep inside'
echo rerun >"$M/runs/$n/ctl"
ended "$n"
file_lacks "$log" '##[debug]'
echo 'rerun --debug' >"$M/runs/$n/jobs/a/ctl"
ended "$n"
file_has "$log" '##[debug]'
refused sh -c "echo 'rerun --verbose' >'$M/runs/$n/ctl'"
file_has "$M/runs/$n/ctl" "it takes --debug or nothing, not '--verbose'"
file_is "$M/runs/$n/attempt" 4
