# Every file is as long as stat says, and carries the time at which its run changed.
. "$(dirname "$0")/lib.sh"
rf_mount
workflow "$T/w.yml" 'for i in $(seq 1000); do echo line $i; done'
n=$(rf_drop "$T/w.yml")
find "$M" -type f ! -path "$M/secrets/*" ! -path "$M/log" ! -path "$M/status" ! -path "$M/metrics" | while read -r f; do
    equal "size of $f" "$(stat -c %s "$f")" "$(wc -c <"$f")"
done
now=$(date +%s)
for f in log exit_code jobs/a/log jobs/a/steps/01-*/stdout; do
    t=$(stat -c %Y "$M/runs/$n/"$f)
    [ $((now - t)) -le 60 ] && [ $t -le $((now + 1)) ] || fail "time of $f: $t, now $now"
done
touch "$T/before"
sleep 0.05
rf_drop "$T/w.yml" >/dev/null
contains 'find -newer' "$(find "$M/runs" -maxdepth 1 -newer "$T/before" -name '[0-9]*')" "runs/$((n + 1))"
lacks 'find -newer' "$(find "$M/runs" -maxdepth 1 -newer "$T/before" -name '[0-9]*')" "runs/$n
"
equal 'newest first' "$((n + 1))" "$(ls -t "$M/runs" | grep '^[0-9]' | head -1)"
equal 'tail -c' "$(cat "$M/runs/$n/log" | tail -c 20)" "$(tail -c 20 "$M/runs/$n/log")"
