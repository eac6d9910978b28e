# Who writes cancel a second time has waited enough: what still runs is killed at once, whatever it ignores.
. "$(dirname "$0")/lib.sh"
rf_mount
workflow "$T/deaf.yml" "trap '' INT TERM; echo begun; while :; do sleep 0.1; done"
n=$(rf_start "$T/deaf.yml")
rf_wait 10 grep -q '^begun' "$M/runs/$n/log"
begun=$(date +%s%N)
echo cancel >"$M/runs/$n/ctl"
echo cancel >"$M/runs/$n/ctl"
equal conclusion cancelled "$(timeout 20 cat "$M/runs/$n/wait")"
ms=$((($(date +%s%N) - begun) / 1000000))
[ "$ms" -lt 5000 ] || fail "it took $ms ms"
