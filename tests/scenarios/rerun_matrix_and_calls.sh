# rerun-failed and a job's rerun with matrices and called workflows: what failed runs again, with what stands on it;
# all else stays as it was, its outputs too.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 4 >"$M/config/slots"
echo host >"$M/config/labels/h"
cat >"$T/called.yml" <<Y
on:
  workflow_call:
    inputs: {who: {type: string, required: true}}
    outputs: {v: {value: "\${{ jobs.ok.outputs.v }}-\${{ jobs.ok.result }}"}}
jobs:
  ok:
    runs-on: h
    outputs: {v: "\${{ steps.s.outputs.v }}"}
    steps: [{id: s, run: 'echo "ok-\${{ inputs.who }}" >>$T/ran; echo v=\${{ inputs.who }}\$GITHUB_RUN_ATTEMPT >>\$GITHUB_OUTPUT'}]
  bad:
    runs-on: h
    steps: [{run: 'echo "bad-\${{ inputs.who }}" >>$T/ran; test \${{ inputs.who }} = x || test -e $T/mended'}]
  then:
    needs: bad
    runs-on: h
    steps: [{run: 'echo "then-\${{ inputs.who }}" >>$T/ran'}]
Y
cat >"$T/r.yml" <<Y
on: push
jobs:
  m:
    strategy: {fail-fast: false, matrix: {n: [1, 2]}}
    runs-on: h
    outputs: {from: "\${{ matrix.n }}"}
    steps: [{run: 'echo "m\${{ matrix.n }}" >>$T/ran; test \${{ matrix.n }} = 1 || test -e $T/mended'}]
  never:
    if: false
    strategy: {matrix: {n: [1, 2]}}
    runs-on: h
    steps: [{run: echo}]
  spared:
    continue-on-error: true
    runs-on: h
    steps: [{run: 'echo spared >>$T/ran; test -e $T/never'}]
  call:
    strategy: {fail-fast: false, matrix: {who: [x, y]}}
    uses: ./.github/workflows/called.yml
    with: {who: "\${{ matrix.who }}"}
  last:
    needs: [m, call]
    runs-on: h
    steps: [{run: 'echo "last \${{ needs.call.outputs.v }} \${{ needs.m.outputs.from }}" >>$T/ran'}]
  alone:
    runs-on: h
    steps: [{run: 'echo alone >>$T/ran'}]
Y
cp "$T/called.yml" "$M/workflows/"
ran() { LC_ALL=C sort "$T/ran" | paste -sd' '; rm -f "$T/ran"; }
n=$(rf_drop "$T/r.yml")
R=$M/runs/$n
file_is "$R/conclusion" failure
equal 'at first' 'alone bad-x bad-y m1 m2 ok-x ok-y spared then-x' "$(ran)"
file_is "$R/jobs/last/conclusion" skipped
touch "$T/mended"
echo rerun-failed >"$R/ctl"
ended "$n"
file_is "$R/conclusion" success
got=$(ran)
case $got in 'bad-y last x1-success '[12]' m2 spared then-y' | 'bad-y last y1-success '[12]' m2 spared then-y') ;; *) fail "rerun-failed ran: $got" ;; esac
file_is "$R/jobs/never/conclusion" skipped
file_is "$R/jobs/m-1/conclusion" success
file_is "$R/jobs/call-x.ok/outputs/v" x1
file_has "$R/jobs/call-x.ok/log" 'echo v=x'
file_is "$R/jobs/spared/conclusion" failure
equal 'as many jobs' 14 "$(find "$R/jobs" -mindepth 1 -maxdepth 1 | wc -l)"

# one combination, and what needs it; then one called job
echo rerun >"$R/jobs/m-1/ctl"
ended "$n"
file_is "$R/attempt" 3
got=$(ran)
case $got in 'last '?'1-success '[12]' m1') ;; *) fail "a combination's rerun ran: $got" ;; esac
echo rerun >"$R/jobs/call-y.bad/ctl"
ended "$n"
got=$(ran)
case $got in 'bad-y last '?'1-success '[12]' then-y') ;; *) fail "a called job's rerun ran: $got" ;; esac
# a calling job: all that it calls
echo rerun >"$R/jobs/call-x/ctl"
ended "$n"
got=$(ran)
case $got in 'bad-x last '*' ok-x then-x') ;; *) fail "a calling job's rerun ran: $got" ;; esac
file_is "$R/conclusion" success
# a failure elsewhere stays one
rm "$T/mended"
echo rerun >"$R/ctl"
ended "$n"
ran >/dev/null
echo rerun >"$R/jobs/alone/ctl"
ended "$n"
equal 'alone' alone "$(ran)"
file_is "$R/conclusion" failure
file_is "$R/jobs/m-2/conclusion" failure
