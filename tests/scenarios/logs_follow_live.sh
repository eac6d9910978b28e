# tail -f shows lines while the step still runs, wait blocks until it ends, and both can be interrupted.
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/w.yml" <<Y
on: push
jobs:
  a:
    runs-on: host-label
    steps:
      - run: |
          echo first
          until [ -e $T/go ]; do sleep 0.02; done
          echo second
Y
echo host >"$M/config/labels/host-label"
cp "$T/w.yml" "$M/workflows/"
R=$M/runs/$(readlink "$M/runs/latest")
tail -n +1 -s 0.05 -f "$R/log" >"$T/tail" &
tail=$!
rf_wait 10 grep -q '^first$' "$T/tail"
equal 'still running' in_progress "$(cat "$R/status")"
equal 'no conclusion yet' '' "$(cat "$R/conclusion")"
cat "$R/wait" >"$T/waited" &
waiting=$!
timeout -s INT 0.3 cat "$R/wait" && fail 'wait did not block'
kill -0 $waiting || fail 'the other reader of wait ended too'
equal 'wait has said nothing' '' "$(cat "$T/waited")"
equal 'wait is not listed yet' 0 "$(ls "$R" | grep -c '^wait$' || true)"
touch "$T/go"
wait $waiting
equal 'wait' success "$(cat "$T/waited")"
rf_wait 10 grep -q '^second$' "$T/tail"
kill $tail
wait $tail 2>/dev/null || true
cmp <(cat "$R/log") "$T/tail"
equal 'wait is listed now' 1 "$(ls "$R" | grep -c '^wait$')"
