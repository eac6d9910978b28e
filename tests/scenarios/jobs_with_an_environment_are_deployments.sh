# Who asks GitHub's API where something was deployed is told of the jobs that had an environment; and environments are made and taken
# away there, as scripts do that give them secrets.
. "$(dirname "$0")/lib.sh"
need git
need curl
need jq
rf_mount
echo host >"$M/config/labels/h"
R=$T/repo
mkdir -p "$R/.github/workflows"
cat >"$R/.github/workflows/deploy.yml" <<'Y'
on: {push: , workflow_dispatch: }
jobs:
  stage: {runs-on: h, environment: Staging, steps: [{run: 'test "$GITHUB_REF_NAME" = main'}]}
  live:
    needs: stage
    runs-on: h
    environment: {name: production, url: 'https://live.example.com/'}
    steps: [{run: 'true'}]
  other: {runs-on: h, steps: [{run: 'true'}]}
Y
printf 'on: workflow_dispatch\njobs: {a: {runs-on: h, environment: slow, steps: [{run: exec sleep 100}]}}\n' >"$R/.github/workflows/slow.yml"
git_commit "$R"
git -C "$R" branch bad
git -C "$R" tag v1
git -C "$R" remote add origin https://git.example.com/o/r.git
ln -s "$R" "$M/repos/r"
sha=$(git -C "$R" rev-parse HEAD)
for branch in main bad; do
    echo "{\"ref\": \"refs/heads/$branch\", \"after\": \"$sha\"}" >"$M/events/push"
    ended "$(readlink "$M/runs/latest")"
done
echo "$T/sock" >"$M/config/listen"
rf_wait 10 test -S "$T/sock"
ask() { curl -s -g --unix-socket "$T/sock" "${@:2}" "http://runfs/repos/o/r/$1"; }
status() { ask "$1" "${@:2}" -o "$T/body" -w '%{http_code}'; }

equal 'deployments, newest first; what was skipped is none' "Staging bad deploy $sha
production main deploy $sha
Staging main deploy $sha" "$(ask deployments | jq -r '.[] | "\(.environment) \(.ref) \(.task) \(.sha)"')"
equal 'by environment and branch' 'Staging main' "$(ask 'deployments?environment=staging&ref=main' | jq -r '.[] | "\(.environment) \(.ref)"')"
equal 'by commit' 3 "$(ask "deployments?sha=$sha" | jq length)"
equal 'of another task there are none' '[]' "$(ask 'deployments?task=other')"
contains 'by pages' "$(ask 'deployments?per_page=1' -D - -o /dev/null)" 'page=3>; rel="last"'
live=$(ask 'deployments?environment=production' | jq '.[].id')
equal 'what came of one, newest first' 'success https://live.example.com/
in_progress null
queued null' "$(ask "deployments/$live/statuses" | jq -r '.[] | "\(.state) \(.environment_url)"')"
equal 'the newest alone' "$(ask "deployments/$live/statuses?per_page=1" | jq -c '.[0]')" \
    "$(curl -s --unix-socket "$T/sock" "$(ask "deployments/$live/statuses" | jq -r '.[0].url')" | jq -c .)"
equal 'of the one that failed' failure "$(ask "deployments/$(ask deployments | jq '.[0].id')/statuses" | jq -r '.[0].state')"
contains 'it leads to the job' "$(ask "deployments/$live/statuses" | jq -r '.[0].log_url')" "/o/r/actions/runs/1/job/$live"
other=$(ask actions/runs/1/jobs | jq '.jobs[] | select(.name == "other").id')
equal 'a job without one is none' 404 "$(status "deployments/$other")"
echo '' >"$M/dispatch/r/slow.yml"
there() { [ "$(ask 'deployments?environment=slow' | jq length)" = 1 ]; }
rf_wait 10 there
slow=$(ask 'deployments?environment=slow' | jq '.[].id')
begun() { [ "$(ask "deployments/$slow/statuses" | jq -r '.[0].state')" = in_progress ]; }
rf_wait 10 begun
echo cancel >"$M/runs/latest/ctl"
ended "$(readlink "$M/runs/latest")"
equal 'one that was cancelled' error "$(ask "deployments/$slow/statuses" | jq -r '.[0].state')"

equal 'environments' 'production slow Staging' "$(ask environments | jq -r '[.environments[].name] | join(" ")')"
equal 'one is made' 'New Place' "$(ask 'environments/New%20Place' -X PUT | jq -r .name)"
equal 'and is there, in any case' 'New Place' "$(ask 'environments/new%20place' | jq -r .name)"
equal 'once more is the same' 4 "$(ask 'environments/NEW%20place' -X PUT -o /dev/null; ask environments | jq .total_count)"
equal 'nothing is promised' 422 "$(status 'environments/x' -X PUT -d '{"wait_timer": 5}')"
equal 'nor made then' 404 "$(status environments/x)"
equal 'what has no name' 422 "$(status 'environments/a%07b' -X PUT)"
equal 'a variable of it' 201 "$(status 'environments/New%20Place/variables' -d '{"name": "V", "value": "1"}')"
equal 'taken away' 204 "$(status 'environments/New%20Place' -X DELETE)"
equal 'with its variable' 404 "$(status 'environments/New%20Place/variables/V')"
equal 'it is gone' 404 "$(status 'environments/New%20Place')"
equal 'twice' 404 "$(status 'environments/New%20Place' -X DELETE)"
equal 'one that jobs had' 204 "$(status environments/production -X DELETE)"
equal 'is gone too' 'slow Staging' "$(ask environments | jq -r '[.environments[].name] | join(" ")')"
equal 'what was deployed stays' 1 "$(ask 'deployments?environment=production' | jq length)"
echo '' >"$M/dispatch/r/deploy.yml"
ended "$(readlink "$M/runs/latest")"
equal 'until a job has it again' 'production slow Staging' "$(ask environments | jq -r '[.environments[].name] | join(" ")')"
equal 'nobody is asked' 'false 0 0' "$(ask environments/production | jq -r .deployment_branch_policy | sed s/null/false/) $(ask environments/production/deployment-branch-policies |
    jq .total_count) $(ask environments/production/deployment_protection_rules | jq .total_count)"

# a run stands on a branch or a tag
dispatch() { ask actions/workflows/deploy.yml/dispatches -d "{\"ref\": \"$1\"}" -o "$T/body" -w '%{http_code}'; }
equal 'on a tag' 204 "$(dispatch v1)"
ended "$(readlink "$M/runs/latest")"
for ref in "$sha" HEAD "heads/none" refs/remotes/origin/main; do
    equal "not on $ref" "422 No ref found for: $ref" "$(dispatch "$ref") $(jq -r .message "$T/body")"
done
