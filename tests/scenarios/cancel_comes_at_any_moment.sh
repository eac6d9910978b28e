# A cancel that comes just as a step begins ends that step: none is lost on its way to the machine.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/long.yml" <<'Y'
on: push
jobs: {a: {runs-on: h, steps: [{run: ":", shell: "sh {0}"}, {run: exec sleep 60, shell: "sh {0}"}]}}
Y
for i in $(seq 100); do
    n=$(rf_start "$T/long.yml")
    sleep "0.00$((RANDOM % 10))"
    echo cancel >"$M/runs/$n/ctl"
    rf_wait 7 grep -qx completed "$M/runs/$n/status"
    file_is "$M/runs/$n/conclusion" cancelled
done
