# A failed step is mended in the workflow and resumed: the edited file counts from there on, as long as what came before is
# as it was; otherwise nothing happens, and the reason names the step. Held machines show what they were behind each step.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo on >"$M/config/snapshots"
echo on >"$M/config/hold_on_failure"
mkdir -p "$T/repo/.github/workflows"
w=$T/repo/.github/workflows/ci.yml
cat >"$w" <<'Y'
on: workflow_dispatch
env: {WHO: me}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - name: Build
        run: echo "built by $WHO in attempt $GITHUB_RUN_ATTEMPT" > built
      - name: Test
        run: cat built; false
Y
ln -s "$T/repo" "$M/repos/repo"
cp "$w" "$T/first.yml"
echo >"$M/dispatch/repo/ci.yml"
n=$(readlink "$M/runs/latest")
ended "$n"
J=$M/runs/$n/jobs/a
file_is "$J/conclusion" failure
file_has "$(echo "$J"/steps/01-build/snapshot/cost_ms)" .
equal 'where the machine keeps it' "$M/vms/run-$n-a/snapshots/after-01-build" "$(realpath "$J/steps/01-build/snapshot")"
refused test -e "$J/steps/02-test/snapshot"

sed -i 's/echo "built by/echo "made by/' "$w"
refused sh -c "echo resume >'$J/steps/02-test/ctl'"
file_has "$J/steps/02-test/ctl" '`run` of step 1 (line 7), which came before, is not what it was'
sed 's/WHO: me/WHO: you/' "$T/first.yml" >"$w"
refused sh -c "echo resume >'$J/steps/02-test/ctl'"
file_has "$J/steps/02-test/ctl" "the workflow's env of job 'a' is not what the steps before had"
sed 's/^  a:/  b:/' "$T/first.yml" >"$w"
refused sh -c "echo resume >'$J/steps/02-test/ctl'"
file_has "$J/steps/02-test/ctl" "has no job 'a'"
file_is "$M/runs/$n/attempt" 1

sed 's/cat built; false/cat built; echo mended/' "$T/first.yml" >"$w"
printf '      - run: echo and a new step\n  late: {needs: a, runs-on: ubuntu-latest, steps: [{run: echo late}]}\n' >>"$w"
file_lacks "$M/runs/$n/plan.json" '"late"'
echo resume >"$J/steps/02-test/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" success
equal 'the edited step' "$(printf 'built by me in attempt 1\nmended')" "$(cat "$J/steps/02-test/stdout")"
contains 'the new one' "$(step_out "$n" a 03)" 'and a new step'
contains 'the new job' "$(step_out "$n" late 01)" late
file_has "$M/runs/$n/plan.json" '"late"'
equal 'the workflow now' "$(cat "$w")" "$(cat "$M/runs/$n/workflow.yml")"
equal 'and then' "$(cat "$T/first.yml")" "$(cat "$M/runs/$n/attempts/1/workflow.yml")"
equal 'the step then' 'cat built; false' "$(cat "$M/runs/$n/attempts/1/jobs/a/steps/02-test/script")"
