# Cancelling a run evaluates the `if` of its jobs again: always() goes on and starts, the rest ends; a second cancel
# ends all of it; cancel-timeout-minutes is how long what runs all the same may take.
# waits
. "$(dirname "$0")/lib.sh"
rf_mount
echo 8 >"$M/config/slots"
echo host >"$M/config/labels/h"
cat >"$T/c.yml" <<Y
on: push
jobs:
  on:
    if: always()
    runs-on: h
    steps: [{run: 'touch $T/on; until [ -e $T/go ]; do sleep 0.02; done; echo finished'}]
  off:
    runs-on: h
    steps: [{run: 'touch $T/off; exec sleep 60'}]
  told:
    if: "!cancelled()"
    needs: off
    runs-on: h
    steps: [{run: echo no}]
  clean:
    if: cancelled() && needs.off.result == 'cancelled'
    needs: off
    runs-on: h
    steps: [{run: echo cleaned}]
Y
start() { # FILE
    rm -f "$T/on" "$T/off" "$T/go"
    n=$(rf_start "$1")
    R=$M/runs/$n
}
start "$T/c.yml"
rf_wait 10 test -e "$T/on" -a -e "$T/off"
echo cancel >"$R/ctl"
rf_wait 30 grep -q . "$R/jobs/clean/conclusion" # bash that is interrupted while it waits for touch goes on
file_is "$R/jobs/on/status" in_progress
touch "$T/go"
ended "$n"
file_is "$R/jobs/on/conclusion" success
file_is "$R/jobs/off/conclusion" cancelled
file_is "$R/jobs/told/conclusion" cancelled
file_is "$R/jobs/clean/conclusion" success
file_is "$R/conclusion" cancelled
file_is "$R/exit_code" 130

start "$T/c.yml"
rf_wait 10 test -e "$T/on" -a -e "$T/off"
echo cancel >"$R/ctl"
rf_wait 10 grep -q . "$R/jobs/off/conclusion"
echo cancel >"$R/ctl"
ended "$n"
file_is "$R/jobs/on/conclusion" cancelled

cat >"$T/slow.yml" <<Y
on: push
jobs:
  a:
    cancel-timeout-minutes: \${{ 1 == 1 && 0.01 }}
    runs-on: h
    steps: [{run: 'touch $T/on; exec sleep 60'}, {if: always(), run: exec sleep 60}]
  b:
    if: cancelled()
    needs: a
    runs-on: h
    steps: [{run: echo b}]
Y
start "$T/slow.yml"
rf_wait 10 test -e "$T/on"
began=$(date +%s%N)
echo cancel >"$R/ctl"
ended "$n"
[ $(($(date +%s%N) - began)) -lt 20000000000 ] || fail 'it had more than its time'
file_is "$R/jobs/a/conclusion" cancelled
file_is "$R/jobs/b/conclusion" success
