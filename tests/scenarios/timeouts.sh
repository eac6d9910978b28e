# timeout-minutes of a job ends it wherever it is; a step's own ends the step; a nonsense one is an error.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 6 >"$M/config/slots"
cat >"$T/t.yml" <<'Y'
on: push
jobs:
  job:
    runs-on: ubuntu-latest
    timeout-minutes: ${{ 1 == 1 && 0.02 }}
    steps:
      - run: sleep 0.1; echo quick
      - name: Slow
        run: exec sleep 60
      - run: echo never
      - if: always()
        run: echo after all
  step:
    runs-on: ubuntu-latest
    steps:
      - name: Slow
        id: slow
        timeout-minutes: 0.01
        continue-on-error: true
        run: exec sleep 60
      - run: echo "${{ steps.slow.outcome }} ${{ steps.slow.conclusion }}"
  fine:
    runs-on: ubuntu-latest
    timeout-minutes: 1
    steps:
      - run: echo fine
        timeout-minutes: 1
      - run: echo less than nothing is no limit
        timeout-minutes: ${{ fromJSON('-1') }}
  nonsense:
    runs-on: ubuntu-latest
    steps:
      - run: echo not this
        timeout-minutes: ${{ github.actor }}
Y
n=$(rf_drop "$T/t.yml")
J=$M/runs/$n/jobs
ms=$(cat "$J/job/duration_ms")
[ "$ms" -lt 20000 ] || fail "the job took $ms ms"
equal 'a job over its time' cancelled "$(cat "$J/job/conclusion")"
contains 'and its words' "$(cat "$M/runs/$n/annotations")" 'The job has exceeded the maximum execution time of 1.2s'
contains 'what came before' "$(step_out "$n" job 01)" quick
lacks 'what came after' "$(cat "$J/job/log")" never
equal 'a step over its time' 'failure success' "$(step_out "$n" step 02)"
equal 'its job' success "$(cat "$J/step/conclusion")"
equal fine success "$(cat "$J/fine/conclusion")"
equal nonsense failure "$(cat "$J/nonsense/conclusion")"
lacks nonsense "$(cat "$J/nonsense/log")" $'\nnot this'
