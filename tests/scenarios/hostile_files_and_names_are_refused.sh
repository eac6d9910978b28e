# Empty, binary and huge files and hostile names are refused with a fitting errno; nothing runs.
. "$(dirname "$0")/lib.sh"

rf_mount
workflow "$T/ci.yml" 'echo good'
n=$(rf_drop "$T/ci.yml")
# the daemon does not grow with what it refused
drop() { # NAME: standard input to workflows/NAME; the errno of the write or close that failed, 0 when none did
    "$PYTHON" -c '
import os, sys
try:
    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    data = True
    while data:
        data = sys.stdin.buffer.read(1 << 16)
        os.write(fd, data)
    os.close(fd)
    print("OK")
except OSError as e:
    print(e.strerror)
sys.stdin.buffer.read()
' "$M/workflows/$1"
}
equal "an empty file" "Invalid argument" "$(drop ci.yml </dev/null)"
grep -q . "$M/errors/ci.yml" || fail "errors/ci.yml is empty"
equal "a binary file" "Invalid argument" "$(head -c 4096 /bin/ls | drop ci.yml)"
grep -q . "$M/errors/ci.yml" || fail "errors/ci.yml is empty"
equal "a NUL in a good file" "Invalid argument" "$( (cat "$T/ci.yml"; printf '\0') | drop ci.yml)"
equal "50 MB" "File too large" "$(head -c 50M /dev/zero | tr '\0' '#' | drop ci.yml)"
grep -q . "$M/errors/ci.yml" || fail "errors/ci.yml is empty after 50 MB"
equal "50 MB under a new name" "File too large" "$(head -c 50M /dev/zero | tr '\0' '#' | drop big.yml)"
[ ! -e "$M/workflows/big.yml" ] || fail "the 50 MB file was registered"
for name in $'tab\there.yml' $'new\nline.yml' $'esc\033[31m.yml' $'\001.yml' $'del\177.yml' $'latin\351.yml'; do
    refused cp "$T/ci.yml" "$M/workflows/$name"
done
long=$(printf 'x%.0s' {1..252}).yml
refused cp "$T/ci.yml" "$M/workflows/$long"
refused cp "$T/ci.yml" "$M/workflows/../ci.yml"
refused cp "$T/ci.yml" "$M/ci.yml"
refused cp "$T/ci.yml" "$M/runs/ci.yml"
refused cp "$T/ci.yml" "$M/workflows/.."
refused mkdir "$M/workflows/dir"
refused mkdir "$M/dir"
refused ln -s /etc/passwd "$M/workflows/link.yml"
refused mknod "$M/workflows/fifo.yml" p
cmp "$T/ci.yml" "$M/workflows/ci.yml"
equal "runs" 1 "$(runs)"
equal "workflows/" ci.yml "$(ls -A "$M/workflows")"
# the longest name that is allowed, and names that only look hostile
for name in "$(printf 'y%.0s' {1..251}).yml" 'with space.yml' "quote'\"\$(id).yml" 'Ünï🚀.yaml' '-rf.yml'; do
    cp "$T/ci.yml" "$T/$name"
    n=$(rf_drop "$T/$name")
    file_is "$M/runs/$n/conclusion" success
    equal "by-workflow/$name" "$n" "$(ls -- "$M/runs/by-workflow/$name")"
done
