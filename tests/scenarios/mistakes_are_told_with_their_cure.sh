# Ordinary mistakes with the commands: each is told by what, where and the cure, and changes nothing.
. "$(dirname "$0")/lib.sh"
told() { # STATUS WORDS COMMAND...
    local status=$1 words=$2
    shift 2
    exits "$status" "$@"
    contains "$*" "$(cat "$T/err")" "$words"
}
workflow "$T/w.yml" true

# called wrongly: what is missing, how it is called, where more is said
told 2 'runfs mount: say at which DIRECTORY' "$RUNFS" mount
contains 'how it is called' "$(cat "$T/err")" 'usage: runfs mount [-f]'
contains 'where more is said' "$(cat "$T/err")" 'runfs mount -h'
told 2 'runfs run: there is no .github/workflows here or above: say which FILE' "$RUNFS" run
told 2 'runfs run: it takes one FILE or DIRECTORY' "$RUNFS" run "$T/w.yml" "$T/w.yml"
told 2 "runfs mount: unrecognized option '--sate'" "$RUNFS" mount --sate "$STATE" "$M"
told 2 'runfs token: --scope is read, run or admin' "$RUNFS" token create --scope all
for c in umount run sh lint plan eval host image token; do told 2 "usage: runfs $c" "$RUNFS" $c; done

# called with what is not there
told 2 'NOT_THERE is not set in the environment: set it, or give NOT_THERE=VALUE' "$RUNFS" run --secret NOT_THERE "$T/w.yml"
told 2 "cannot open $T/none.json" "$RUNFS" run --payload "$T/none.json" "$T/w.yml"
told 2 'memory is a size from 16M on' "$RUNFS" run --label '*=sandbox memory=lots' "$T/w.yml"
told 1 "cannot read $T/none.tar (--from)" "$RUNFS" image build some --from "$T/none.tar" --state "$T/images"
mkdir -p "$T/alone/bin" "$T/alone/libexec/runfs"
cp "$RUNFS" "$T/alone/bin/"
told 1 '`make` puts it beside runfs' "$T/alone/bin/runfs" run "$T/w.yml"
cp "$RUNFS-agent" "$T/alone/libexec/runfs/" # as `make install` does, under any PREFIX
exits 0 "$T/alone/bin/runfs" run "$T/w.yml"

# where it cannot be mounted
told 1 "cannot mount at $T/w.yml: it is a file" "$RUNFS" mount --state "$STATE" "$T/w.yml"
told 1 "$T/w.yml" "$RUNFS" mount --state "$STATE" "$T/w.yml/below"
told 1 'is no directory' "$RUNFS" mount --state "$T/w.yml" "$M"
[ ! -e "$STATE" ] || fail 'a state directory was made nevertheless'
rf_mount
told 1 "a runner is mounted at $M already: \`runfs umount $M\`" "$RUNFS" mount --state "$T/other" "$M"
told 1 "name another directory with --state" "$RUNFS" mount --state "$STATE" "$T/second"
told 1 "no runner is mounted at $T" "$RUNFS" token create "$T"
(cd "$M/runs" && told 1 "fuser -vm $M" "$RUNFS" umount "$M")
kill -KILL "$(daemon_pid)"
rf_wait 10 sh -c "! ls '$M' 2>/dev/null"
told 1 "the daemon of $M has died: \`runfs mount $M\` starts it again" "$RUNFS" token list "$M"
rf_umount
told 1 'nothing is mounted there' "$RUNFS" umount "$M"

# a state directory that is not for this user, or this runfs
mkdir -m 777 "$T/open"
chmod 777 "$T/open"
told 1 "anybody may write to the state directory $T/open: \`chmod o-w\`" "$RUNFS" mount --state "$T/open" "$M"
if [ "$(id -u)" = 0 ]; then
    mkdir "$T/foreign"
    chown 65534 "$T/foreign"
    told 1 "the state directory $T/foreign belongs to the user 65534" "$RUNFS" mount --state "$T/foreign" "$M"
    equal 'left there' '' "$(ls -A "$T/foreign")"
fi
sqlite3 "$STATE/runfs.db" 'PRAGMA user_version = 9999' >/dev/null
told 1 "$STATE/runfs.db has version 9999" "$RUNFS" mount --state "$STATE" "$M"
if is_mounted "$M"; then fail 'mounted nevertheless'; fi
