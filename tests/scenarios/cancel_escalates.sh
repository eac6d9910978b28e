# waits
# Cancel asks as GitHub's runner does: SIGINT, after 7.5 s SIGTERM, after 2.5 s more everything is killed, whatever it ignores.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 4 >"$M/config/slots"
cat >"$T/deaf.yml" <<'Y'
on: push
jobs:
  deaf:
    runs-on: ubuntu-latest
    steps:
      - run: |
          trap 'echo got INT' INT
          trap 'echo got TERM' TERM
          setsid bash -c 'trap "" INT TERM HUP; while :; do sleep 0.1; done' </dev/null >/dev/null 2>&1 &
          echo ready
          while :; do sleep 0.05 || :; done
      - if: always()
        run: ps -e -o args= | grep -c '[t]rap "" INT TERM HUP' || echo nothing is left of it
Y
n=$(rf_start "$T/deaf.yml")
R=$M/runs/$n
rf_wait 10 grep -q '^ready' "$R/log"
begun=$(date +%s%N)
echo cancel >"$R/ctl"
rf_wait 2 grep -q '^got INT' "$R/log"
equal 'only SIGINT at first' '' "$(grep '^got TERM' "$R/log" || :)"
rf_wait 12 grep -q '^got TERM' "$R/log"
term=$((($(date +%s%N) - begun) / 1000000))
[ $term -ge 7000 ] || fail "SIGTERM came after $term ms instead of 7500"
equal run cancelled "$(timeout 20 cat "$R/wait")"
killed=$((($(date +%s%N) - begun) / 1000000))
[ $killed -ge 9500 ] || fail "the end came after $killed ms instead of 10000"
equal 'its step' cancelled "$(cat "$R"/jobs/deaf/steps/01-*/conclusion)"
contains 'the whole tree was killed' "$(step_out "$n" deaf 02)" 'nothing is left of it'
