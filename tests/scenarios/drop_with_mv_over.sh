# mv of a file from elsewhere, and mv over a registered workflow within the mount, start one run each.
. "$(dirname "$0")/lib.sh"

rf_mount
workflow "$T/ci.yml" 'echo one'
cp "$T/ci.yml" "$T/move.yml"
mv "$T/move.yml" "$M/workflows/ci.yml"
equal "runs after mv into the mount" 1 "$(runs)"
[ ! -e "$T/move.yml" ] || fail "mv left its source"
workflow "$T/two.yml" 'echo two'
cp "$T/two.yml" "$M/workflows/ci.yml.new"
equal "runs after writing a temporary name" 1 "$(runs)"
mv "$M/workflows/ci.yml.new" "$M/workflows/ci.yml"
equal "runs after mv over" 2 "$(runs)"
equal "conclusion" success "$(timeout 30 cat "$M/runs/2/wait")"
file_has "$M/runs/2/log" two
cmp "$T/two.yml" "$M/workflows/ci.yml"
equal "workflows/" ci.yml "$(ls -A "$M/workflows")"
# a bad one moved over is refused, and the good one stays
echo 'on: [' >"$M/workflows/bad.tmp"
refused mv "$M/workflows/bad.tmp" "$M/workflows/ci.yml"
cmp "$T/two.yml" "$M/workflows/ci.yml"
equal "runs" 2 "$(runs)"
[ -s "$M/errors/ci.yml" ] || fail "errors/ci.yml says nothing"
