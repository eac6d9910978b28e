# What a step left running in the background ends with its job, on every backend; so does what a cancelled job runs.
# waits
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/host"
alive() { grep -lzs "^MARK=$1\$" /proc/[0-9]*/environ | wc -l; }
ran() { [ "$(alive "$1")" -gt 0 ]; }
over() { [ "$(alive "$1")" = 0 ]; }
for label in ubuntu-latest host; do
    mark=rf-$$-$label
    printf 'on: push\nenv: {MARK: %s}\njobs:\n  a:\n    runs-on: %s\n    steps:\n      - run: |\n          (setsid sleep 300 </dev/null >/dev/null 2>&1 &)\n          sleep 301 </dev/null >/dev/null 2>&1 &\n      - run: echo ready; sleep 302 & wait\n' "$mark" "$label" >"$T/tree.yml"
    n=$(rf_start "$T/tree.yml")
    rf_wait 10 grep -q '^ready' "$M/runs/$n/log"
    ran "$mark" || fail "$label: nothing runs"
    echo cancel >"$M/runs/$n/ctl"
    equal "$label" cancelled "$(timeout 30 cat "$M/runs/$n/wait")"
    rf_wait 5 over "$mark"
    sed -i 's/^      - run: echo ready.*/      - run: echo done/' "$T/tree.yml"
    n=$(rf_drop "$T/tree.yml")
    equal "$label" success "$(cat "$M/runs/$n/conclusion")"
    rf_wait 5 over "$mark"
done
