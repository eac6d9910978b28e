# One run, and one job, at a time in a concurrency group: a newer one that waits replaces an older one, and ends
# what runs only with cancel-in-progress. What is waited for can be read.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 8 >"$M/config/slots"
echo host >"$M/config/labels/h"
waiter() { # FILE GROUP [KEY: VALUE]: a run that goes on until $T/go-RUN is there
    cat >"$1" <<Y
on: push
concurrency:
  group: $2
  ${3-}
jobs:
  a:
    runs-on: h
    steps:
      - run: echo started; until [ -e $T/go-\$GITHUB_RUN_ID ]; do sleep 0.02; done
  b:
    if: always()
    needs: a
    runs-on: h
    steps: [{run: echo last}]
Y
}
running() { grep -q started "$M/runs/$1/log"; }

waiter "$T/w.yml" 'Prod-${{ github.ref }}'
waiter "$T/v.yml" prod-REFS/heads/main
one=$(rf_start "$T/w.yml")
rf_wait 10 running "$one"
two=$(rf_start "$T/w.yml")
file_is "$M/runs/$two/status" pending
file_is "$M/runs/$two/concurrency" 'Prod-refs/heads/main'
file_is "$M/runs/$two/why" "concurrency: Prod-refs/heads/main: waits for run $one"
file_is "$M/runs/$two/jobs/a/status" queued
file_has "$M/status" 'pending: 1'
three=$(rf_start "$T/v.yml") # another workflow, another case: the same group
ended "$two"
file_is "$M/runs/$two/conclusion" cancelled
file_has "$M/runs/$two/annotations" 'Canceling since a higher priority waiting request for Prod-refs/heads/main exists'
file_is "$M/runs/$two/why" 'Canceling since a higher priority waiting request for Prod-refs/heads/main exists'
file_is "$M/runs/$two/jobs/b/conclusion" cancelled # always() or not: it never began
file_is "$M/runs/$one/status" in_progress
file_is "$M/runs/$three/status" pending
touch "$T/go-$one" "$T/go-$three"
ended "$three"
file_is "$M/runs/$one/conclusion" success
file_is "$M/runs/$three/conclusion" success
refused test -e "$M/runs/$three/why"

# a waiting run can be cancelled, and does not stand in the way
four=$(rf_start "$T/w.yml")
rf_wait 10 running "$four"
five=$(rf_start "$T/w.yml")
echo cancel >"$M/runs/$five/ctl"
ended "$five"
six=$(rf_start "$T/w.yml")
touch "$T/go-$four" "$T/go-$six"
ended "$six"
file_is "$M/runs/$four/conclusion" success
file_is "$M/runs/$five/conclusion" cancelled

# cancel-in-progress ends what runs; its always() job still runs, and the run counts as cancelled
waiter "$T/c.yml" c "cancel-in-progress: \${{ github.event_name == 'push' }}"
seven=$(rf_start "$T/c.yml")
rf_wait 10 running "$seven"
eight=$(rf_start "$T/c.yml")
touch "$T/go-$eight"
ended "$eight"
file_is "$M/runs/$seven/conclusion" cancelled
file_is "$M/runs/$seven/jobs/a/conclusion" cancelled
file_has "$M/runs/$seven/jobs/a/why" 'Canceling since a higher priority waiting request for c exists'
file_is "$M/runs/$seven/jobs/b/conclusion" success
file_is "$M/runs/$eight/conclusion" success

# queue: max lets all of them wait, in the order in which they came
waiter "$T/q.yml" q 'queue: max'
for i in 1 2 3 4; do q[i]=$(rf_start "$T/q.yml"); done
file_is "$M/runs/${q[4]}/status" pending
file_has "$M/runs/${q[4]}/why" "waits for run ${q[1]}"
touch "$T/go-${q[1]}"
ended "${q[1]}"
file_has "$M/runs/${q[4]}/why" "waits for run ${q[2]}"
for i in 1 2 3 4; do touch "$T/go-${q[i]}"; done
ended "${q[4]}"
for i in 1 2 3 4; do file_is "$M/runs/${q[i]}/conclusion" success; done
[[ ! $(cat "$M/runs/${q[2]}/completed_at") > $(cat "$M/runs/${q[3]}/started_at") ]] || fail 'they ran at once'
printf 'on: push\nconcurrency: {group: q, queue: max, cancel-in-progress: true}\njobs: {a: {runs-on: h, steps: [{run: echo}]}}\n' >"$T/bad.yml"
refused cp "$T/bad.yml" "$M/workflows/"
file_has "$M/errors/bad.yml" "The combination of 'queue: max' and 'cancel-in-progress: true' is not allowed"
