# An event goes to the linked repository that its payload names, with that one's commits; nothing written makes an event of
# the last commit. `runfs plan` says the same words.
. "$(dirname "$0")/lib.sh"
need git
rf_mount
need_sandbox

git_in() { git -C "$1" -c user.name=Ann -c user.email=ann@example.com "${@:2}"; }
repo() { # NAME REMOTE
    mkdir -p "$T/$1/.github/workflows" "$T/$1/src"
    git -C "$T/$1" init -q -b main
    [ -z "$2" ] || git -C "$T/$1" remote add origin "$2"
    cat >"$T/$1/.github/workflows/ci.yml" <<'Y'
on:
  push: {paths: ["src/**"]}
  pull_request: {branches: [main]}
  issues:
jobs:
  a:
    runs-on: ubuntu-latest
    env: {EVENT: "${{ toJSON(github.event) }}"}
    steps: [{run: 'echo "$GITHUB_REPOSITORY $GITHUB_REF $GITHUB_SHA"'}]
Y
    git_in "$T/$1" add -A
    git_in "$T/$1" commit -qm "begin $1"
    ln -s "$T/$1" "$M/repos/$1"
}
repo one https://github.com/octo/One.git
repo two ''
cat >"$T/dropped.yml" <<'Y'
on: issues
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo "$GITHUB_REPOSITORY $GITHUB_REF $GITHUB_SHA"'}]}}
Y
ended "$(rf_start "$T/dropped.yml")"
run_of() { sed -n "s,^$2: run \([0-9]*\): .*,\1,p" "$M/events/$1"; }
says() { equal "events/$1" "$3" "$(grep "^$2: " "$M/events/$1" | sed 's/: run [0-9]*:/: run N:/')"; }

# named by its remote: that one, and the dropped one on it
echo '{"action": "opened", "repository": {"full_name": "octo/one"}}' >"$M/events/issues"
says issues one/ci.yml 'one/ci.yml: run N: issues: type opened'
says issues two/ci.yml 'two/ci.yml: not started: the payload is of octo/one, and this is local/two'
says issues dropped.yml 'dropped.yml: run N: issues: type opened'
head=$(git -C "$T/one" rev-parse HEAD)
for w in one/ci.yml dropped.yml; do
    n=$(run_of issues "$w")
    ended "$n"
    equal "$w" "octo/One refs/heads/main $head" "$(step_out "$n" a 01)"
done
[ -L "$M/runs/by-workflow/one:ci.yml/$(run_of issues one/ci.yml)" ] || fail 'by-workflow lacks the run'
# by the name of its link
echo '{"action": "opened", "repository": {"full_name": "who/two"}}' >"$M/events/issues"
says issues one/ci.yml 'one/ci.yml: not started: the payload is of who/two, and this is octo/One'
says issues two/ci.yml 'two/ci.yml: run N: issues: type opened'

# nothing written: the last commit of each
echo x >"$T/one/README"
git_in "$T/one" add -A
git_in "$T/one" commit -qm 'Say more

And why.'
echo >"$M/events/push"
says push one/ci.yml "one/ci.yml: not started: push: branch main, but no changed path matches paths: 'src/**'"
says push two/ci.yml "two/ci.yml: not started: push: branch main, but no changed path matches paths: 'src/**'"
exits 1 "$RUNFS" plan "$T/one/.github/workflows/ci.yml"
file_has "$T/out" "push: branch main, but no changed path matches paths: 'src/**'"
git_in "$T/one" checkout -qb feature
echo x >"$T/one/src/a.c"
git_in "$T/one" add -A
git_in "$T/one" commit -qm 'Work'
: >"$M/events/push"
rf_wait 10 grep -q 'one/ci.yml: run' "$M/events/push"
says push one/ci.yml "one/ci.yml: run N: push: branch feature, and path src/a.c matches paths: 'src/**'"
n=$(run_of push one/ci.yml)
E=$M/runs/$n/event.json
is() { equal "$1" "$2" "$(jq -r "$1" "$E")"; }
head=$(git -C "$T/one" rev-parse HEAD)
is .ref refs/heads/feature
is .after "$head"
is .before "$(git -C "$T/one" rev-parse HEAD^)"
is .head_commit.id "$head"
is .head_commit.message Work
is .head_commit.author.name Ann
is .head_commit.author.email ann@example.com
is .head_commit.timestamp "$(git -C "$T/one" log -1 --format=%cI)"
is '.commits | length' 1
is '[.created, .deleted, .forced] | tostring' '[false,false,false]'
is .compare "https://github.com/octo/One/compare/$(git -C "$T/one" rev-parse --short=12 HEAD^)...$(git -C "$T/one" rev-parse --short=12 HEAD)"
is .repository.full_name octo/One
is .repository.owner.login octo
is .repository.default_branch main
is .repository.clone_url https://github.com/octo/One.git
is .repository.html_url https://github.com/octo/One
is .sender.login "$(cat "$M/runs/$n/actor")"
is .pusher.name "$(cat "$M/runs/$n/actor")"

# what a feature branch would ask for
echo >"$M/events/pull_request"
says pull_request one/ci.yml 'one/ci.yml: run N: pull_request: type opened is among the default types: opened, synchronize, reopened, and base branch main matches branches: main'
n=$(run_of pull_request one/ci.yml)
E=$M/runs/$n/event.json
is .number 1
is .pull_request.head.ref feature
is .pull_request.head.sha "$head"
is .pull_request.base.ref main
is .pull_request.base.sha "$(git -C "$T/one" rev-parse main)"
is .pull_request.title Work
is .pull_request.head.repo.full_name octo/One
is '[.pull_request.draft, .pull_request.merged, (.pull_request.labels | length)] | tostring' '[false,false,0]'
file_is "$M/runs/$n/ref" refs/pull/1/merge
file_is "$M/runs/$n/sha" "$head"
# paths of a pull request are those since it left its base; its last commit may say that nothing is to run
"$RUNFS" plan --event pull_request "$T/one/.github/workflows/ci.yml" >"$T/out"
file_has "$T/out" 'pull_request: type opened is among the default types: opened, synchronize, reopened, and base branch main matches branches: main'
git_in "$T/one" commit -q --allow-empty -m 'More [skip ci]'
echo >"$M/events/pull_request"
says pull_request one/ci.yml "one/ci.yml: not started: pull_request: the commit's message says [skip ci]"

# a file that changes in a checkout counts at the next event
sed -i 's/issues:/watch:/' "$T/two/.github/workflows/ci.yml"
echo '{"action": "started"}' >"$M/events/watch"
says watch two/ci.yml 'two/ci.yml: run N: watch: type started'
echo 'on: [' >"$T/two/.github/workflows/ci.yml"
echo '{"action": "started"}' >"$M/events/watch"
contains 'one in error' "$(grep ^two/ "$M/events/watch")" 'two/ci.yml: not started: ci.yml (Line: '
