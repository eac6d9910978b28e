# With the state directory on a full disk a drop fails with ENOSPC; with room again it works.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip 'only root can make a small disk'
mkdir -p "$STATE"
mount -t tmpfs -o size=6m,mode=700 runfs-test "$STATE" || skip 'no tmpfs can be mounted here'
at_end+=(rf_umount 'umount -l "$STATE"')
rf_mount
workflow "$T/w.yml" 'echo hi'
rf_drop "$T/w.yml" >/dev/null
before=$(runs)
dd if=/dev/zero of="$STATE/fill" bs=64k 2>/dev/null || true
{ cat "$T/w.yml"; head -c 900000 /dev/zero | tr '\0' '#'; } >"$T/big.yml"
if out=$(cp "$T/big.yml" "$M/workflows/big.yml" 2>&1); then fail "a full disk was not reported"; fi
contains 'the reason' "$out" 'No space left'
refused test -e "$M/workflows/big.yml"
rm "$STATE/fill"
rf_drop "$T/w.yml" >/dev/null
equal 'runs' $((before + 1)) "$(runs)"
