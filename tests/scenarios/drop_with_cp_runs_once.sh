#!/usr/bin/env bash
# cp of a workflow into workflows/ starts exactly one run, and its log and exit code can be read.
. "$(dirname "$0")/lib.sh"

rf_mount
rf_one ci.yml 'echo "hello from $((20 + 22))"; exit 3'
cp "$T/ci.yml" "$M/workflows/"
is "$(readlink -f "$M/runs/latest")/name" "$(cat "$M/runs/1/name")"
eq "runs/latest once cp has returned" 1 "$(readlink "$M/runs/latest")"
eq "cat wait" failure "$(timeout 30 cat "$M/runs/1/wait")"
has "$M/runs/1/log" 'hello from 42'
is "$M/runs/1/exit_code" 3
is "$M/runs/1/conclusion" failure
is "$M/runs/1/status" completed
is "$M/runs/1/event" push
eq "runs" 1 "$(rf_runs)"
cmp "$T/ci.yml" "$M/workflows/ci.yml"
cmp "$T/ci.yml" "$M/runs/1/workflow.yml"
eq "runs/failed" 1 "$(ls "$M/runs/failed")"
eq "by-workflow" 1 "$(ls "$M/runs/by-workflow/ci.yml")"
eq "runs/active" "" "$(ls "$M/runs/active")"
