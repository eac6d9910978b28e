# Who asks GitHub's API for a repository's hooks is told of the one by which its events come, and of what was delivered: payload, headers,
# what came of it; one that was cut off is delivered again.
. "$(dirname "$0")/lib.sh"
need curl
need openssl
need jq
need git
need sqlite3
rf_mount
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
printf 'on: [push, issues]\njobs: {a: {runs-on: h, steps: [{run: "true"}]}}\n' >"$T/repo/.github/workflows/ci.yml"
git_commit "$T/repo"
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
ln -s "$T/repo" "$M/repos/r"
echo "0 $T/sock" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
rf_wait 10 test -S "$T/sock"
ask() { curl -s --unix-socket "$T/sock" "http://runfs/repos/o/r/$1" "${@:2}"; }
status() { ask "$1" "${@:2}" -o "$T/body" -w '%{http_code}'; }
equal 'without a secret nobody may deliver: none' '[]' "$(ask hooks)"
equal 'nor by its number' 404 "$(status hooks/1)"
echo open-sesame >"$M/config/webhook/secret"
n=0
deliver() { # EVENT PAYLOAD
    n=$((n + 1))
    printf '%s' "$2" >"$T/payload"
    curl -sf -o "$T/body" --unix-socket "$T/sock" --data-binary "@$T/payload" -H 'Content-Type: application/json' -H "X-GitHub-Event: $1" \
        -H "X-GitHub-Delivery: guid-$n" -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac open-sesame "$T/payload" | awk '{print $NF}')" http://runfs/webhook
    rf_wait 20 grep -qx done "$M/events/deliveries/$n/state"
}
deliver push '{"ref": "refs/heads/main", "repository": {"full_name": "o/r"}}'
deliver push '{"ref": "refs/heads/main", "repository": {"full_name": "o/other"}}'
deliver issues '{"action": "opened", "issue": {"number": 1}, "repository": {"full_name": "o/r"}}'

equal 'the hook' '1 web true *' "$(ask hooks | jq -r '.[] | "\(.id) \(.name) \(.active) \(.events[0])"')"
address=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook
equal 'where events are to be sent' "$address json ********" "$(ask hooks/1/config | jq -r '"\(.url) \(.content_type) \(.secret)"')"
equal 'no other' 404 "$(status hooks/2)"
equal 'its deliveries, newest first, and those of no other repository' '3 guid-3 issues opened OK
1 guid-1 push null OK' "$(ask hooks/1/deliveries | jq -r '.[] | "\(.id) \(.guid) \(.event) \(.action) \(.status)"')"
next=$(ask 'hooks/1/deliveries?per_page=1' -D - -o "$T/body" | tr -d '\r' | sed -n 's/^Link: <\(.*\)>; rel="next"$/\1/p')
equal 'the next page' 1 "$(curl -s --unix-socket "$T/sock" "$next" | jq '.[].id')"
equal 'a cursor that is none' 422 "$(status 'hooks/1/deliveries?cursor=x')"
equal 'one' 'guid-3 1' "$(ask hooks/1/deliveries/3 | jq -r '"\(.request.headers["X-GitHub-Delivery"]) \(.request.payload.issue.number)"')"
contains 'what came of it' "$(ask hooks/1/deliveries/3 | jq -r .response.payload)" 'ci.yml: run 2'
equal 'of another repository' 404 "$(status hooks/1/deliveries/2)"
equal 'once more' '422 true' "$(status hooks/1/deliveries/1/attempts -X POST) $(jq '.message | contains("nothing starts twice")' "$T/body")"
token=$("$RUNFS" token create --scope run "$M")
equal 'who may not see them' 403 "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: token $token" "${address%/webhook}/repos/o/r/hooks/1/deliveries/3")"
rf_umount
sqlite3 "$STATE/runfs.db" "UPDATE hooks SET state = 'interrupted' WHERE id = 3; DELETE FROM hook_runs"
rf_mount
rf_wait 10 test -S "$T/sock"
equal 'one that was cut off' interrupted "$(ask hooks/1/deliveries/3 | jq -r .status)"
equal 'is delivered again' 202 "$(status hooks/1/deliveries/3/attempts -X POST)"
rf_wait 20 test -e "$M/runs/3"
ended 3
