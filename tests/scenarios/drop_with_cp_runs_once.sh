# cp of a workflow into workflows/ starts exactly one run, and its log and exit code can be read.
. "$(dirname "$0")/lib.sh"

rf_mount
workflow "$T/ci.yml" 'echo "hello from $((20 + 22))"; exit 3'
cp "$T/ci.yml" "$M/workflows/"
file_is "$(readlink -f "$M/runs/latest")/name" "$(cat "$M/runs/1/name")"
equal "runs/latest once cp has returned" 1 "$(readlink "$M/runs/latest")"
equal "cat wait" failure "$(timeout 30 cat "$M/runs/1/wait")"
file_has "$M/runs/1/log" 'hello from 42'
file_is "$M/runs/1/exit_code" 3
file_is "$M/runs/1/conclusion" failure
file_is "$M/runs/1/status" completed
file_is "$M/runs/1/event" push
equal "runs" 1 "$(runs)"
cmp "$T/ci.yml" "$M/workflows/ci.yml"
cmp "$T/ci.yml" "$M/runs/1/workflow.yml"
equal "runs/failed" 1 "$(ls "$M/runs/failed")"
equal "by-workflow" 1 "$(ls "$M/runs/by-workflow/ci.yml")"
equal "runs/active" "" "$(ls "$M/runs/active")"
