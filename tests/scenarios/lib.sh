# What scenarios share: a directory of their own ($T), a state ($STATE), a mount ($M), waiting for conditions, and
# assertions that say what differed. Source it first:   . "$(dirname "$0")/lib.sh"
# shellcheck shell=bash disable=SC2034
set -eEu -o pipefail

here=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
BUILD=$(cd "${BUILD:-$here/build}" && pwd -P)
RUNFS=${RUNFS:-$BUILD/runfs}
T=$(cd "$(mktemp -d "${TMPDIR:-/tmp}/rf-XXXXXX")" && pwd -P)
STATE=$T/state
M=$T/mnt
export XDG_STATE_HOME=$T/xdg TMPDIR=$T
PYTHON=/usr/bin/python3
# What a sanitizer finds in a daemon is a failure of the scenario.
for name in ASAN UBSAN TSAN; do # what the environment says of them goes on
    name+=_OPTIONS
    declare -x "$name=${!name-}:log_path=$T/sanitizer"
done
UBSAN_OPTIONS+=:print_stacktrace=1
TSAN_OPTIONS+=:suppressions=$here/tests/tsan.supp
children=() # pids of a scenario's own helpers that it may leave to the end
mounts=()   # where rf_mount mounted

say() { echo "# $*" >&2; }
skip() { echo "$*"; exit 77; }
fail() {
    local i
    trap - ERR
    echo "FAILED: $*" >&2
    for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
        [ "${BASH_SOURCE[i]##*/}" = lib.sh ] || { echo "  at ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}" >&2; break; }
    done
    if [ -s "$STATE/log" ]; then
        echo "  the daemon's log:" >&2
        tail -n 10 "$STATE/log" | sed 's/^/    /' >&2
    fi
    if [ -s "$STATE/log" ] && is_mounted "$M"; then
        echo "  the log of the newest run:" >&2
        timeout 10 tail -n 20 "$M/runs/latest/log" 2>/dev/null | cut -c 1-300 | sed 's/^/    /' >&2 || :
    fi
    exit 1
}

is_mounted() { [[ $(</proc/self/mounts) == *" $1 "* ]]; }
unmount() { # MOUNT: as it should be done; by force, and a failure, where that does not work
    is_mounted "$1" || return 0
    timeout 60 "$RUNFS" umount "$1" && return 0
    echo "runfs umount $1 failed" >&2
    umount -l "$1" 2>/dev/null || fusermount3 -uz "$1" || :
    return 1
}
may_log=cannot_happen # what the daemon's log may have of errors: an expression of grep -E
lost_nothing() {      # an error in the daemon's log is something that was to be kept, and was not
    [ ! -s "$STATE/log" ] || ! grep -E '^[^ ]+ error ' "$STATE/log" | grep -vE "$may_log" >&2
}
at_end=() # what a scenario has to undo itself, before all else is; its own trap would lose how it ended
cleanup() {
    local status=$? pid m undo
    trap '' INT TERM HUP
    trap - EXIT ERR
    set +e
    cd /
    for undo in "${at_end[@]}"; do eval "$undo"; done
    for pid in "${children[@]}"; do kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
    for m in "${mounts[@]}"; do unmount "$m" || status=1; done
    lost_nothing || status=1
    if compgen -G "$T/sanitizer*" >/dev/null || compgen -G "$T/user/sanitizer*" >/dev/null; then
        head -n 60 "$T"/sanitizer* "$T"/user/sanitizer* >&2
        status=1
    fi
    rm -rf --one-file-system "$T" || status=1
    exit "$status"
}
trap cleanup EXIT
trap 'exit 143' TERM HUP
trap 'exit 130' INT
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed ($?): $BASH_COMMAND" >&2' ERR

is_root() { [ "$(id -u)" = 0 ]; }
need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }
need_root() { is_root || skip "needs root"; }
need_fuse() { if [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then skip '/dev/fuse cannot be opened here'; fi; }
need_sandbox() { # where a step cannot be isolated there is nothing to test
    grep -q 'backend sandbox: works' "$M/status" || skip "$(grep 'backend sandbox' "$M/status")"
}

rf_mount() { # [OPTION...]
    need_fuse
    "$RUNFS" mount --state "$STATE" "$@" "$M" || fail "runfs mount ended with $?"
    mounts+=("$M")
}
rf_umount() { "$RUNFS" umount "$M"; }
daemon_pid() { awk '/^pid:/ {print $2}' "$M/status"; }
runs() { find "$M/runs" -maxdepth 1 -name '[0-9]*' -printf . | wc -c; }

# pause SECONDS: between two looks at a condition; never a substitute for one
pause() { read -rt "$1" <> <(:) || :; }
# rf_wait SECONDS COMMAND...: until the command succeeds; that long on an idle machine, and thrice on any. What has not come for
# a while is looked at less often.
rf_wait() {
    local wait_from=${EPOCHREALTIME/[.,]/} wait_us=0 wait_most=$(($1 * 3000000)) wait_ms
    shift
    until "$@" >/dev/null 2>&1; do
        wait_us=$((${EPOCHREALTIME/[.,]/} - wait_from))
        [ "$wait_us" -lt "$wait_most" ] || fail "never came true: $*"
        wait_ms=$((wait_us / 10000 < 20 ? 20 : wait_us / 10000 > 400 ? 400 : wait_us / 10000)) # ms, a tenth of that while
        printf -v wait_ms '0.%03d' "$wait_ms"
        pause "$wait_ms"
    done
}
gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"; } # PID: ended, reaped or not

quote() { printf '%s' "$1" | head -c 3000 | sed 's/^/    /'; }
equal() { # WHAT EXPECTED GOT
    [ "$2" = "$3" ] || fail "$1: expected
$(quote "$2")
  got
$(quote "$3")"
}
contains() { # WHAT TEXT PART
    case $2 in *"$3"*) ;; *) fail "$1: '$3' is not in
