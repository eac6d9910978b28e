# A failing combination cancels its siblings, time limits end steps, cancel asks politely first.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 8 >"$M/config/slots"
echo host >"$M/config/labels/h"
cat >"$T/f.yml" <<'Y'
on: push
jobs:
  fast:
    runs-on: ubuntu-latest
    strategy: {matrix: {n: [1, 2]}}
    steps:
      - run: test ${{ matrix.n }} = 2 || { sleep 0.3; exit 1; }; exec sleep 60
  slow:
    runs-on: ubuntu-latest
    steps:
      - name: Slow
        timeout-minutes: 0.005
        run: exec sleep 60
      - if: failure()
        run: echo timed out
Y
n=$(rf_drop "$T/f.yml")
equal 'the failing one' failure "$(cat "$M/runs/$n/jobs/fast-1/conclusion")"
equal 'its sibling' cancelled "$(cat "$M/runs/$n/jobs/fast-2/conclusion")"
equal 'a step that takes too long' failure "$(cat "$M/runs/$n/jobs/slow/steps/01-slow/conclusion")"
contains 'says so' "$(cat "$M/runs/$n/jobs/slow/steps/01-slow/log")" "The action 'Slow' has timed out after"
contains 'goes on' "$(cat "$M"/runs/$n/jobs/slow/steps/02-*/stdout)" 'timed out'
cat >"$T/c.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          trap 'echo got INT; exit 3' INT
          echo ready
          while :; do sleep 0.05; done
      - run: echo not this
      - if: cancelled()
        run: echo cleaning up
  b:
    needs: a
    runs-on: ubuntu-latest
    steps: [{run: echo no}]
Y
cp "$T/c.yml" "$M/workflows/"
R=$M/runs/$(readlink "$M/runs/latest")
rf_wait 10 grep -q ready "$R/log"
echo cancel >"$R/ctl"
equal 'the reply' 'cancel: ok' "$(cat "$R/ctl")"
equal 'run' cancelled "$(cat "$R/wait")"
contains 'SIGINT came first' "$(cat "$R/log")" 'got INT'
equal 'what was next' 'skipped' "$(cat "$R"/jobs/a/steps/02-*/conclusion)"
contains 'cancelled()' "$(cat "$R"/jobs/a/steps/03-*/stdout)" 'cleaning up'
equal 'what needed it' cancelled "$(cat "$R/jobs/b/conclusion")"
refused sh -c "echo cancel > '$R/ctl'"
contains 'why not' "$(cat "$R/ctl")" 'already completed'
refused sh -c "echo dance > '$R/ctl'"
contains 'verbs' "$(cat "$R/ctl")" 'cancel, rerun, rerun-failed'
