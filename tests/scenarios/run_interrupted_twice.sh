# Ctrl-C cancels politely; a second one does not wait for a step that ignores it; SIGTERM is a Ctrl-C, once, however
# often it comes; nothing is left.
. "$(dirname "$0")/lib.sh"
mark=rf-interrupt-$$
workflow "$T/deaf.yml" "trap '' INT TERM; export MARK=$mark; echo begun; while :; do sleep 0.1; done"
workflow "$T/polite.yml" "export MARK=$mark; echo begun; while :; do sleep 0.1; done"
printf '      - if: always()\n        run: echo cleaned up\n' >>"$T/polite.yml"
left() { grep -lzs "^MARK=$mark\$" /proc/[0-9]*/environ; }
none_left() { [ -z "$(left)" ]; }
start() { # FILE
    : >"$T/out"
    env --default-signal=INT,TERM "$RUNFS" run --state "$STATE" "$1" >"$T/out" 2>"$T/err" &
    pid=$!
    children=("$pid")
    rf_wait 15 grep -q '^begun' "$T/out"
}
finish() {
    code=0
    wait "$pid" || code=$?
    children=()
    rf_wait 5 none_left
}
start "$T/deaf.yml"
begun=$(date +%s%N)
kill -INT "$pid"
rf_wait 5 grep -q 'Ctrl-C again' "$T/err"
kill -INT "$pid"
rf_wait 5 gone "$pid"
finish
equal 'two of them' 130 "$code"
[ $((($(date +%s%N) - begun) / 1000000)) -lt 7000 ] || fail 'the second one did not hurry it'
start "$T/polite.yml"
for _ in 1 2 3; do kill -TERM "$pid"; done
finish
equal 'SIGTERM' 130 "$code"
contains 'what always runs' "$(cat "$T/out")" '
cleaned up
'
contains 'what became of it' "$(cat "$T/out")" 'polite.yml: cancelled'
