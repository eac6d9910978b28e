# PyGithub, the client of most Python programs, reads all that it knows of repositories, workflows, runs, checks and runners, and
# dispatches, cancels, runs again and sets secrets.
# limit: 300
. "$(dirname "$0")/lib.sh"
"$PYTHON" -c 'import github' 2>/dev/null || skip 'PyGithub (python3-github) is not installed'
need git
rf_mount
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
cat >"$T/repo/.github/workflows/ci.yml" <<'Y'
name: CI
on: {push: , workflow_dispatch: {inputs: {word: {default: none}}}, repository_dispatch: {types: [deploy]}}
jobs:
  build:
    runs-on: h
    environment: review
    steps: [{name: Talk, run: 'echo "::notice file=a.c,line=3,col=7::mind ${{ inputs.word }}"; test "$GITHUB_REF" != refs/heads/bad'}]
Y
printf 'name: Slow\non: workflow_dispatch\njobs: {a: {runs-on: h, steps: [{run: exec sleep 100}]}}\n' >"$T/repo/.github/workflows/slow.yml"
git_commit "$T/repo" 'the first commit'
git -C "$T/repo" branch bad
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
ln -s "$T/repo" "$M/repos/r"
for branch in main bad; do
    echo "{\"ref\": \"refs/heads/$branch\", \"after\": \"$(git -C "$T/repo" rev-parse HEAD)\"}" >"$M/events/push"
    ended "$(readlink "$M/runs/latest")"
done
echo 0 >"$M/config/listen"
echo 10000 >"$M/config/rate_limit"
rf_wait 10 grep -q '^listen: 127' "$M/status"
TOKEN=$("$RUNFS" token create --scope admin --name robot "$M")
export TOKEN
"$PYTHON" -W ignore "$here/tests/toolkit/pygithub.py" "http://$(awk '/^listen: 127/ {print $2}' "$M/status")/api/v3" "$M" >"$T/said" 2>"$T/err" || {
    cat "$T/err" >&2
    fail "it ended early, having said: $(cat "$T/said")"
}
equal 'what it read and did' "user: robot User robot
limits: True 15000
repository: o/r o main private 1
workflows: CI active .github/workflows/ci.yml, Slow active .github/workflows/slow.yml
runs by pages of one: failure bad, success main
backwards: success, failure
of a branch: success
of an actor, an event, a status: success
a run: CI push main completed success $(git -C "$T/repo" rev-parse HEAD) True
its commit: $(id -un)@runfs.invalid
it took: True
dispatched: True word
who did: robot
again: True 2
cancelled: True cancelled
what has ended: False
no such branch: 422 No ref found for: nowhere
an event: True repository_dispatch
a secret: True True
runner: runfs online linux h
commit: the first commit tester 0
came of it: failure CI (push): failure, CI (repository_dispatch): success, CI (workflow_dispatch): success
checks: build completed failure runfs
suites: main completed success
annotation: a.c 3 7 notice mind
contents: name: CI blob
directory: .github/workflows/ci.yml, .github/workflows/slow.yml
branches: bad, main
ref: True
no such run: 404 Not Found" "$(cat "$T/said")"
