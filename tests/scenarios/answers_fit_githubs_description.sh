# Every answer to what GitHub's description of its API (OpenAPI) has is as that says: types, formats, what may be null, which words
# there are, which status. All routes are asked that GitHub has, too, of runs in each state.
# limit: 300
. "$(dirname "$0")/lib.sh"
need node
need npm
need git
need curl
need jq
need openssl
MODULES=$("$here/tests/toolkit/install" 2>"$T/why") || skip "$(tail -n 1 "$T/why")"
export MODULES
description=$("$here/tests/toolkit/description" 2>"$T/why") || skip "$(tail -n 1 "$T/why")"
rf_mount
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
cat >"$T/repo/.github/workflows/ci.yml" <<'Y'
name: CI
on:
  push:
  pull_request:
  workflow_dispatch: {inputs: {count: {type: number}, sure: {type: boolean}}}
  repository_dispatch: {types: [deploy]}
jobs:
  build:
    runs-on: h
    environment: review
    steps:
      - run: mkdir d; echo x >d/x; echo "::warning file=a.c,line=1,col=2::mind this"; echo "::notice::and this"
      - {uses: actions/upload-artifact@v4, with: {name: things, path: d}}
      - {uses: actions/cache/save@v4, with: {key: 'k-${{ github.run_number }}', path: d}}
      - {if: false, run: 'false'}
  check: {needs: build, runs-on: [h], strategy: {matrix: {a: [1, 2]}}, steps: [{run: 'test "$GITHUB_REF" != refs/heads/bad'}]}
  never: {if: false, runs-on: h, steps: [{run: 'false'}]}
Y
printf 'on: workflow_dispatch\njobs: {a: {runs-on: h, steps: [{run: exec sleep 100}]}, b: {needs: a, runs-on: h, steps: [{run: 'true'}]}}\n' \
    >"$T/repo/.github/workflows/slow.yml"
echo '# r' >"$T/repo/README.md"
ln -s README.md "$T/repo/link"
git_commit "$T/repo"
git -C "$T/repo" branch bad
git -C "$T/repo" tag v1
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
ln -s "$T/repo" "$M/repos/r"
sha=$(git -C "$T/repo" rev-parse HEAD)
echo "{\"ref\": \"refs/heads/main\", \"after\": \"$sha\"}" >"$M/events/push"
ended 1
echo "{\"ref\": \"refs/heads/bad\", \"after\": \"$sha\"}" >"$M/events/push"
ended 2
end="\"ref\": \"main\", \"sha\": \"$sha\", \"repo\": {\"id\": 7, \"name\": \"r\", \"full_name\": \"o/r\", \"url\": \"https://api.example.com/repos/o/r\"}"
echo "{\"action\": \"opened\", \"number\": 3, \"pull_request\": {\"number\": 3, \"id\": 30, \"url\": \"https://api.example.com/repos/o/r/pulls/3\",
    \"head\": {$end}, \"base\": {$end}}, \"repository\": {\"full_name\": \"o/r\"}}" >"$M/events/pull_request"
ended 3
workflow "$T/dropped.yml" :
equal 'the dropped one' 4 "$(rf_drop "$T/dropped.yml")"
echo x >"$M/secrets/S"
echo x >"$M/vars/V"
echo 0 >"$M/config/listen"
echo 10000 >"$M/config/rate_limit"
rf_wait 10 grep -q '^listen: 127' "$M/status"
base=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
token=$("$RUNFS" token create --scope admin "$M")
echo open-sesame >"$M/config/webhook/secret"
printf '{"action": "created", "repository": {"full_name": "o/r"}}' >"$T/payload"
curl -sf -o "$T/answer" "$base/webhook" -H 'X-GitHub-Event: star' --data-binary "@$T/payload" \
    -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac open-sesame "$T/payload" | awk '{print $NF}')"
rf_wait 20 grep -qx done "$M/events/deliveries/1/state"

