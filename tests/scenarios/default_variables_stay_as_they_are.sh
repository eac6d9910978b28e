# The variables that every step has stay what they are, whatever a workflow or GITHUB_ENV says; CI alone may be set. Those of
# the runner's own surroundings are a workflow's to change. Expressions have them under other names.
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
      - id: by_expressions
        run: |
          test "${{ github.env }} ${{ github.path }} ${{ github.state }}" = "$GITHUB_ENV $GITHUB_PATH $GITHUB_STATE"
          echo "said=by its file" >>"${{ github.output }}"
          echo "# told" >>"${{ github.step_summary }}"
      - run: echo "${{ steps.by_expressions.outputs.said }}"; test "${{ runner.workspace }}" = "$RUNNER_WORKSPACE" -a "$RUNNER_WORKSPACE" = "${PWD%/*}"
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
equal 'an output' 'by its file' "$(step_out "$n" a 09)"
file_has "$M/runs/$n/jobs/a/steps/08-"*/summary.md told

# what only an event tells
cat >"$T/event.json" <<'END'
{"ref": "refs/heads/main", "repository": {"id": 1296269, "full_name": "octo/site", "visibility": "public", "owner": {"id": 583231, "login": "octo"}},
 "sender": {"id": 21031067, "login": "Codertocat"}}
END
workflow "$T/event.yml" 'echo "${{ github.actor_id }} $GITHUB_REPOSITORY_ID $GITHUB_REPOSITORY_OWNER_ID ${{ github.repository_visibility }}"
echo "${{ github.repositoryUrl }} ${{ github.secret_source }}"'
rf_run --payload "$T/event.json" "$T/event.yml"
contains ids "$(cat "$T/out")" '
21031067 1296269 583231 public
git://github.com/octo/site.git Actions'
