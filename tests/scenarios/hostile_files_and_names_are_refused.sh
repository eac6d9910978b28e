#!/usr/bin/env bash
# Empty, binary and huge files and hostile names are refused with a fitting errno; nothing runs.
. "$(dirname "$0")/lib.sh"

rf_mount
rf_one ci.yml 'echo good'
rf_drop ci.yml "$T/ci.yml"
# the daemon does not grow with what it refuses
drop() { # NAME: standard input to workflows/NAME; the errno of the write or close that failed, 0 when none did
    "$PYTHON" -c '
import os, sys
try:
    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    while True:
        data = sys.stdin.buffer.read(1 << 16)
        if not data:
            break
        os.write(fd, data)
    os.close(fd)
    print("OK")
except OSError as e:
    print(e.strerror)
' "$M/workflows/$1"
}
eq "an empty file" "Invalid argument" "$(drop ci.yml </dev/null)"
grep -q . "$M/errors/ci.yml" || fail "errors/ci.yml is empty"
eq "a binary file" "Invalid argument" "$(head -c 4096 /bin/ls | drop ci.yml)"
grep -q . "$M/errors/ci.yml" || fail "errors/ci.yml is empty"
eq "a NUL in a good file" "Invalid argument" "$( (cat "$T/ci.yml"; printf '\0') | drop ci.yml)"
eq "50 MB" "File too large" "$(head -c 50M /dev/zero | tr '\0' '#' | drop ci.yml)"
grep -q . "$M/errors/ci.yml" || fail "errors/ci.yml is empty after 50 MB"
eq "50 MB under a new name" "File too large" "$(head -c 50M /dev/zero | tr '\0' '#' | drop big.yml)"
[ ! -e "$M/workflows/big.yml" ] || fail "the 50 MB file was registered"
for name in $'tab\there.yml' $'new\nline.yml' $'esc\033[31m.yml' $'\001.yml' $'del\177.yml' $'latin\351.yml'; do
    refuses cp "$T/ci.yml" "$M/workflows/$name"
done
long=$(printf 'x%.0s' {1..252}).yml
refuses cp "$T/ci.yml" "$M/workflows/$long"
refuses cp "$T/ci.yml" "$M/workflows/../ci.yml"
refuses cp "$T/ci.yml" "$M/ci.yml"
refuses cp "$T/ci.yml" "$M/runs/ci.yml"
refuses cp "$T/ci.yml" "$M/workflows/.."
refuses mkdir "$M/workflows/dir"
refuses mkdir "$M/dir"
refuses ln -s /etc/passwd "$M/workflows/link.yml"
refuses mknod "$M/workflows/fifo.yml" p
cmp "$T/ci.yml" "$M/workflows/ci.yml"
eq "runs" 1 "$(rf_runs)"
eq "workflows/" ci.yml "$(ls -A "$M/workflows")"
# the longest name that is allowed, and names that only look hostile
for name in "$(printf 'y%.0s' {1..251}).yml" '..yml' 'with space.yml' "quote'\"\$(id).yml" 'Ünï🚀.yaml' '-rf.yml'; do
    rf_drop "$name" "$T/ci.yml"
    is "$run/conclusion" success
    eq "by-workflow" "${run##*/}" "$(ls "$M/runs/by-workflow/$name")"
done
