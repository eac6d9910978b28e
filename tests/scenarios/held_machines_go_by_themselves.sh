# config/hold_minutes: a machine that is held goes when they are over, but not from under somebody who is in it.
# waits
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo on >"$M/config/hold_on_failure"
refused sh -c "echo 0 >'$M/config/hold_minutes'"
echo 1 >"$M/config/hold_minutes"
workflow "$T/w.yml" 'echo left >f; exit 1'
alone=$(rf_drop "$T/w.yml") entered=$(rf_drop "$T/w.yml")
is_held() { [ -e "$M/runs/$1/jobs/a/vm/status" ]; }
is_gone() { ! is_held "$1"; }
for n in $alone $entered; do is_held "$n" || fail "the machine of run $n is not held"; done
mkfifo "$T/in"
"$RUNFS" sh "$M/runs/$entered/jobs/a" <"$T/in" >"$T/said" &
shell=$!
children+=("$shell")
exec 7>"$T/in"
echo 'cat f' >&7
rf_wait 20 grep -q left "$T/said"
rf_wait 150 is_gone "$alone"
exits 1 "$RUNFS" sh "$M/runs/$alone/jobs/a"
is_held "$entered" || fail 'it went from under a shell'
echo 'echo still >f; cat f' >&7
rf_wait 20 grep -q still "$T/said"
exec 7>&-
wait "$shell" || fail "the shell ended with $?"
rf_wait 150 is_gone "$entered"
