# GitHub's own client library, @octokit/rest from npm, lists, pages, reads logs and artifacts, dispatches, and sets secrets, variables
# and caches, as a dashboard or a bot would.
# limit: 300
. "$(dirname "$0")/lib.sh"
need node
need npm
need git
MODULES=$("$here/tests/toolkit/install" 2>"$T/why") || skip "$(tail -n 1 "$T/why")"
export MODULES
rf_mount
echo host >"$M/config/labels/h"
R=$T/repo
mkdir -p "$R/.github/workflows"
cat >"$R/.github/workflows/ci.yml" <<'Y'
name: CI
on:
  push:
  workflow_dispatch: {inputs: {word: {default: none}}}
  repository_dispatch: {types: [deploy]}
jobs:
  build:
    runs-on: h
    steps:
      - {name: Talk, run: 'echo "hello from a step"; mkdir d; echo x >d/x; for i in 1 2 3; do echo "::notice file=a.c,line=$i::mind $i"; done'}
      - {uses: actions/upload-artifact@v4, with: {name: things, path: d}}
      - {uses: actions/cache/save@v4, with: {key: 'deps-${{ github.run_number }}', path: d}}
  check: {needs: build, runs-on: h, environment: review/one, steps: [{run: 'test "$REF" != refs/heads/bad', env: {REF: '${{ github.ref }}'}}]}
Y
git_commit "$R"
git -C "$R" branch bad
git -C "$R" branch feature/one
git -C "$R" remote add origin https://git.example.com/o/r.git
ln -s "$R" "$M/repos/r"
for branch in main bad main; do
    echo "{\"ref\": \"refs/heads/$branch\", \"after\": \"$(git -C "$R" rev-parse HEAD)\"}" >"$M/events/push"
    ended "$(readlink "$M/runs/latest")"
done
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
token=$("$RUNFS" token create --scope admin --name octokit "$M")
node "$here/tests/toolkit/octokit.mjs" "http://$(awk '/^listen: 127/ {print $2}' "$M/status")/api/v3" "$token" o r >"$T/said" 2>"$T/err" || {
    cat "$T/err" >&2
    fail "it ended early, having said: $(cat "$T/said")"
}
equal 'what it read and did' 'user: octokit
workflows: ["CI active"]
runs by pages of two: ["success","failure","success"]
failed ones: 1
jobs: ["build: 1 Set up job success, 2 Talk success, 3 Run actions/upload-artifact@v4 success, 4 Run actions/cache/save@v4 success","check: 1 Run test \"$REF\" != refs/heads/bad success"]
a job: [["h"],"CI","main",true,"/o/r/actions/runs/1/job/JOB"]
log: true
logs are a zip: PK
artifacts: ["things false"]
artifact is a zip: PK
artifacts of a name: 3, 1 a page
all of them: 3
the repository: ["o/r","main","o",true]
by GraphQL: ["main","main","NOT_FOUND"]
branches: ["bad","feature/one","main"]
a branch: true
no such branch: 404 Branch not found
what came of main: ["success",["CI (push): success"],true]
what came of feature/one: ["success",["CI (push): success"],true]
what came of heads/main: ["success",["CI (push): success"],true]
what came of a commit: ["success",["CI (push): success"],true]
statuses: ["success","failure","success"]
check runs: ["build success","check success","build success","check failure","build success","check success"]
of a name: 3
a check run: ["build","completed",3,true]
annotations: ["a.c:1 mind 1","a.c:2 mind 2","a.c:3 mind 3"]
suites: ["success","failure","success"]
a suite: ["build","check"]
no commit: 422 No commit found for SHA
environments: ["review/one"]
runners: [["online",true]]
approvals: 0
not changed: 304
dispatched: success
jobs of all attempts: ["2 build","2 check","1 build","1 check"]
cancel what has ended: 409 run 4 is already completed
secret: 201
secrets: ["DEPLOY"]
the same variable: 409 Already exists - Variable already exists
variable: 5
caches: ["deps-1","deps-2","deps-3","deps-4"]
of a key: 1
usage: 4
delete by key: 1
delete by id: 204
once more: 404 Not Found
an event: 204
an event without a name: 422
what it started: repository_dispatch success
deleted artifact: 204, then 404
a secret: DEPLOY
how long: true
nothing to end at once: 409
no limit: true
no such run: 404 Not Found
no such repository: 404 Not Found
a stranger: 401 Bad credentials' "$(cat "$T/said")"
equal 'the secret is there' DEPLOY "$(ls "$M/secrets")"
equal 'and the variable' 5 "$(cat "$M/vars/LEVEL")"