cat >"$T/requests" <<X
GET / 200
GET /meta 200
GET /versions 200
GET /zen 200
GET /rate_limit 200
GET /user 200
GET /users/somebody 200
GET /orgs/o 200
GET /user/repos 200
GET /user/orgs 200
GET /users/o/repos 200
GET /orgs/o/repos 200
GET /repos/o/r 200
GET /repos/runfs/workflows 200
GET /repos/o/none 404
GET /repos/o/r/branches 200
GET /repos/o/r/branches/main 200
GET /repos/o/r/branches/none 404
GET /repos/o/r/git/ref/heads/main 200
GET /repos/o/r/git/ref/tags/v1 200
GET /repos/o/r/git/ref/heads/none 404
GET /repos/o/r/environments 200
GET /repos/o/r/environments/review 200
GET /repos/o/r/environments/none 404
GET /repos/o/r/environments/review/deployment-branch-policies 200
GET /repos/o/r/environments/review/deployment_protection_rules 200
PUT /repos/o/r/environments/made 200
PUT /repos/o/r/environments/made 422 {"wait_timer": 1}
DELETE /repos/o/r/environments/made 204
DELETE /repos/o/r/environments/made 404
GET /repos/o/r/deployments 200
GET /repos/o/r/deployments/1 200
GET /repos/o/r/deployments/2 404
GET /repos/o/r/deployments/1/statuses 200
GET /repos/o/r/deployments/1/statuses/5 200
GET /repos/o/r/branches/main/protection 404
GET /repos/o/r/commits/main 200
GET /repos/o/r/commits/none 422
GET /repos/o/r/commits 200
GET /repos/o/r/commits?sha=none 404
GET /repos/runfs/workflows/commits 409
GET /repos/o/r/commits/$sha/branches-where-head 200
GET /repos/o/r/commits/$sha/comments 200
GET /repos/o/r/commits/$sha/pulls 200
GET /repos/o/r/hooks 200
GET /repos/o/r/hooks/1 200
GET /repos/o/r/hooks/2 404
GET /repos/o/r/hooks/1/config 200
GET /repos/o/r/hooks/1/deliveries 200
GET /repos/o/r/hooks/1/deliveries/1 200
GET /repos/o/r/hooks/1/deliveries/9 404
POST /repos/o/r/hooks/1/deliveries/1/attempts 422
GET /repos/o/r/pulls 200
GET /repos/o/r/pulls/3 200
GET /repos/o/r/pulls/9 404
GET /repos/o/r/pulls/3/files 200
GET /repos/o/r/pulls/3/commits 200
GET /repos/o/r/tags 200
GET /repos/o/r/compare/main...bad 200
GET /repos/o/r/compare/main...none 404
GET /repos/o/r/git/matching-refs/heads/ 200
GET /repos/o/r/git/commits/$sha 200
GET /repos/o/r/git/trees/$sha?recursive=1 200
GET /repos/o/r/git/trees/none 404
GET /repos/o/r/git/blobs/$(git -C "$T/repo" rev-parse HEAD:README.md) 200
GET /repos/o/r/git/blobs/none 404
GET /repos/o/r/contents/README.md 200
GET /repos/o/r/contents/link 200
GET /repos/o/r/contents/README.md?ref=none 404
GET /repos/o/r/readme 200
GET /repos/o/r/readme/.github 404
GET /repos/o/r/commits/main/status 200
GET /repos/o/r/commits/main/statuses 200
GET /repos/o/r/commits/main/check-runs?filter=all 200
GET /repos/o/r/commits/main/check-suites 200
GET /repos/o/r/check-suites/1 200
GET /repos/o/r/check-suites/3 200
GET /repos/o/r/check-suites/3/check-runs 200
GET /repos/o/r/check-suites/2/check-runs 200
GET /repos/o/r/check-runs/1 200
GET /repos/o/r/check-runs/1/annotations 200
GET /repos/o/r/contents/.github/workflows 200
GET /repos/o/r/contents/.github/workflows/ci.yml 200
GET /repos/o/r/contents/none 404
GET /repos/o/r/actions/workflows 200
GET /repos/o/r/actions/workflows/ci.yml 200
GET /repos/o/r/actions/workflows/none.yml 404
GET /repos/o/r/actions/workflows/ci.yml/timing 200
GET /repos/o/r/actions/workflows/ci.yml/runs 200
GET /repos/o/r/actions/runs 200
GET /repos/runfs/workflows/actions/runs 200
GET /repos/runfs/workflows/actions/workflows 200
GET /repos/runfs/workflows/actions/runs/4/jobs 200
GET /repos/o/r/actions/runs/1 200
GET /repos/o/r/actions/runs/3 200
GET /repos/o/r/actions/runs/99 404
GET /repos/o/r/actions/runs/1/approvals 200
GET /repos/o/r/actions/runs/1/pending_deployments 200
POST /repos/o/r/actions/runs/1/approve 403
POST /repos/o/r/actions/runs/1/pending_deployments 422 {"environment_ids": [1], "state": "approved", "comment": ""}
GET /repos/o/r/actions/runs/1/jobs 200
GET /repos/o/r/actions/runs/2/jobs?filter=all 200
GET /repos/o/r/actions/runs/1/attempts/1/jobs 200
GET /repos/o/r/actions/runs/1/attempts/9 404
GET /repos/o/r/actions/runs/1/logs 302
GET /repos/o/r/actions/runs/1/attempts/1/logs 302
GET /repos/o/r/actions/runs/1/artifacts 200
GET /repos/o/r/actions/runs/1/timing 200
GET /repos/o/r/actions/jobs/1 200
GET /repos/o/r/actions/jobs/1/logs 302
GET /repos/o/r/actions/runners 200
GET /repos/o/r/actions/runners/downloads 200
GET /repos/o/r/actions/runners/1 200
GET /repos/o/r/actions/runners/1/labels 200
GET /repos/o/r/actions/organization-secrets 200
GET /repos/o/r/actions/organization-variables 200
GET /repos/o/r/actions/permissions 200
GET /repos/o/r/actions/permissions/workflow 200
GET /repos/o/r/actions/permissions/selected-actions 409
GET /repos/o/r/actions/permissions/access 200
GET /repos/o/r/actions/permissions/artifact-and-log-retention 200
GET /repos/o/r/actions/artifacts 200
GET /repos/o/r/actions/artifacts/1 200
GET /repos/o/r/actions/artifacts/1/zip 302
DELETE /repos/o/r/actions/artifacts/1 204
GET /repos/o/r/actions/artifacts/1 404
GET /repos/o/r/actions/cache/usage 200
GET /repos/o/r/actions/caches 200
DELETE /repos/o/r/actions/caches?key=k-1 200
DELETE /repos/o/r/actions/caches/2 204
GET /repos/o/r/actions/secrets/public-key 200
GET /repos/o/r/actions/secrets 200
GET /repos/o/r/actions/secrets/S 200
GET /repos/o/r/actions/secrets/NONE 404
PUT /repos/o/r/actions/secrets/NEW 422 {"encrypted_value": "none", "key_id": "1"}
DELETE /repos/o/r/actions/secrets/S 204
GET /repos/o/r/actions/variables 200
POST /repos/o/r/actions/variables 201 {"name": "NEW", "value": "1"}
POST /repos/o/r/actions/variables 409 {"name": "NEW", "value": "1"}
PATCH /repos/o/r/actions/variables/NEW 204 {"value": "2"}
GET /repos/o/r/actions/variables/NEW 200
DELETE /repos/o/r/actions/variables/NEW 204
DELETE /repos/o/r/actions/variables/NEW 404
GET /repos/o/r/environments/review/secrets/public-key 200
GET /repos/o/r/environments/review/secrets 200
GET /repos/o/r/environments/review/secrets/NONE 404
PUT /repos/o/r/environments/review/secrets/NEW 422 {"encrypted_value": "none", "key_id": "1"}
DELETE /repos/o/r/environments/review/secrets/NONE 404
POST /repos/o/r/environments/review/variables 201 {"name": "NEW", "value": "1"}
GET /repos/o/r/environments/review/variables 200
PATCH /repos/o/r/environments/review/variables/NEW 204 {"value": "2"}
GET /repos/o/r/environments/review/variables/NEW 200
DELETE /repos/o/r/environments/review/variables/NEW 204
POST /repos/o/r/actions/workflows/ci.yml/dispatches 204 {"ref": "main", "inputs": {"count": 3, "sure": true}}
POST /repos/o/r/actions/workflows/ci.yml/dispatches 422 {"ref": "main", "inputs": {"other": "x"}}
POST /repos/o/r/actions/workflows/ci.yml/dispatches 200 {"ref": "main", "return_run_details": true}
POST /repos/o/r/dispatches 204 {"event_type": "deploy", "client_payload": {"a": 1}}
POST /repos/o/r/dispatches 422 {"client_payload": {"a": 1}}
WAIT 5
WAIT 6
WAIT 7
POST /repos/o/r/actions/runs/5/cancel 409
PUT /repos/o/r/actions/workflows/slow.yml/disable 204
GET /repos/o/r/actions/workflows/slow.yml 200
PUT /repos/o/r/actions/workflows/slow.yml/enable 204
POST /repos/o/r/actions/workflows/slow.yml/dispatches 204 {"ref": "main"}
GET /repos/o/r/actions/runs/8 200
GET /repos/o/r/actions/runs/8/jobs 200
GET /repos/o/r/actions/runs/8/timing 200
GET /repos/o/r/commits/main/check-runs 200
GET /repos/o/r/commits/main/check-suites 200
GET /repos/o/r/commits/main/status 200
POST /repos/o/r/actions/runs/8/cancel 202
WAIT 8
GET /repos/o/r/actions/runs/8/jobs 200
POST /repos/o/r/actions/workflows/slow.yml/dispatches 204 {"ref": "main"}
POST /repos/o/r/actions/runs/9/force-cancel 202
WAIT 9
POST /repos/o/r/actions/runs/1/rerun 201
POST /repos/o/r/actions/runs/2/rerun-failed-jobs 201
WAIT 1
WAIT 2
GET /repos/o/r/actions/runs/2/attempts/1 200
GET /repos/o/r/actions/runs/2/attempts/1/jobs 200
POST /repos/o/r/actions/jobs/1/rerun 201
WAIT 1
POST /repos/o/r/check-suites/1/rerequest 201
WAIT 1
POST /repos/o/r/check-runs/1/rerequest 201
WAIT 1
GET /repos/o/r/actions/runs/1/jobs?filter=all 200
DELETE /repos/o/r/actions/runs/5/logs 204
DELETE /repos/o/r/actions/runs/5 204
DELETE /repos/o/r/actions/runs/5 404
X
# the server's table of routes, with what stands for the beginning of each pattern
sed -nE 's,^(GET|DOWNLOAD)\((.*),ASK("GET"\, \2,; s,^ASK\("([A-Z]+)"\, *([^\,]*)\,.*,\1 \2,p' "$here/core/net/server_routes.c" |
    sed -E 's,[" ]P ", /repos/:o/:r,; s,[" ]A ", /repos/:o/:r/actions,; s,[" ]E ", /repos/:o/:r/environments/:e,; s,",,g; s, P$, /repos/:o/:r,; / N /d' >"$T/routes"
