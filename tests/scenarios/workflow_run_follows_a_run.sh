# A run starts the workflows that wait for it, when it is asked for, begins and ends; no chain is longer than three.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
follow() { # NAME ON: a workflow that says what it follows
    cat >"$T/$1.yml" <<Y
name: $1
on: {workflow_dispatch: , workflow_run: $2}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo "\${{ github.event.action }} \${{ github.event.workflow_run.name }} \${{ github.event.workflow_run.id }} \${{ github.event.workflow_run.conclusion }} \${{ github.event.workflow_run.head_branch }} \${{ github.event.workflow_run.head_sha }} \${{ github.event.workflow.name }}"
Y
    cp "$T/$1.yml" "$M/workflows/"
}
# The last of the chain first, so that each hears of the one before, which its drop dispatches: E of D, of C's D, of B's C's D.
follow E '{workflows: [D], types: [completed]}'
follow D '{workflows: [C], types: [completed]}'
follow C '{workflows: [B], types: [completed]}'
follow B '{workflows: [A], types: [completed]}'
follow every '{workflows: [A, none], branches: ["re**"]}'
follow else '{workflows: [A], branches-ignore: ["re**"]}'
of() { find "$M/runs/by-workflow/$1.yml" -mindepth 1 -printf '%f\n' | sort -n; }
followers() { # FILE COUNT
    [ "$(of "$1" | while read -r n; do cat "$M/runs/$n/event"; done | grep -c workflow_run)" = "$2" ]
}
rf_wait 20 followers E 3

cat >"$T/a.yml" <<'Y'
name: A
on: push
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: exit 3}]}}
Y
cp "$T/a.yml" "$M/workflows/"
a=$(of a)
ended "$a"
rf_wait 20 followers B 1
b=$(of B | tail -n 1)
ended "$b"
equal 'B hears of A' "completed A $a failure main 0000000000000000000000000000000000000000 A" "$(step_out "$b" a 01)"
rf_wait 20 followers D 3
d=$(of D | tail -n 1)
ended "$d"
said() { grep -q "run $d: starts no workflow_run" "$M/log"; }
rf_wait 20 said
followers E 3 || fail 'a chain has four levels'

echo '{"ref": "refs/heads/release/1", "after": "1111111111111111111111111111111111111111"}' >"$M/events/push"
rf_wait 20 followers every 3
for n in $(of every | tail -n 3); do ended "$n"; step_out "$n" a 01; done >"$T/heard"
a=$(of a | tail -n 1)
equal 'all types of the branch' "requested A $a  release/1 1111111111111111111111111111111111111111 A
in_progress A $a  release/1 1111111111111111111111111111111111111111 A
completed A $a failure release/1 1111111111111111111111111111111111111111 A" "$(cat "$T/heard")"
followers else 3 || fail 'branches-ignore is ignored'
file_has "$M/events/workflow_run" 'yml: not started: workflow_run: workflow '

# again: not requested, but begun and ended
echo rerun >"$M/runs/$a/ctl"
rf_wait 20 followers every 5
file_is "$M/runs/$(of every | tail -n 1)/event" workflow_run
