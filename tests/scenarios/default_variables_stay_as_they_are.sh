# The variables that every step has stay what they are, whatever a workflow or GITHUB_ENV says; CI alone may be set. Those of
# the runner's own surroundings are a workflow's to change.
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/ci.yml" <<'END'
on: push
env: {RUNNER_OS: Plan9, GITHUB_MINE: own}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo "$CI $GITHUB_ACTIONS $RUNNER_OS $GITHUB_MINE"
      - run: echo "[$CI] $GITHUB_ACTIONS $GITHUB_JOB"
        env: {CI: '', GITHUB_ACTIONS: no, GITHUB_JOB: other}
      - run: printf 'CI=false\nGITHUB_JOB=other\nGITHUB_MINE=still\n' >> $GITHUB_ENV
      - run: echo "$CI $GITHUB_JOB $GITHUB_MINE"
      - run: env | grep -E '^(LANG|SHELL|USER)=' | sort
      - run: printenv SHELL
        env: {SHELL: /bin/sh}
      - run: test "${{ github.event_path }}" = "$GITHUB_EVENT_PATH"; grep -q '"ref"' "${{ github.event_path }}"
  b:
    runs-on: ubuntu-latest
    env: {CI: false}
    steps:
      - run: echo "$CI"
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
equal 'as they are' 'true true Linux own' "$(step_out "$n" a 01)"
equal 'over them' '[] true a' "$(step_out "$n" a 02)"
equal 'from a step before' 'false a still' "$(step_out "$n" a 04)"
equal 'of its surroundings' 'LANG=C.UTF-8
SHELL=/bin/bash
USER=runner' "$(step_out "$n" a 05)"
equal 'another of them' /bin/sh "$(step_out "$n" a 06)"
equal 'of a job' false "$(step_out "$n" b 01)"
