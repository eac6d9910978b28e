# `runfs run` and `runfs plan` take an event and its payload, and derive from it what the mount does.
. "$(dirname "$0")/lib.sh"
need git
cat >"$T/ci.yml" <<'Y'
on: {pull_request: , push: {branches: [main]}, release: {types: [published]}, deployment: }
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: 'echo "told: $GITHUB_EVENT_NAME $GITHUB_REF $GITHUB_REF_NAME $GITHUB_REF_TYPE $GITHUB_SHA $GITHUB_HEAD_REF/$GITHUB_BASE_REF $GITHUB_ACTOR $GITHUB_REPOSITORY ${{ github.event.pull_request.number }}"'
Y
told() { "$RUNFS" run --label '*=host' --state "$STATE" "$@" "$T/ci.yml" 2>&1 | grep '^told: ' || fail 'it did not run'; }
a=1111111111111111111111111111111111111111 z=0000000000000000000000000000000000000000
cat >"$T/pull.json" <<J
{"number": 9, "sender": {"login": "octocat"}, "repository": {"full_name": "o/r"}, "action": "opened",
 "pull_request": {"number": 9, "head": {"ref": "topic", "sha": "$a"}, "base": {"ref": "main"}}}
J
equal 'a pull request' "told: pull_request refs/pull/9/merge 9/merge branch $a topic/main octocat o/r 9" "$(told --event pull_request --payload "$T/pull.json")"
equal 'what a person says wins' "told: pull_request refs/heads/x x branch $a topic/main me p/q 9" \
    "$(told --event pull_request --payload "$T/pull.json" --ref x --actor me --repository p/q)"
echo '{"release": {"tag_name": "v3"}, "action": "published", "sender": {"login": "octocat"}}' >"$T/release.json"
equal 'a release' "told: release refs/tags/v3 v3 tag $z / octocat local/ci " "$(told --event release --payload "$T/release.json")"
exits 0 "$RUNFS" plan --event release --payload "$T/release.json" "$T/ci.yml"
file_has "$T/out" 'release: type published is among types: published'
echo '{"ref": "refs/heads/dev"}' >"$T/push.json"
exits 1 "$RUNFS" plan --event push --payload "$T/push.json" "$T/ci.yml"
file_has "$T/out" 'push: branch dev matches none of branches: main'
echo '{"ref": }' >"$T/bad.json"
exits 2 "$RUNFS" run --payload "$T/bad.json" "$T/ci.yml"
file_has "$T/err" "$T/bad.json (Line: 1, Col: 9): "
exits 2 "$RUNFS" plan --payload "$T/bad.json" "$T/ci.yml"
file_has "$T/err" "$T/bad.json (Line: 1, Col: 9): "

# in a checkout: its tags, branches and commits
mkdir "$T/w"
git -C "$T/w" init -q -b trunk
g() { git -C "$T/w" -c user.name=A -c user.email=a@example.com "$@"; }
g commit -q --allow-empty -m one
one=$(g rev-parse HEAD)
g tag v3
g commit -q --allow-empty -m two
two=$(g rev-parse HEAD)
g remote add origin git@github.com:octo/spoon.git
actor=$(id -un)
equal 'the tag has its commit' "told: release refs/tags/v3 v3 tag $one / octocat octo/spoon " "$(told --workspace "$T/w" --event release --payload "$T/release.json")"
equal 'a made push' "told: push refs/heads/trunk trunk branch $two / $actor octo/spoon " "$(told --workspace "$T/w")"
equal 'a push of a tag' "told: push refs/tags/v3 v3 tag $one / $actor octo/spoon " "$(told --workspace "$T/w" --ref v3)"
echo '{"deployment": {"ref": "v3", "sha": ""}}' >"$T/deployment.json"
equal 'a deployment of a tag' "told: deployment refs/tags/v3 v3 tag $one / $actor octo/spoon " "$(told --workspace "$T/w" --event deployment --payload "$T/deployment.json")"
