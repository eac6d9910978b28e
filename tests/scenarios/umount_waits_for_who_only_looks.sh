# What is in use for a moment only, as by a program that looks at every mount, is unmounted once that has gone; whoever stays is
# told of. For root and for an ordinary user, whose mounts fusermount3 undoes.
# shellcheck disable=SC2093
[ "$(id -u)" != 0 ] || [ -n "${OWN_DEV-}" ] || OWN_DEV=1 exec unshare --mount --propagation private bash "$0"
. "$(dirname "$0")/lib.sh"
need_fuse

looks='cd "$1/runs"; echo there; until pgrep -f "^[^ ]*/runfs umount $1\$" >/dev/null; do :; done; exec sleep 0.2'
umounts='cd "$1/runs"; exec "$0" umount "$1"'
try() { # WHOM DIRECTORY [COMMAND...]: what runs commands as that user
    local mount=$2/mnt
    say "$1"
    shift 2
    "$@" "$RUNFS" mount --state "${mount%/*}/state" "$mount"
    mounts+=("$mount")
    "$@" bash -c "$looks" looks "$mount" >"$T/looks" &
    children=($!)
    rf_wait 10 grep -q there "$T/looks"
    "$@" "$RUNFS" umount "$mount" 2>"$T/said" || fail "$(cat "$T/said")"
    equal 'nothing was said' '' "$(cat "$T/said")"
    wait "${children[0]}"
    children=()

    "$@" "$RUNFS" mount --state "${mount%/*}/state" "$mount"
    exits 1 "$@" bash -c "$umounts" "$RUNFS" "$mount"
    contains 'who' "$(cat "$T/err")" "fuser -vm $mount"
    "$@" "$RUNFS" umount "$mount"
}

mkdir "$T/root"
try 'whoever runs this' "$T/root"
is_root || exit 0
chmod 755 "$T"
mkdir -m 777 "$T/u"
as() { HOME=$T/u TMPDIR=$T/u setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
as test -x "$RUNFS" || skip 'the build directory cannot be reached by an ordinary user'
mknod -m 666 "$T/fuse" c 10 229
mount --bind "$T/fuse" /dev/fuse # in this scenario's own namespace
try 'an ordinary user' "$T/u" as
