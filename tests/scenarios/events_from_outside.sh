# repository_dispatch: the body that GitHub's API takes starts what waits for its type, with its client_payload.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/deploy.yml" <<'Y'
on: {repository_dispatch: {types: [deploy, test_result]}, workflow_dispatch: }
run-name: ${{ github.event.action }} ${{ github.event.client_payload.version }}
jobs:
  a:
    if: ${{ !github.event.client_payload.passed }}
    runs-on: ubuntu-latest
    steps:
      - run: echo "${{ github.event.action }} ${{ github.event.client_payload.message }} ${{ github.event.branch }} $GITHUB_REF"
Y
sed 's/deploy, test_result/other/' "$T/deploy.yml" >"$T/other.yml"
for f in deploy other; do ended "$(rf_start "$T/$f.yml")"; done
echo '{"event_type": "test_result", "client_payload": {"passed": false, "message": "Error: timeout", "version": 7}}' >"$M/events/repository_dispatch"
equal report 'deploy.yml: run 3: repository_dispatch: type test_result is among types: deploy, test_result
other.yml: not started: repository_dispatch: type test_result is not among types: other' "$(cat "$M/events/repository_dispatch")"
ended 3
equal 'what it is told' 'test_result Error: timeout main refs/heads/main' "$(step_out 3 a 01)"
file_is "$M/runs/3/title" 'test_result 7'
file_is "$M/runs/3/event" repository_dispatch
equal 'the webhook has no event_type' 'test_result null' "$(jq -r '"\(.action) \(.event_type)"' "$M/runs/3/event.json")"
echo '{"event_type": "deploy", "client_payload": {"passed": true}}' >"$M/events/repository_dispatch"
ended 4
file_is "$M/runs/4/conclusion" skipped
# the report outlives the daemon
report=$(cat "$M/events/repository_dispatch")
rf_umount
rf_mount
equal 'after a restart' "$report" "$(cat "$M/events/repository_dispatch")"
