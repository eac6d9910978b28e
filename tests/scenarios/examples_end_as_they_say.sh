# Every example ends as its last line says, by `runfs run` and through the mount, and lints clean.
. "$(dirname "$0")/lib.sh"
"$RUNFS" lint "$here"/examples/workflows/*.yml
rf_mount
for f in "$here"/examples/workflows/*.yml; do
    name=$(basename "$f")
    expected=$(sed -n 's/^# expect: //p' "$f")
    [ -n "$expected" ] || fail "$name does not say how it ends"
    n=$(rf_drop "$f")
    equal "$name" "$expected" "$(cat "$M/runs/$n/conclusion")"
    code=0
    "$RUNFS" run --state "$T/run-state" "$f" >"$T/out" || code=$?
    case $expected in success) equal "$name: runfs run" 0 $code ;; *) [ $code -ne 0 ] || fail "$name: runfs run succeeded" ;; esac
done
