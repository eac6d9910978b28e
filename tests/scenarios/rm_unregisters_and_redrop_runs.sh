#!/usr/bin/env bash
# rm unregisters a workflow and keeps its runs; a drop of the same name registers it again.
. "$(dirname "$0")/lib.sh"

rf_mount
rf_one ci.yml 'echo once'
rf_drop ci.yml "$T/ci.yml"
rm "$M/workflows/ci.yml"
[ ! -e "$M/workflows/ci.yml" ] || fail "still in workflows/"
[ ! -e "$M/dispatch/ci.yml" ] || fail "still in dispatch/"
has "$M/runs/1/log" once
eq "by-workflow" 1 "$(ls "$M/runs/by-workflow/ci.yml")"
[ ! -e "$M/runs/1/workflow" ] || fail "runs/1/workflow points to $(readlink "$M/runs/1/workflow")"
refuses rm "$M/workflows/ci.yml"
rf_drop ci.yml "$T/ci.yml"
eq "run" 2 "${run##*/}"
eq "by-workflow" "1 2" "$(ls "$M/runs/by-workflow/ci.yml" | xargs)"
# the same text dropped again runs again
rf_drop ci.yml "$T/ci.yml"
eq "run" 3 "${run##*/}"
eq "by-workflow" "1 2 3" "$(ls "$M/runs/by-workflow/ci.yml" | xargs)"