contains 'the routes' "$(cat "$T/routes")" 'DELETE /repos/:o/:r/actions/runs/:id'
# where the description leaves it open whether something is there: the pull request
curl -sf -H "Authorization: token $token" "$base/repos/o/r/actions/runs/3" >"$T/run"
equal 'the pull request of a run' "3 $base/repos/o/r/pulls/3 main $sha r" \
    "$(jq -r '.pull_requests[] | "\(.number) \(.url) \(.head.ref) \(.head.sha) \(.base.repo.name)"' "$T/run")"
equal 'to who wants none' '[]' "$(curl -sf -H "Authorization: token $token" "$base/repos/o/r/actions/runs/3?exclude_pull_requests=true" | jq -c .pull_requests)"
equal 'of its suite' 3 "$(curl -sf -H "Authorization: token $token" "$base/repos/o/r/check-suites/3" | jq '.pull_requests[].number')"
equal 'of a push' '[]' "$(curl -sf -H "Authorization: token $token" "$base/repos/o/r/actions/runs/1" | jq -c .pull_requests)"
node "$here/tests/toolkit/described.mjs" "$description" "$base" "$token" "$M" "$T/routes" <"$T/requests" >"$T/said" 2>"$T/err" || {
    cat "$T/err" >&2
    fail "it ended early, having said: $(cat "$T/said")"
}
equal 'what differs' '130: operations asked' "$(cat "$T/said")"
# one from a fork is of another repository's branch
echo "{\"action\": \"opened\", \"number\": 4, \"pull_request\": {\"number\": 4, \"id\": 40, \"head\": {${end//o\/r/x\/r}}, \"base\": {$end}},
    \"repository\": {\"full_name\": \"o/r\"}}" >"$M/events/pull_request"
equal 'from a fork' 'pull_request []' "$(curl -sf -H "Authorization: token $token" "$base/repos/o/r/actions/runs/$(readlink "$M/runs/latest")" |
    jq -r '"\(.event) \(.pull_requests)"')"
