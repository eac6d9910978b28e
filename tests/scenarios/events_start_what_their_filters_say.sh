# A payload written into events/NAME starts the workflows whose filters it passes; reading it says which, and why.
. "$(dirname "$0")/lib.sh"
need git
rf_mount
need_sandbox

on() { # FILE ON [ENV...]: a workflow that prints what it was told
    printf 'on: %s\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n' "$2" >"$T/$1"
    cat >>"$T/$1" <<'Y'
          echo "ref=$GITHUB_REF name=$GITHUB_REF_NAME type=$GITHUB_REF_TYPE sha=$GITHUB_SHA"
          echo "head=$GITHUB_HEAD_REF base=$GITHUB_BASE_REF actor=$GITHUB_ACTOR repo=$GITHUB_REPOSITORY event=$GITHUB_EVENT_NAME"
Y
    cp "$T/$1" "$M/workflows/"
    ended "$(readlink "$M/runs/latest")"
}
started() { # FILE: the run that events/$event says it started
    sed -n "s/^$1: run \([0-9]*\): .*/\1/p" "$M/events/$event"
}
says() { # FILE LINE
    equal "what events/$event says of $1" "$1: $2" "$(grep "^$1: " "$M/events/$event" | sed 's/: run [0-9]*:/: run N:/')"
}
told() { # RUN: what it printed
    ended "$1"
    step_out "$1" a 01
}

event=push
equal 'nothing delivered yet' '' "$(cat "$M/events/push")"
echo '{"ref": "refs/heads/main"}' >"$M/events/push"
contains 'no workflow' "$(cat "$M/events/push")" 'no workflow is registered'

on branches.yml '{push: {branches: [main, "release/**"]}}'
on ignored.yml '{push: {branches-ignore: [main]}}'
on tags.yml '{push: {tags: ["v*"]}}'
on paths.yml '{push: {paths: ["src/**"]}}'
on other.yml '[issues, pull_request]'
before=$(runs)
cat >"$T/push.json" <<'J'
{"ref": "refs/heads/main", "before": "1111111111111111111111111111111111111111",
 "after": "2222222222222222222222222222222222222222", "sender": {"login": "octocat"},
 "repository": {"full_name": "o/r", "default_branch": "main"},
 "head_commit": {"message": "docs"}, "commits": [{"id": "2222222222222222222222222222222222222222",
 "added": ["README.md"], "modified": [], "removed": []}]}
J
cp "$T/push.json" "$M/events/push"
says branches.yml "run N: push: branch main matches branches: main, 'release/**'"
says ignored.yml 'not started: push: branch main matches branches-ignore: main'
says tags.yml 'not started: push: branch main, and `on.push` filters only tags'
says paths.yml "not started: push: branch main, but no changed path matches paths: 'src/**'"
says other.yml 'not started: push: not among the events of `on`: issues, pull_request'
equal 'runs started' $((before + 1)) "$(runs)"
equal 'what it is told' "ref=refs/heads/main name=main type=branch sha=2222222222222222222222222222222222222222
head= base= actor=octocat repo=o/r event=push" "$(told "$(started branches.yml)")"
equal 'the payload is the one written' docs "$(jq -r .head_commit.message "$M/runs/$(started branches.yml)/event.json")"

sed 's/README.md/src\/a.c/; s/heads\/main/heads\/dev/' "$T/push.json" >"$T/dev.json"
cat "$T/dev.json" >>"$M/events/push"
says branches.yml "not started: push: branch dev matches none of branches: main, 'release/**'"
says ignored.yml 'run N: push: branch dev matches none of branches-ignore: main'
says paths.yml "run N: push: branch dev, and path src/a.c matches paths: 'src/**'"
sed 's/heads\/main/tags\/v1.2/' "$T/push.json" >"$M/events/push"
says tags.yml "run N: push: tag v1.2 matches tags: 'v*'"
says paths.yml 'run N: push: tag v1.2'
contains 'a tag' "$(told "$(started tags.yml)")" 'ref=refs/tags/v1.2 name=v1.2 type=tag'
sed 's/"docs"/"docs [skip ci]"/' "$T/push.json" >"$M/events/push"
says branches.yml "not started: push: the commit's message says [skip ci]"

event=pull_request
cat >"$T/pull.json" <<'J'
{"action": "opened", "number": 7, "sender": {"login": "hubot"}, "repository": {"full_name": "o/r", "default_branch": "main"},
 "pull_request": {"number": 7, "merge_commit_sha": "3333333333333333333333333333333333333333", "merged": false,
  "head": {"ref": "feature", "sha": "4444444444444444444444444444444444444444"}, "base": {"ref": "main"}}}
J
cp "$T/pull.json" "$M/events/pull_request"
says other.yml 'run N: pull_request: type opened is among the default types: opened, synchronize, reopened, and base branch main'
equal 'a pull request' "ref=refs/pull/7/merge name=7/merge type=branch sha=3333333333333333333333333333333333333333
head=feature base=main actor=hubot repo=o/r event=pull_request" "$(told "$(started other.yml)")"
sed 's/opened/labeled/' "$T/pull.json" >"$M/events/pull_request"
says other.yml 'not started: pull_request: type labeled is not among the default types: opened, synchronize, reopened'
on closed.yml '{pull_request: {types: [closed]}}'
sed 's/opened/closed/; s/"merged": false/"merged": true/' "$T/pull.json" >"$M/events/pull_request"
contains 'a merged one' "$(told "$(started closed.yml)")" 'ref=refs/heads/main name=main type=branch sha=3333333333333333333333333333333333333333'

event=release
on release.yml '{release: {types: [published]}}'
echo '{"action": "published", "release": {"tag_name": "v2", "draft": false}}' >"$M/events/release"
says release.yml 'run N: release: type published is among types: published'
contains 'a release' "$(told "$(started release.yml)")" 'ref=refs/tags/v2 name=v2 type=tag'
for event in create delete; do on "$event.yml" "$event"; done
event=create
echo '{"ref": "v3", "ref_type": "tag"}' >"$M/events/create"
contains 'a new tag' "$(told "$(started create.yml)")" 'ref=refs/tags/v3 '
event=delete
echo '{"ref": "old", "ref_type": "branch", "repository": {"default_branch": "trunk"}}' >"$M/events/delete"
contains 'a branch that is gone' "$(told "$(started delete.yml)")" 'ref=refs/heads/trunk '

# every event that GitHub has, from the table
for event in workflow_run schedule merge_group image_version; do [ -f "$M/events/$event" ] || fail "no events/$event"; done
[ ! -e "$M/events/workflow_call" ] || fail 'workflow_call is delivered'
equal 'how many' 35 "$(find "$M/events" -type f | wc -l)"
refused touch "$M/events/pushed"
