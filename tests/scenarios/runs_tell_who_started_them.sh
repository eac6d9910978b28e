# Who starts a run by the API is its actor: the token's name by TCP, the daemon's user by the unix socket, and in a dispatched event
# its sender, whatever its payload says. The runs of one of them are found by that name.
. "$(dirname "$0")/lib.sh"
need curl
need jq
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/who.yml" <<'Y'
on: {workflow_dispatch: , repository_dispatch: {types: [go]}}
jobs: {a: {runs-on: h, steps: [{run: 'echo "by ${{ github.actor }}, ${{ github.triggering_actor }}, ${{ github.event.sender.login }}, $GITHUB_ACTOR"'}]}}
Y
cp "$T/who.yml" "$M/workflows/"
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
for name in deploy-bot alice; do
    echo "header = \"Authorization: Bearer $("$RUNFS" token create --scope run --name $name "$M")\"" >"$T/$name"
done
me=$(id -un)
call() { # NAME PATH [BODY]
    local how=(-K "$T/$1" "$url$2")
    [ "$1" != "$me" ] || how=(--unix-socket "$T/api.sock" "http://ci$2")
    curl -sf "${how[@]}" ${3:+-d "$3"} || fail "$1 cannot: $2"
}
is_by() { # NAME: the newest run
    local run
    run=$(readlink "$M/runs/latest")
    ended "$run"
    file_is "$M/runs/$run/actor" "$1"
    file_has "$M/runs/$run/log" "by $1, $1, $1, $1"
    equal "as the API tells of $1" "$1 $1" "$(call "$1" "/repos/runfs/workflows/actions/runs/$run" | jq -r '"\(.actor.login) \(.triggering_actor.login)"')"
}
P=/repos/runfs/workflows
for name in alice deploy-bot "$me"; do
    before=$(call "$name" "$P/actions/runs?actor=$name" | jq .total_count) # dropping it ran it once, too
    equal "who that is" "$name" "$(call "$name" /user | jq -r .login)"
    equal "who that is to GraphQL" "$name" "$(call "$name" /graphql '{"query": "{viewer{login}}"}' | jq -r .data.viewer.login)"
    call "$name" $P/actions/workflows/who.yml/dispatches '{"ref": "main"}'
    is_by "$name"
    call "$name" $P/dispatches '{"event_type": "go", "sender": {"login": "somebody"}}'
    is_by "$name"
    equal "runs of $name" $((before + 2)) "$(call "$name" "$P/actions/runs?actor=$name" | jq .total_count)"
done
: >"$M/dispatch/who.yml"
is_by "$me"
