# After an orderly end everything that could be read before can be read again, byte for byte, time for time.
. "$(dirname "$0")/lib.sh"
rf_mount
for f in hello matrix failure outputs; do
    cp "$here/examples/workflows/$f.yml" "$M/workflows/"
    timeout 60 cat "$M/runs/latest/wait" >/dev/null
done
echo v >"$M/vars/V"
# A directory that belongs to no run or workflow has the time of the mount; everything else keeps its own.
snapshot() { (cd "$M" && find . -mindepth 1 ! -path ./log ! -path ./status ! -path ./metrics -printf '%p %y %m %s %l\n' | sort &&
    find runs/[0-9]* workflows/* vars/* -printf '%p %T@\n' | sort &&
    find . -type f ! -path ./log ! -path ./status ! -path ./metrics ! -path './secrets/*' -exec cksum {} + | sort -k3); }
snapshot >"$T/before"
rf_umount
rf_mount
snapshot >"$T/after"
diff "$T/before" "$T/after" >"$T/diff" || fail "$(head -n 20 "$T/diff")"
[ "$(wc -l <"$T/before")" -gt 200 ] || fail "only $(wc -l <"$T/before") lines were compared"
workflow "$T/next.yml" 'echo next'
equal 'the next number' 5 "$(rf_drop "$T/next.yml")"
