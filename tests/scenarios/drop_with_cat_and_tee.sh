# cat > and tee each start one run when they close the file, also when it comes in many pieces.
. "$(dirname "$0")/lib.sh"

rf_mount
workflow "$T/a.yml" 'echo by cat'
cat "$T/a.yml" >"$M/workflows/a.yml"
equal "runs after cat" 1 "$(runs)"
equal "conclusion" success "$(timeout 30 cat "$M/runs/1/wait")"
while IFS= read -r line; do printf '%s\n' "$line"; done <"$T/a.yml" >"$M/workflows/slowly.yml"
equal "runs after a slow writer" 2 "$(runs)"
cmp "$T/a.yml" "$M/workflows/slowly.yml"
tee "$M/workflows/t.yml" <"$T/a.yml" >"$T/copy"
equal "runs after tee" 3 "$(runs)"
equal "conclusion" success "$(timeout 30 cat "$M/runs/3/wait")"
dd if="$T/a.yml" of="$M/workflows/d.yml" bs=1 status=none
equal "runs after dd, byte by byte" 4 "$(runs)"
equal "conclusion" success "$(timeout 30 cat "$M/runs/4/wait")"
cmp "$T/a.yml" "$M/workflows/d.yml"
