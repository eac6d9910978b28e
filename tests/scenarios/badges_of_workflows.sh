# A README's badge: badge_url of a workflow is a picture with its name and what came of its newest run, by branch and event. And what
# clients ask for besides: a commit's name alone, a check suite or a check run once more.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need git
rf_mount
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
cat >"$T/repo/.github/workflows/ci.yml" <<'Y'
name: Build & <test>
on: [push, workflow_dispatch]
jobs: {a: {runs-on: h, steps: [{run: 'test "$GITHUB_REF" != refs/heads/bad'}]}}
Y
git_commit "$T/repo"
git -C "$T/repo" branch bad
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
ln -s "$T/repo" "$M/repos/r"
echo "$T/sock 0" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
ask() { curl -sf --unix-socket "$T/sock" "$@"; }
badge() { # [QUERY]: its text, as who reads XML finds it
    ask "http://x/o/r/actions/workflows/ci.yml/badge.svg${1-}" >"$T/badge" || fail 'there is no badge'
    "$PYTHON" -c 'import sys, xml.dom.minidom as m; print(m.parse(sys.argv[1]).getElementsByTagName("title")[0].firstChild.data)' "$T/badge"
}
push() { # BRANCH
    echo "{\"ref\": \"refs/heads/$1\", \"after\": \"$(git -C "$T/repo" rev-parse HEAD)\"}" >"$M/events/push"
    ended "$(readlink "$M/runs/latest")"
}
equal 'before any run' 'Build & <test> - no status' "$(badge)"
push main
equal 'it passes' 'Build & <test> - passing' "$(badge)"
push bad
equal 'of the default branch' 'Build & <test> - passing' "$(badge)"
equal 'of another branch' 'Build & <test> - failing' "$(badge '?branch=bad')"
equal 'of an event that there was none of' 'Build & <test> - no status' "$(badge '?event=workflow_dispatch')"
equal 'where the API says it is' 200 "$(curl -s -o "$T/body" -w '%{http_code}' -H "Authorization: token $("$RUNFS" token create --scope read "$M")" \
    "$(ask http://x/repos/o/r/actions/workflows/ci.yml | jq -r .badge_url)")"
equal 'the same' "$(cat "$T/body")" "$(badge >/dev/null; cat "$T/badge")"
equal 'not to everybody' 401 "$(curl -s -o "$T/body" -w '%{http_code}' "$(ask http://x/repos/o/r/actions/workflows/ci.yml | jq -r .badge_url)")"
refused ask http://x/o/r/actions/workflows/none.yml/badge.svg

for accept in application/vnd.github.sha application/vnd.github.v3.sha 'text/html, application/vnd.github.VERSION.sha;q=0.9'; do
    equal "a commit's name as $accept" "$(git -C "$T/repo" rev-parse HEAD)" "$(ask -H "Accept: $accept" http://x/repos/o/r/commits/main)"
done
for accept in application/vnd.github+json application/vnd.github.v3.shape '*/*' application/sha; do
    equal "JSON as $accept" "$(git -C "$T/repo" rev-parse HEAD)" "$(ask -H "Accept: $accept" http://x/repos/o/r/commits/main | jq -r .sha)"
done
equal 'a suite once more' '{}' "$(ask -X POST http://x/repos/o/r/check-suites/1/rerequest)"
ended 1
equal 'its attempt' 2 "$(ask http://x/repos/o/r/actions/runs/1 | jq .run_attempt)"
equal 'a check once more' '{}' "$(ask -X POST "http://x/repos/o/r/check-runs/$(ask http://x/repos/o/r/check-suites/1/check-runs | jq '.check_runs[0].id')/rerequest")"
ended 1
equal 'its attempt then' 3 "$(ask http://x/repos/o/r/actions/runs/1 | jq .run_attempt)"
