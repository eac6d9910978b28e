# What scenarios share: a mount of their own in a directory of their own, waiting for conditions, and assertions
# that say what differed. Source it first:   . "$(dirname "$0")/lib.sh"
# shellcheck shell=bash disable=SC2034
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$root/build}
RUNFS=${RUNFS:-$BUILD/runfs}
T=$(mktemp -d "${TMPDIR:-/tmp}/rf-XXXXXX") # everything a scenario writes
T=$(cd "$T" && pwd -P)
M=$T/mnt                                   # where rf_mount mounts
S=$T/state                                 # its state directory
export XDG_STATE_HOME=$T/xdg TMPDIR=$T
PYTHON=/usr/bin/python3
rf_background=() # pids of a scenario's own helpers
rf_mounted=()

fail() {
    echo "${BASH_SOURCE[-1]##*/}:${BASH_LINENO[-2]:-?}: $*" >&2
    if [ -f "$S/log" ]; then
        echo "--- the daemon's log" >&2
        tail -n 15 "$S/log" >&2
    fi
    exit 1
}
skip() { echo "$*"; exit 77; }

rf_end() {
    local status=$? pid m
    trap '' INT TERM HUP
    trap - EXIT ERR
    for pid in "${rf_background[@]}"; do kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
    for m in "${rf_mounted[@]}"; do rf_umount "$m" || status=1; done
    rm -rf --one-file-system "$T" || status=1
    exit "$status"
}
trap rf_end EXIT
trap 'exit 143' TERM HUP
trap 'exit 130' INT
set -E
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed ($?): $BASH_COMMAND" >&2' ERR

is_root() { [ "$(id -u)" = 0 ]; }
is_mounted() { awk -v m="$1" '$2 == m { found = 1 } END { exit !found }' /proc/self/mounts; }
need_fuse() { [ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "/dev/fuse cannot be opened here"; }
need_root() { is_root || skip "needs root"; }
need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# rf_mount [OPTION...]: mounts at $M with its state in $S
rf_mount() {
    need_fuse
    "$RUNFS" mount --state "$S" "$@" "$M" || fail "runfs mount ended with $?"
    rf_mounted+=("$M")
}
# rf_umount [MOUNT]: as it should be; by force, and a failure, if that does not work
rf_umount() {
    local m=${1:-$M}
    if ! is_mounted "$m"; then return 0; fi
    timeout 60 "$RUNFS" umount "$m" && return 0
    echo "runfs umount $m failed" >&2
    umount -l "$m" 2>/dev/null || fusermount3 -uz "$m"
    return 1
}
rf_daemon_pid() { sed -n 's/^pid: //p' "$M/status"; }

# rf_wait SECONDS COMMAND...: until it succeeds; fails with what was waited for
rf_wait() {
    local limit=$1 until
    shift
    until=$(($(date +%s%N) / 1000000 + limit * 1000))
    while ! "$@" >/dev/null 2>&1; do
        [ $(($(date +%s%N) / 1000000)) -lt "$until" ] || fail "not within $limit s: $*"
        read -rt 0.01 <> <(:) || :
    done
}

# rf_file NAME: standard input becomes $T/NAME
rf_file() { mkdir -p "$(dirname "$T/$1")" && cat >"$T/$1"; }
# rf_one NAME COMMAND: the smallest workflow, $T/NAME, with one step
rf_one() {
    {
        printf 'on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - name: Step\n        run: |\n'
        printf '%s\n' "$2" | sed 's/^/          /'
    } >"$T/$1"
}
# rf_drop NAME [FILE]: standard input (or FILE) goes into workflows/NAME; $run is then its run's directory, ended
rf_drop_start() {
    if [ $# -gt 1 ]; then cp "$2" "$T/drop-$1"; else cat >"$T/drop-$1"; fi
    cp "$T/drop-$1" "$M/workflows/$1" || fail "the drop of $1 was refused: $(cat "$M/errors/$1" 2>&1)"
    rm -f "$T/drop-$1"
    run=$M/runs/$(readlink "$M/runs/latest")
}
rf_drop() {
    rf_drop_start "$@"
    timeout 100 cat "$run/wait" >/dev/null || fail "run $run did not end: $(cat "$run/status" "$run/log" 2>&1 | tail -n 5)"
}
# step JOB NN FILE: the path of a file of a step of $run
step() { printf '%s\n' "$run/jobs/$1/steps/$2"-*"/$3"; }
rf_runs() { find "$M/runs" -maxdepth 1 -name '[0-9]*' -printf . | wc -c; }

quote() { printf '%s' "$1" | head -c 2000 | sed 's/^/    /'; echo; }
# eq WHAT EXPECTED GOT
eq() {
    [ "$2" = "$3" ] || fail "$1
  expected:
$(quote "$2")
  got:
$(quote "$3")"
}
# is FILE TEXT: the file holds that text (and a newline at its end)
is() {
    [ -e "$1" ] || fail "$1 does not exist"
    eq "${1#"$M"/}" "$2" "$(cat "$1")"
}
# has FILE TEXT: a fixed string is somewhere in it
has() { grep -qF -- "$2" "$1" || fail "$1 has no '$2' but:
$(quote "$(cat "$1" 2>&1)")"; }
hasnt() {
    [ -e "$1" ] || fail "$1 does not exist"
    ! grep -qF -- "$2" "$1" || fail "$1 has '$2':
$(quote "$(cat "$1")")"
}
# exits STATUS COMMAND...: its output is then in $T/out, its standard error in $T/err
exits() {
    local want=$1 got=0
    shift
    "$@" >"$T/out" 2>"$T/err" || got=$?
    [ "$got" = "$want" ] || fail "$*
  ended with $got instead of $want; it said:
$(quote "$(cat "$T/out" "$T/err")")"
}
# refuses COMMAND...: it must fail; what it said is in $T/err
refuses() {
    if "$@" >"$T/out" 2>"$T/err"; then fail "not refused: $*"; fi
}
gone() { [ ! -e "/proc/$1" ] || [ "$(awk '{print $3}' "/proc/$1/stat" 2>/dev/null)" = Z ]; }
# rf_as_user COMMAND...: as an ordinary user with a home of its own; the programs are copied where it may read them
rf_as_user() {
    if ! is_root; then
        "$@"
        return
    fi
    if [ ! -d "$T/user" ]; then
        mkdir -p "$T/user"
        cp "$BUILD/runfs" "$BUILD/runfs-agent" "$T/user/"
        mkdir -p "$T/user/home"
        chown -R 31337:31337 "$T/user"
        chmod 711 "$T"
    fi
    (cd "$T/user/home" &&
        env -i HOME="$T/user/home" TMPDIR="$T/user" PATH="$T/user:$PATH" LC_ALL=C.UTF-8 \
            setpriv --reuid=31337 --regid=31337 --clear-groups -- "$@")
}
