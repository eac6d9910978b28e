# The workflows that an event starts run side by side, as far as there are slots, also where `runfs run` starts them: two that wait for
# each other both end. Their logs come whole, in the order of their names; Ctrl-C cancels all.
. "$(dirname "$0")/lib.sh"
mkdir "$T/w" "$T/slow"
meet() { # FILE OWN OTHER
    workflow "$1" "echo $2-begins; touch $T/$2; until [ -e $T/$3 ]; do sleep 0.05; done; echo $2-ends"
}
meet "$T/w/1.yml" one two
meet "$T/w/2.yml" two one
run() { "$RUNFS" run --state "$STATE" --label '*=host' "$@"; }
timeout 60 "$RUNFS" run --state "$STATE" --label '*=host' "$T/w" >"$T/out" 2>"$T/err" || fail "ended with $?: $(cat "$T/out" "$T/err")"
equal 'in their order' 'one-begins one-ends 1.yml: two-begins two-ends 2.yml:' "$(grep -oE '^(one|two)-(begins|ends)$|^[12].yml:' "$T/out" | paste -sd' ')"

say 'the first bad exit code, and one that is refused keeps the others from nothing'
workflow "$T/w/1.yml" 'exit 4'
workflow "$T/w/2.yml" 'exit 5'
printf 'on: push\njobs: {a: {run-on: h}}\n' >"$T/w/3.yml"
exits 4 run "$T/w"
contains 'the second' "$(cat "$T/out")" '2.yml: failure'
contains 'the third' "$(cat "$T/err")" "Unexpected value 'run-on'"

say 'Ctrl-C cancels all of them'
workflow "$T/slow/1.yml" "touch $T/slow1; sleep 1000"
workflow "$T/slow/2.yml" "touch $T/slow2; sleep 1000"
"$RUNFS" run --state "$STATE" --label '*=host' "$T/slow" >"$T/out" 2>"$T/err" &
pid=$!
children+=("$pid")
rf_wait 30 test -e "$T/slow1" -a -e "$T/slow2"
kill -INT "$pid"
status=0
wait "$pid" || status=$?
equal 'cancelled' 130 "$status"
equal 'both' '1.yml: cancelled 2.yml: cancelled' "$(grep -oE '^[12].yml: [a-z]*' "$T/out" | paste -sd' ')"
