# A label says what its machines may use: wrong words are refused with the right ones, and a step that uses more ends with
# a sentence that says so.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
label=$M/config/labels/ubuntu-latest
refuse() { # LABEL PART: refused with a reason that has that part
    refused sh -c "echo '$1' > '$label'"
    contains "$1" "$(cat "$M/errors/config-labels-ubuntu-latest")" "$2"
}
refuse 'sandbox memory=lots' "memory is a size from 16M on, as in 2G, not 'lots'"
refuse 'sandbox memory=1K' 'memory is a size from 16M on'
refuse 'sandbox pids=0' 'pids is a number from 16'
refuse 'sandbox cpu=-1' 'cpu is a number from 0.01'
refuse 'sandbox network=bridge' "network is host, none or nat, not 'bridge'"
refuse 'sandbox speed=9' 'keys: network, memory, disk, output, pids, files, cpu, namespaces'
refuse 'sandbox memory 2G' "'memory' is none"
refuse 'host network=none' 'takes network=host'
refuse 'bubblewrap network=nat' 'takes network=host or network=none'
equal 'the label is as it was' sandbox "$(cat "$label")"
exits 2 "$RUNFS" run --label 'x=sandbox memory=lots' "$T/none.yml"
contains 'run refuses it too' "$(cat "$T/err")" 'memory is a size'

limited() { # LABEL SCRIPT: prints the run's number
    echo "$1" >"$label"
    workflow "$T/l.yml" "$2"
    rf_drop "$T/l.yml"
}
says() { # RUN SENTENCE CONCLUSION
    equal 'conclusion' "$3" "$(cat "$M/runs/$1/conclusion")"
    contains 'log' "$(cat "$M/runs/$1/log")" "$2"
}
n=$(limited 'sandbox output=10K' 'yes')
says "$n" '##[error]The step wrote too much output (limit 10K).' failure
[ "$(wc -c <"$M/runs/$n/log")" -lt 300000 ] || fail "kept $(wc -c <"$M/runs/$n/log") bytes of output"
n=$(limited 'sandbox pids=40' 'for i in $(seq 100); do sleep 60 & done; wait')
says "$n" '##[error]The step started too many processes (limit 40).' failure
if ! "$RUNFS" doctor | grep -q '^no *disk'; then
    n=$(limited 'sandbox disk=4M' 'head -c 20M /dev/zero > big')
    says "$n" '##[error]The step filled its disk (limit 4M).' failure
    n=$(limited 'sandbox disk=4M' 'head -c 2M /dev/zero > big; mv big other; rm other; mkdir -p a/b; rm -r a; touch /usr/local/x')
    says "$n" '' success
fi
n=$(limited 'sandbox files=100' 'ulimit -n')
equal 'files' 100 "$(step_out "$n" a 01)"
# by control groups
if "$RUNFS" doctor | grep -q '^ok *memory'; then
    n=$(limited 'sandbox memory=48M' 'python3 -c "bytearray(300 << 20)" || true; echo went on; sleep 20')
    says "$n" '##[error]The step ran out of memory (limit 48M).' failure
    lacks 'nothing of it goes on' "$(cat "$M/runs/$n/log")" 'sleep 20: '
    n=$(limited 'sandbox cpu=0.2' "$(printf '%s\n' 'python3 - <<P' 'import time' 'end = time.time() + 1' 'while time.time() < end: pass' \
        'print(int(time.process_time() * 1000))' 'P')")
    [ "$(step_out "$n" a 01)" -lt 500 ] || fail "used $(step_out "$n" a 01) ms of a processor in 1000 ms"
    # a step within its limits, beside the same without
    n=$(limited 'sandbox memory=1G pids=100 cpu=2' 'echo fine')
    says "$n" 'fine' success
    # and no group outlives a killed daemon
    echo 'sandbox memory=64M' >"$label"
    workflow "$T/l.yml" 'sleep 60'
    n=$(rf_start "$T/l.yml")
    daemon=$(daemon_pid)
    groups() { find /sys/fs/cgroup -path "*/runfs-*-$daemon*" -name 'm[0-9]*' 2>/dev/null; }
    rf_wait 20 sh -c "find /sys/fs/cgroup -path '*/runfs-*-$daemon*' -name 'm[0-9]*' | grep -q ."
    kill -KILL "$daemon"
    umount -l "$M" 2>/dev/null || fusermount3 -uz "$M"
    gone_groups() { [ -z "$(find /sys/fs/cgroup -name "runfs-*-$daemon" 2>/dev/null)" ]; }
    rf_wait 20 gone_groups
fi
