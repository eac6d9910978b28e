#!/usr/bin/env bash
# sed -i on a registered workflow starts one run of the new text.
. "$(dirname "$0")/lib.sh"

rf_mount
rf_one ci.yml 'echo before'
rf_drop ci.yml "$T/ci.yml"
sed -i 's/before/after/' "$M/workflows/ci.yml"
eq "runs" 2 "$(rf_runs)"
eq "conclusion" success "$(timeout 30 cat "$M/runs/2/wait")"
has "$M/runs/2/log" after
hasnt "$M/runs/2/workflow.yml" before
hasnt "$M/runs/1/workflow.yml" after
eq "workflows/" ci.yml "$(ls -A "$M/workflows")"
