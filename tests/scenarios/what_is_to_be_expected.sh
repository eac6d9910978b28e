# What past runs tell of the next one: how probably it succeeds and in what time, when one that runs should end, and which
# runs departed from all that.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
predict() { # WHAT: prints the answer
    echo "$1" >"$M/knowledge/predict" && cat "$M/knowledge/predict"
}
refused predict ci.yml
file_has "$M/knowledge/predict" "nothing is known of 'ci.yml'"

cat >"$T/ci.yml" <<'Y'
on: {workflow_dispatch: {inputs: {seconds: {default: '0'}, path: {default: /}}}}
jobs:
  a:
    runs-on: h
    steps:
      - run: sleep ${{ inputs.seconds }}
      - run: ls ${{ inputs.path }}
Y
rf_drop "$T/ci.yml" >/dev/null
refused test -e "$M/runs/1/eta"
again() { # [INPUT]
    echo "${1-}" >"$M/dispatch/ci.yml"
    n=$(cat "$M/dispatch/ci.yml")
}
for i in 2 3 4 5 6 7 8 9 10 11; do
    again
    ended "$n"
done
odd() { ls -I flaky "$M/knowledge/anomalies"; }
equal 'nothing is odd' '' "$(odd)"
equal 'no command is, either' '' "$(ls "$M/knowledge/anomalies/flaky")"
answer=$(predict ci.yml)
contains 'a workflow' "$answer" 'success: 0.99 (of 11 runs)'
contains 'its duration' "$answer" 'ninety percent: '
mkdir -p "$T/repo/.github/workflows"
printf 'name: Build & test\non: workflow_dispatch\njobs: {a: {runs-on: h, steps: [{run: "true"}]}}\n' >"$T/repo/.github/workflows/ci.yml"
git_commit "$T/repo"
ln -s "$T/repo" "$M/repos/here"
echo >"$M/dispatch/here/ci.yml"
linked=$(cat "$M/dispatch/here/ci.yml")
ended "$linked"
for name in here/ci.yml here:ci.yml 'Build & test'; do
    contains "a repository's, as $name" "$(predict "$name")" '(of 1 run)'
done
rmdir "$M/runs/$linked"
answer=$(predict 'cd /tmp && ls -l; unheard-of --thing')
contains 'commands' "$answer" 'success: '
contains 'an unknown one' "$answer" ', unheard-of'
refused predict 'if then'
refused predict 'unheard-of'

again seconds=20
rf_wait 10 grep -qx in_progress "$M/runs/$n/jobs/a/status"
for eta in "$M/runs/$n/eta" "$M/runs/$n/jobs/a/eta"; do
    expected=$(date -d "$(cat "$eta")" +%s)
    [ $((expected - $(date +%s))) -lt 10 ] || fail "expected only at $(cat "$eta")"
done
echo cancel >"$M/runs/$n/ctl"
ended "$n"
refused test -e "$M/runs/$n/eta"
refused test -e "$M/knowledge/anomalies/$n" # a cancelled run teaches nothing

again path=/nowhere
ended "$n"
file_is "$M/knowledge/anomalies/$n/conclusion" failure
file_has "$M/runs/$n/anomaly" 'it failed, which 0 of the 11 runs before it did'
slow=$(again seconds=2; echo "$n")
ended "$slow"
file_has "$M/runs/$slow/anomaly" 'it took 2'
equal 'the odd ones' "$(printf '%s\n' "$n" "$slow")" "$(odd)"
contains 'and then' "$(predict ci.yml)" '(of 13 runs)'
rmdir "$M/runs/$slow"
equal 'one that is deleted' "$n" "$(odd)"