$(quote "$2")" ;; esac
}
lacks() { # WHAT TEXT PART
    case $2 in *"$3"*) fail "$1: '$3' is in
$(quote "$2")" ;; esac
}
file_is() { # FILE TEXT: it holds that line
    [ -e "$1" ] || fail "$1 does not exist"
    equal "${1#"$M"/}" "$2" "$(<"$1")"
}
file_has() { contains "${1#"$M"/}" "$(<"$1")" "$2"; } # FILE TEXT
file_lacks() { lacks "${1#"$M"/}" "$(<"$1")" "$2"; }
# COMMAND...: must fail. What it said is in $T/err.
refused() { if "$@" >"$T/out" 2>"$T/err"; then fail "was not refused: $*"; fi; }
# STATUS COMMAND...: must end so. What it said is in $T/out and $T/err.
exits() {
    local want=$1 got=0
    shift
    "$@" >"$T/out" 2>"$T/err" || got=$?
    [ "$got" = "$want" ] || fail "$*
  ended with $got instead of $want and said
$(quote "$(cat "$T/out" "$T/err")")"
}

# A one-step workflow: workflow FILE SCRIPT
workflow() {
    printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n' >"$1"
    printf '%s\n' "          ${2//$'\n'/$'\n          '}" >>"$1"
}
rf_start() { # FILE: drops it and prints its run's number
    cp -- "$1" "$M/workflows/" || fail "refused: $(cat "$M/errors/${1##*/}" 2>&1)"
    readlink "$M/runs/latest"
}
ended() { # NUMBER: waits until that run ends
    timeout 200 cat "$M/runs/$1/wait" >/dev/null || fail "run $1 did not end: $(tail -n 5 "$M/runs/$1/log")"
}
rf_drop() { # FILE: drops it, waits for its run and prints the run's number
    local n
    n=$(rf_start "$1")
    ended "$n"
    echo "$n"
}
step_out() { cat "$M/runs/$1/jobs/$2/steps/$3"-*/stdout; } # RUN JOB NN

# COMMAND...: as an ordinary user with a home of its own, who finds runfs in the PATH, which else is Debian's: without sbin
as_user() {
    if ! is_root; then
        "$@"
        return
    fi
    if [ ! -d "$T/user" ]; then
        mkdir -p "$T/user/home" "$T/user/bin"
        cp "$BUILD/runfs" "$BUILD/runfs-agent" "$T/user/bin/"
        cp "$here/tests/tsan.supp" "$T/user/"
        chown -R 31337:31337 "$T/user"
        chmod 711 "$T"
    fi
    local sanitizers=() name
    for name in ASAN UBSAN TSAN; do
        sanitizers+=("${name}_OPTIONS=$(printenv "${name}_OPTIONS"):log_path=$T/user/sanitizer")
    done
    sanitizers[2]+=:suppressions=$T/user/tsan.supp
    (cd "$T/user/home" && env -i "${sanitizers[@]}" HOME="$T/user/home" TMPDIR="$T/user" PATH="$T/user/bin:/usr/local/bin:/usr/bin:/bin" \
        LC_ALL=C.UTF-8 setpriv --reuid=31337 --regid=31337 --clear-groups -- "$@")
}

# DIR: makes it a git repository with one commit of what is in it
git_commit() {
    [ -e "$1/.git" ] || git -C "$1" init -q -b main
    git -C "$1" add -A
    git -C "$1" -c user.name=tester -c user.email=tester@example.com commit -q --allow-empty -m "${2:-first}"
}
# FILE...: runs a workflow without a mount, its log in $T/out; extra options come first
rf_run() { "$RUNFS" run "$@" >"$T/out" 2>"$T/err" || fail "runfs run ended with $?: $(cat "$T/out" "$T/err")"; }
