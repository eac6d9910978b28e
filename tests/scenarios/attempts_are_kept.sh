# A rerun loses nothing of the attempt before: runs/N/attempts/K has its conclusion, its log, its jobs and their steps.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/w.yml" <<Y
on: push
jobs:
  ok:
    runs-on: h
    steps: [{run: echo ok in \$GITHUB_RUN_ATTEMPT}]
  flaky:
    needs: ok
    runs-on: h
    outputs: {o: '\${{ steps.s.outputs.o }}'}
    steps:
      - {id: s, run: 'echo attempt \$GITHUB_RUN_ATTEMPT; echo "o=\$GITHUB_RUN_ATTEMPT" >> \$GITHUB_OUTPUT; echo "::warning::try \$GITHUB_RUN_ATTEMPT"; echo "in \$GITHUB_RUN_ATTEMPT" > \$GITHUB_STEP_SUMMARY'}
      - run: ls $T/flag
Y
n=$(rf_drop "$T/w.yml")
R=$M/runs/$n
file_is "$R/conclusion" failure
equal 'no former attempts' '' "$(ls "$R/attempts")"
refused cat "$R/attempts/1/conclusion"
cp -r "$R/jobs/flaky" "$T/before"
cp "$R/result.json" "$R/summary.md" "$T/"
touch "$T/flag"
echo rerun-failed >"$R/ctl"
ended "$n"
file_is "$R/conclusion" success
file_is "$R/attempt" 2
equal 'the former attempts' 1 "$(ls "$R/attempts")"
A=$R/attempts/1
file_is "$A/conclusion" failure
file_is "$A/exit_code" 2
file_is "$A/status" completed
equal 'what came of it' "$(cat "$T/result.json")" "$(cat "$A/result.json")"
equal 'what comes of it now' 2 "$(jq .attempt "$R/result.json")"
equal 'its summary' "$(cat "$T/summary.md")" "$(cat "$A/summary.md")"
contains 'the summary now' "$(cat "$R/summary.md")" 'in 2'
equal 'its workflow' "$(cat "$T/w.yml")" "$(cat "$A/workflow.yml")"
file_has "$A/log" 'attempt 1'
file_lacks "$A/log" 'attempt 2'
file_has "$A/annotations" 'try 1'
file_lacks "$A/annotations" 'try 2'
[ "$(cat "$A/duration_ms")" -ge 0 ]
equal 'its jobs' "$(printf 'flaky\nok')" "$(ls "$A/jobs")"
file_is "$A/jobs/flaky/conclusion" failure
file_is "$A/jobs/flaky/outputs/o" 1
file_is "$R/jobs/flaky/outputs/o" 2
contains 'its step' "$(cat "$A"/jobs/flaky/steps/01-*/stdout)" 'attempt 1'
contains 'the step now' "$(cat "$R"/jobs/flaky/steps/01-*/stdout)" 'attempt 2'
refused test -e "$A/jobs/flaky/ctl"
diff -r --no-dereference --exclude=ctl --exclude=wait --exclude=vm --exclude=failure --exclude=command "$T/before" "$A/jobs/flaky" >"$T/diff" 2>&1 || fail "it has changed: $(cat "$T/diff")"
# links lead where they led
equal 'a job that it needs' "$(realpath "$A/jobs/ok")" "$(realpath "$A/jobs/flaky/needs/ok")"
for link in "$A"/jobs/flaky/steps/02-*/failure "$A"/jobs/flaky/steps/02-*/command; do
    [ -d "$link/" ] || fail "$link leads nowhere: $(readlink "$link")"
done
equal 'the failure' "$(realpath "$M"/knowledge/failures/*)" "$(realpath "$A"/jobs/flaky/steps/02-*/failure)"

echo rerun >"$R/ctl"
ended "$n"
equal 'the former attempts' "$(printf '1\n2')" "$(ls "$R/attempts")"
file_is "$R/attempts/2/conclusion" success
contains 'what was not run again' "$(cat "$R"/attempts/2/jobs/ok/steps/01-*/stdout)" 'ok in 1'
contains 'and now was' "$(cat "$R"/jobs/ok/steps/01-*/stdout)" 'ok in 3'

rf_umount
rf_mount
file_is "$R/attempts/1/jobs/flaky/conclusion" failure
cp -r "$R" "$T/copy"
equal 'a copy of it' failure "$(cat "$T/copy/attempts/1/conclusion")"
rmdir "$R"
refused test -e "$R"
