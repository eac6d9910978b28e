# A registry that comes to no end holds up nobody but who asked it: others fetch meanwhile, no password is left when the runner
# is killed, nor what was fetched by then, and what flows without end does not fill the disk.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
image() { "$RUNFS" image "$@" --state "$STATE"; }
registry() { # BYTES: its address is in $registry
    "$PYTHON" "$here/tests/servers/endless_registry.py" "$T/asked.$1" "$1" >"$T/port.$1" &
    children+=($!)
    rf_wait 20 test -s "$T/port.$1"
    registry=127.0.0.1:$(cat "$T/port.$1")
}
mkdir -p "$STATE" "$T/files"
echo text >"$T/files/file"
image_of other "$T/files"

say 'others go on meanwhile'
registry 0
echo a-very-secret-word | image pull "$registry/slow" --user me 2>"$T/slow.said" >/dev/null &
slow=$!
children+=($slow)
rf_wait 60 test -s "$T/asked.0"
equal places 1 "$(find "$STATE/containers" -maxdepth 1 -name '.pulling-*' | wc -l)"
timeout 120 "$RUNFS" image pull "oci:$T/images/other:it" other --state "$STATE" >/dev/null 2>&1 || fail 'another image could not be fetched'
kill -0 "$slow" || fail "the slow one has ended: $(cat "$T/slow.said")"

say 'killed, it leaves nothing'
secret=$(printf me:a-very-secret-word | base64)
kill -KILL "$(pgrep -P "$slow" -f 'runfs image pull' || echo "$slow")"
wait "$slow" 2>/dev/null || :
equal 'what lies there' '' "$(grep -rls -e a-very-secret-word -e "$secret" "$STATE" || :)"
image rm other
equal 'what was being fetched' 0 "$(find "$STATE/containers" -maxdepth 1 -name '.pulling-*' | wc -l)"
pkill -KILL -f "skopeo.*$STATE" || :

say 'who cancels a job that waits for an image does not wait for the registry'
printf '%s\n' 'on: push' 'jobs:' '  a:' '    runs-on: ubuntu-latest' "    container: $registry/slow" '    steps: [run: "true"]' >"$T/slow.yml"
: >"$T/asked.0"
rf_mount
echo "$registry" >"$M/config/local_registries"
n=$(rf_start "$T/slow.yml")
rf_wait 60 test -s "$T/asked.0"
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
rf_umount

say 'a disk is not filled: the daemon itself needs some of it'
is_root || exit 0
mkdir "$T/small"
mount -t tmpfs -o size=24m runfs-test "$T/small" || exit 0
at_end+=('umount -l "$T/small"')
registry 24500000 # and then, slowly, more than the disk has
exits 1 "$RUNFS" image pull "$registry/flow" --state "$T/small"
contains 'why' "$(cat "$T/err")" 'flow:latest: No space left on device'
equal 'nothing is left' '' "$(find "$T/small/containers" -mindepth 2)"
equal 'nor a place' 0 "$(find "$T/small/containers" -maxdepth 1 -name '.pulling-*' | wc -l)"
