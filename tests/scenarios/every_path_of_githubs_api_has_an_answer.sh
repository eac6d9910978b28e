# Whatever of GitHub's API a client asks for, with whatever words in the path, it gets an answer as GitHub gives it: what is not here is 404
# in JSON, and nothing that is asked makes the server fail.
# limit: 300
. "$(dirname "$0")/lib.sh"
need node
need npm
need git
need curl
description=$("$here/tests/toolkit/description" 2>"$T/why") || skip "$(tail -n 1 "$T/why")"
rf_mount
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
printf 'on: push\njobs: {a: {runs-on: h, environment: e, steps: [{run: "true"}]}}\n' >"$T/repo/.github/workflows/ci.yml"
git_commit "$T/repo"
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
ln -s "$T/repo" "$M/repos/r"
echo '{"ref": "refs/heads/main"}' >"$M/events/push"
ended 1
echo 0 >"$M/config/listen"
echo 10000 >"$M/config/rate_limit"
rf_wait 10 grep -q '^listen: 127' "$M/status"
for name in o/r runfs/workflows; do
    node "$here/tests/toolkit/every_path.mjs" "$description" "http://$(awk '/^listen: 127/ {print $2}' "$M/status")" \
        "$("$RUNFS" token create --scope admin "$M")" "${name%/*}" "${name#*/}" \
        "$([ $name = o/r ] && echo / || echo '/repos/{owner}/{repo}/')" >"$T/said" 2>"$T/err" || fail "it ended early: $(cat "$T/said" "$T/err")"
    equal "of $name" 'asked: true' "$(cat "$T/said")"
done
file_is "$M/runs/1/conclusion" success

# and what is refused before anybody looks at it is told the same way
base=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
token=$("$RUNFS" token create --scope admin "$M")
refusal() { curl -s -H "Authorization: token $token" "$@" | "$PYTHON" -c 'import json, sys; e = json.load(sys.stdin); print(e["status"], e["message"], "documentation_url" in e)'; }
head -c 200000 /dev/zero | tr '\0' ' ' >"$T/large"
equal 'a large body' '413 the body is too large True' "$(refusal --data-binary "@$T/large" "$base/repos/o/r/dispatches")"
equal 'a query that is no text' '400 the query is not UTF-8 True' "$(refusal "$base/repos/o/r/contents/x?ref=%ff")"
equal 'a method that is none here' '405 this path does not know the method True' "$(refusal -X DELETE "$base/repos/o/r")"
token=none
equal 'somebody unknown' '401 Bad credentials True' "$(refusal "$base/user")"
