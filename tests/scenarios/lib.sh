# What scenarios share. Each has a directory of its own ($T), a state ($STATE) and a mount point ($M).
set -eu -o pipefail
RUNFS=$BUILD/runfs
T=$(mktemp -d)
STATE=$T/state
M=$T/mnt
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { echo "# $*" >&2; }
fail() { echo "FAILED: $*" >&2; exit 1; }
skip() { echo "$*"; exit 77; }

cleanup() {
    cd /
    if grep -q " $M fuse" /proc/mounts; then "$RUNFS" umount "$M" || umount -l "$M" 2>/dev/null || fusermount3 -uz "$M" || true; fi
    rm -rf "$T" 2>/dev/null || { chmod -R u+rwx "$T" 2>/dev/null; rm -rf "$T"; }
}
trap cleanup EXIT
trap 'exit 143' TERM INT

need_fuse() { [ -w /dev/fuse ] || skip "/dev/fuse cannot be opened here"; }
rf_mount() { need_fuse; "$RUNFS" mount --state "$STATE" "$@" "$M"; }
rf_umount() { "$RUNFS" umount "$M"; }
daemon_pid() { awk '/^pid:/ {print $2}' "$M/status"; }
runs() { ls "$M/runs" | grep -c '^[0-9]' || true; }

# rf_wait SECONDS COMMAND...: until the command succeeds.
rf_wait() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "never came true: $*"
        sleep 0.02
    done
}
equal() { # WHAT EXPECTED GOT
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}
contains() { # WHAT TEXT PART
    case $2 in *"$3"*) ;; *) fail "$1: '$3' is not in: $2" ;; esac
}
lacks() { # WHAT TEXT PART
    case $2 in *"$3"*) fail "$1: '$3' is in: $2" ;; esac
}
refused() { # COMMAND...: must fail
    if "$@" 2>/dev/null; then fail "was not refused: $*"; fi
}
# A one-step workflow: workflow FILE SCRIPT
workflow() { printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: %s\n' "$2" >"$1"; }
# Drops a file and waits for its run: prints the run's number.
rf_drop() {
    cp "$1" "$M/workflows/"
    local n
    n=$(readlink "$M/runs/latest")
    cat "$M/runs/$n/wait" >/dev/null
    echo "$n"
}
