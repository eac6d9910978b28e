# Concurrency groups of jobs: across runs, within a matrix, held by who calls (a deadlock), and over a restart.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 8 >"$M/config/slots"
echo host >"$M/config/labels/h"
hold='trap exit INT; echo started; until [ -e '$T'/go-$GITHUB_RUN_ID ]; do sleep 0.02; done'
cat >"$T/d.yml" <<Y
on: push
jobs:
  build:
    runs-on: h
    outputs: {to: prod}
    steps: [{run: echo built}]
  deploy:
    needs: build
    concurrency: deploy-\${{ needs.build.outputs.to }}
    runs-on: h
    steps: [{run: '$hold'}]
  after:
    needs: deploy
    runs-on: h
    steps: [{run: echo after}]
Y
one=$(rf_start "$T/d.yml")
rf_wait 10 grep -q started "$M/runs/$one/log"
two=$(rf_start "$T/d.yml")
rf_wait 10 grep -q pending "$M/runs/$two/jobs/deploy/status"
file_is "$M/runs/$two/jobs/build/conclusion" success
file_is "$M/runs/$two/jobs/deploy/concurrency" deploy-prod
file_has "$M/runs/$two/jobs/deploy/why" "concurrency: deploy-prod: waits for run $one, job deploy"
three=$(rf_start "$T/d.yml")
rf_wait 10 grep -q pending "$M/runs/$three/jobs/deploy/status"
ended "$two"
file_is "$M/runs/$two/jobs/deploy/conclusion" cancelled
file_is "$M/runs/$two/jobs/after/conclusion" skipped
file_is "$M/runs/$two/conclusion" cancelled
file_has "$M/runs/$two/annotations" 'Canceling since a higher priority waiting request for deploy-prod exists'
touch "$T/go-$one" "$T/go-$three"
ended "$one"
ended "$three"
file_is "$M/runs/$one/conclusion" success
file_is "$M/runs/$three/conclusion" success
file_lacks "$M/runs/$three/jobs/deploy/why" 'waits for'

# combinations of a matrix are runs of a job like others; max-parallel keeps them from asking too early
cat >"$T/m.yml" <<'Y'
on: push
jobs:
  all:
    strategy: {fail-fast: false, matrix: {n: [1, 2, 3]}}
    concurrency: m
    runs-on: h
    steps: [{run: sleep 0.2}]
  each:
    strategy: {max-parallel: 1, matrix: {n: [1, 2, 3]}}
    concurrency: e
    runs-on: h
    steps: [{run: echo}]
Y
n=$(rf_drop "$T/m.yml")
equal 'the first, and the last that waited' 'success cancelled success' "$(cat "$M/runs/$n"/jobs/all-*/conclusion | paste -sd' ')"
equal 'one by one' 'success success success' "$(cat "$M/runs/$n"/jobs/each-*/conclusion | paste -sd' ')"

# who holds a group cannot wait for it
printf 'on: push\nconcurrency: g\njobs:\n  a:\n    concurrency: G\n    runs-on: h\n    steps: [{run: echo}]\n' >"$T/dead.yml"
n=$(rf_drop "$T/dead.yml")
file_is "$M/runs/$n/conclusion" failure
file_has "$M/runs/$n/annotations" "Canceling since a deadlock was detected for concurrency group: 'G' between a top level workflow and 'a'"
printf 'on: push\njobs:\n  a:\n    concurrency: "${{ github.head_ref }}"\n    runs-on: h\n    steps: [{run: echo}]\n' >"$T/empty.yml"
n=$(rf_drop "$T/empty.yml")
file_is "$M/runs/$n/conclusion" failure
file_has "$M/runs/$n/annotations" "Error when evaluating 'concurrency' for job 'a'. empty.yml (Line: 4, Col: 18): Concurrency group name cannot be empty"

# a restart: what waited goes on waiting, in its order
printf 'on: push\nconcurrency: {group: r, queue: max}\njobs: {a: {runs-on: h, steps: [{run: "%s"}]}}\n' "$hold" >"$T/r.yml"
four=$(rf_start "$T/r.yml")
rf_wait 10 grep -q started "$M/runs/$four/log"
five=$(rf_start "$T/r.yml")
six=$(rf_start "$T/r.yml")
file_is "$M/runs/$six/status" pending
rf_umount
rf_mount
rf_wait 10 grep -q started "$M/runs/$five/log"
file_is "$M/runs/$six/status" pending
file_has "$M/runs/$six/why" "waits for run $five"
touch "$T/go-$five" "$T/go-$six"
ended "$six"
file_is "$M/runs/$five/conclusion" success
file_is "$M/runs/$six/conclusion" success

# also when other jobs of its run are done already: they stay done
sed -i 's/echo built/echo built >>BUILT/;s,BUILT,'"$T/built"',' "$T/d.yml"
sed -i 's/deploy-/again-/' "$T/d.yml"
seven=$(rf_start "$T/d.yml")
rf_wait 10 grep -q started "$M/runs/$seven/log"
eight=$(rf_start "$T/d.yml")
rf_wait 10 grep -q pending "$M/runs/$eight/jobs/deploy/status"
rf_umount
rf_mount
touch "$T/go-$eight"
ended "$eight"
file_is "$M/runs/$eight/conclusion" success
file_is "$M/runs/$eight/jobs/after/conclusion" success
equal 'built once each' 2 "$(wc -l <"$T/built")"
