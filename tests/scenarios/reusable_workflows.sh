# A job that calls a workflow: the called jobs are jobs of the run, with inputs, secrets and outputs of their own,
# and the calling job has a directory too, which says what came of them.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 8 >"$M/config/slots"
echo host >"$M/config/labels/h"
printf secret-one >"$M/secrets/ONE"
printf secret-two >"$M/secrets/TWO"
echo variable >"$M/vars/V"
mkdir -p "$T/repo/.github/workflows"
W=$T/repo/.github/workflows
cat >"$W/inner.yml" <<'Y'
on:
  workflow_call:
    inputs: {who: {type: string, default: nobody}}
    outputs: {said: {value: "${{ jobs.say.outputs.said }} (${{ jobs.say.result }})"}}
jobs:
  say:
    runs-on: h
    outputs: {said: "${{ steps.s.outputs.said }}"}
    steps:
      - id: s
        run: |
          echo "said=hello ${{ inputs.who }}" >>$GITHUB_OUTPUT
          echo "one=${{ secrets.ONE == 'secret-one' }} renamed=${{ secrets.renamed == 'secret-two' }} two=${{ secrets.TWO != '' }}"
Y
cat >"$W/middle.yml" <<'Y'
on:
  workflow_call:
    inputs:
      who: {type: string, required: true}
      loud: {type: boolean, default: true}
      times: {type: number}
    secrets: {ONE: {required: true}, renamed: {}}
    outputs: {said: {value: "${{ jobs.deeper.outputs.said }}"}}
env: {MIDDLE: middle}
jobs:
  look:
    name: look around
    runs-on: h
    steps:
      - run: echo "[$TOP] [$MIDDLE] ${{ inputs.loud == true }} ${{ inputs.times == 0 }} ${{ vars.V }} ${{ github.workflow }} ${{ github.event_name }} ${{ github.job }} ${{ toJSON(needs) }}"
  deeper:
    needs: look
    uses: ./.github/workflows/inner.yml
    with: {who: "${{ inputs.who }}"}
    secrets: inherit
Y
cat >"$W/top.yml" <<'Y'
name: Top
on: [push, workflow_dispatch]
env: {TOP: top}
jobs:
  first:
    runs-on: h
    outputs: {list: '["a", "b"]'}
    steps: [{run: echo first}]
  call:
    needs: first
    strategy: {matrix: {who: "${{ fromJSON(needs.first.outputs.list) }}"}}
    uses: ./.github/workflows/middle.yml
    with: {who: "${{ matrix.who }}"}
    secrets: {ONE: "${{ secrets.ONE }}", renamed: "${{ secrets.TWO }}"}
  not:
    if: github.event_name == 'pull_request'
    uses: ./.github/workflows/middle.yml
    with: {who: x}
    secrets: inherit
  after:
    needs: [call]
    runs-on: h
    steps: [{run: "echo '${{ needs.call.result }} ${{ needs.call.outputs.said }}'"}]
