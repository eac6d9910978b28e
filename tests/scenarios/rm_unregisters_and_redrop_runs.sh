# rm unregisters a workflow and keeps its runs; a drop of the same name registers it again.
. "$(dirname "$0")/lib.sh"

rf_mount
workflow "$T/ci.yml" 'echo once'
n=$(rf_drop "$T/ci.yml")
rm "$M/workflows/ci.yml"
[ ! -e "$M/workflows/ci.yml" ] || fail "still in workflows/"
[ ! -e "$M/dispatch/ci.yml" ] || fail "still in dispatch/"
file_has "$M/runs/1/log" once
equal "by-workflow" 1 "$(ls "$M/runs/by-workflow/ci.yml")"
[ ! -e "$M/runs/1/workflow" ] || fail "runs/1/workflow points to $(readlink "$M/runs/1/workflow")"
refused rm "$M/workflows/ci.yml"
n=$(rf_drop "$T/ci.yml")
equal "run" 2 "$n"
equal "by-workflow" "1 2" "$(ls "$M/runs/by-workflow/ci.yml" | xargs)"
# the same text dropped again runs again
n=$(rf_drop "$T/ci.yml")
equal "run" 3 "$n"
equal "by-workflow" "1 2 3" "$(ls "$M/runs/by-workflow/ci.yml" | xargs)"
