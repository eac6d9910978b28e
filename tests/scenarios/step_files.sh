# Every file of a run, a job and a step says what it should.
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/all.yml" <<'Y'
name: All of it
run-name: Title of ${{ github.event_name }}
on: push
env: {LEVEL: workflow}
jobs:
  build:
    name: Build it
    runs-on: ubuntu-latest
    outputs: {answer: "${{ steps.two.outputs.answer }}"}
    steps:
      - name: First step
        run: |
          echo to stdout
          echo to stderr >&2
        env: {MINE: step}
      - id: two
        run: |
          echo "answer=42" >> $GITHUB_OUTPUT
          echo "# Hello" >> $GITHUB_STEP_SUMMARY
          echo "::warning file=a.c,line=3,col=7::look here"
      - name: Never
        if: false
        run: echo never
      - run: exit 7
  after:
    needs: build
    if: always()
    runs-on: ubuntu-latest
    steps:
      - run: echo got ${{ needs.build.outputs.answer }} ${{ needs.build.result }}
Y
n=$(rf_drop "$T/all.yml")
R=$M/runs/$n
is() { equal "$1" "$2" "$(cat "$R/$1")"; }
is status completed
is conclusion failure
is exit_code 7
is name 'All of it'
is title 'Title of push'
is event push
is ref refs/heads/main
is attempt 1
is actor "$(id -un)"
contains annotations "$(cat "$R/annotations")" 'a.c:3:7: warning: look here'
contains summary.md "$(cat "$R/summary.md")" '# Hello'
cmp "$T/all.yml" "$R/workflow.yml"
cmp "$T/all.yml" "$R/workflow"
for f in event inputs plan result; do "$PYTHON" -m json.tool "$R/$f.json" >/dev/null || fail "$f.json is no JSON"; done
for f in created_at started_at completed_at; do
    [[ $(cat "$R/$f") =~ ^20[0-9-]+T[0-9:.]+Z$ ]] || fail "$f: $(cat "$R/$f")"
done
[ "$(cat "$R/duration_ms")" -ge 0 ]
is jobs/build/name 'Build it'
is jobs/build/conclusion failure
is jobs/build/exit_code 7
is jobs/build/outputs/answer 42
is jobs/build/wait failure
contains 'jobs/after/why' "$(cat "$R/jobs/after/why")" 'always()'
equal needs ../../build "$(readlink "$R/jobs/after/needs/build")"
contains 'needs reached' "$(cat "$R"/jobs/after/steps/01-*/stdout)" 'got 42 failure'
S=$R/jobs/build/steps/01-first-step
[ -d "$S" ] || fail "steps: $(ls "$R/jobs/build/steps")"
equal stdout 'to stdout' "$(cat "$S/stdout")"
equal stderr 'to stderr' "$(cat "$S/stderr")"
contains log "$(cat "$S/log")" 'to stdout'
contains script "$(cat "$S/script")" 'echo to stderr >&2'
contains env "$(cat "$S/env")" 'MINE=step'
contains env "$(cat "$S/env")" 'LEVEL=workflow'
equal cwd /home/runner/work/all/all "$(cat "$S/cwd")"
for f in status outcome conclusion exit_code; do say "$f $(cat "$S/$f")"; done
equal outcome success "$(cat "$S/outcome")"
equal output 42 "$(cat "$R"/jobs/build/steps/02-*/outputs/answer)"
equal skipped skipped "$(cat "$R"/jobs/build/steps/03-never/conclusion)"
contains 'why skipped' "$(cat "$R"/jobs/build/steps/03-never/why)" 'false'
equal 'exit code of the failing step' 7 "$(cat "$R"/jobs/build/steps/04-*/exit_code)"
contains 'error line' "$(cat "$R"/jobs/build/steps/04-*/log)" '##[error]Process completed with exit code 7.'
lacks 'no file that has nothing' "$(ls "$S")" summary.md
refused test -e "$R/jobs/build/matrix.json"
equal latest "$n" "$(readlink "$M/runs/latest")"
equal failed "../$n" "$(readlink "$M/runs/failed/$n")"
[ -d "$M/runs/by-workflow/all.yml/$n/jobs" ] || fail 'by-workflow does not lead to the run'