Y
check_run() { # RUN
    local J=$M/runs/$1/jobs
    ended "$1"
    file_is "$M/runs/$1/conclusion" success
    equal 'the jobs' 'after call-a call-a.deeper call-a.deeper.say call-a.look call-b call-b.deeper call-b.deeper.say call-b.look first not' \
        "$(find "$J" -maxdepth 1 -mindepth 1 -printf '%f\n' | LC_ALL=C sort | paste -sd' ')"
    file_is "$J/call-a/name" 'call (a)'
    file_is "$J/call-a.look/name" 'call (a) / look around'
    file_is "$J/call-b.deeper.say/name" 'call (b) / deeper / say'
    file_is "$J/call-b/uses" ./.github/workflows/middle.yml
    file_has "$J/call-b/why" 'calls ./.github/workflows/middle.yml'
    equal 'its caller' call-b.deeper "$(basename "$(readlink -f "$J/call-b.deeper.say/caller")")"
    equal 'its needs' call-b.look "$(basename "$(readlink -f "$J/call-b.deeper/needs/call-b.look")")"
    equal 'no others' 1 "$(find "$J/call-b.deeper/needs" -type l | wc -l)"
    equal 'what it sees' '[] [middle] true true variable Top '"$(cat "$M/runs/$1/event")"' look {}' "$(step_out "$1" call-a.look 01)"
    equal 'secrets' 'one=true renamed=true two=false' "$(step_out "$1" call-a.deeper.say 01)"
    file_is "$J/call-a.deeper/outputs/said" 'hello a (success)'
    file_is "$J/call-a/outputs/said" 'hello a (success)'
    contains 'after' "$(step_out "$1" after 01)" 'success hello '
    file_is "$J/not/conclusion" skipped
    file_has "$J/not/why" "=> false"
    equal 'a calling job has no steps' 0 "$(find "$J/call-a/steps" -mindepth 1 | wc -l)"
}
# of a linked repository
ln -s "$T/repo" "$M/repos/r"
echo "{}" >"$M/dispatch/r/top.yml"
check_run "$(cat "$M/dispatch/r/top.yml")"
# dropped: those that are called are dropped before
refused cp "$W/top.yml" "$M/workflows/"
file_has "$M/errors/top.yml" 'top.yml (Line: 12, Col: 11): Unable to find reusable workflow'
cp "$W/inner.yml" "$W/middle.yml" "$M/workflows/"
equal 'nothing ran' 1 "$(runs)"
n=$(rf_drop "$W/top.yml")
check_run "$n"
contains result.json "$(jq -r '.jobs[] | select(.key == "call-a.look") | .caller' "$M/runs/$n/result.json")" call-a
# what was called is kept: a rerun calls the same
printf 'on: workflow_call\njobs: {other: {runs-on: h, steps: [{run: echo}]}}\n' >"$T/inner.yml"
cp "$T/inner.yml" "$M/workflows/"
echo rerun >"$M/runs/$n/ctl"
check_run "$n"
# by the command line
exits 0 "$RUNFS" run --state "$T/other" --workspace "$T/repo" --label h=host --secret ONE=secret-one --secret TWO=secret-two "$W/top.yml"
contains 'its log' "$(cat "$T/out")" '==> call (b) / deeper / say / Run echo'

# an input of another type; a failure below; those beside it; who needs them
cat >"$T/called.yml" <<'Y'
on:
  workflow_call:
    inputs: {ok: {type: boolean, required: true}}
jobs:
  a:
    runs-on: h
    steps: [{run: "if ${{ inputs.ok }}; then exec sleep 60; else sleep 0.3; exit 3; fi"}]
  b:
    needs: a
    if: always()
    runs-on: h
    steps: [{run: "echo ${{ needs.a.result }}"}]
Y
cat >"$T/fails.yml" <<'Y'
on: push
jobs:
  typed:
    uses: ./.github/workflows/called.yml
    with: {ok: "${{ github.event_name }}"}
  call:
    strategy: {matrix: {ok: [true, false]}}
    uses: ./.github/workflows/called.yml
    with: {ok: "${{ matrix.ok }}"}
  needs:
    needs: call
    runs-on: h
    steps: [{run: echo not this}]
  cleanup:
    needs: call
    if: failure('call') && !success('call')
    runs-on: h
    steps: [{run: "echo cleanup ${{ needs.call.result }}"}]
Y
cp "$T/called.yml" "$M/workflows/"
n=$(rf_drop "$T/fails.yml")
J=$M/runs/$n/jobs
file_is "$M/runs/$n/conclusion" failure
file_is "$M/runs/$n/exit_code" 1
file_is "$J/typed/conclusion" failure
file_has "$J/typed/why" "fails.yml (Line: 5, Col: 16): Unexpected value 'push'"
file_is "$J/call-false/conclusion" failure
file_is "$J/call-false/exit_code" 3
equal 'always()' failure "$(step_out "$n" call-false.b 01)"
file_is "$J/call-true/conclusion" cancelled
file_is "$J/call-true.a/conclusion" cancelled
file_has "$J/call-true.a/why" 'The strategy configuration was canceled because "call.false" failed'
equal 'always() when cancelled' cancelled "$(step_out "$n" call-true.b 01)"
file_is "$J/needs/conclusion" skipped
equal 'failure(id)' 'cleanup failure' "$(step_out "$n" cleanup 01)"

# who is called asks for the group that its caller holds
printf 'on: workflow_call\nconcurrency: ${{ github.workflow }}\njobs: {in: {runs-on: h, steps: [{run: echo}]}}\n' >"$T/group.yml"
printf 'name: X\non: push\nconcurrency: x\njobs: {call: {uses: ./.github/workflows/group.yml}}\n' >"$T/dead.yml"
cp "$T/group.yml" "$M/workflows/"
n=$(rf_drop "$T/dead.yml")
file_is "$M/runs/$n/conclusion" failure
file_has "$M/runs/$n/annotations" "Canceling since a deadlock was detected for concurrency group: 'X' between a top level workflow and 'call'"
