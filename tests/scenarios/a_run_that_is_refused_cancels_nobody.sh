# Who asks for a concurrency group takes the place of whoever waits for it, or cancels who has it. Where the disk is too full for
# the new run, which is refused, it has done neither.
. "$(dirname "$0")/lib.sh"
need_root
mkdir -p "$STATE"
mount -t tmpfs -o size=12m,mode=700 runfs-test "$STATE" || skip 'no tmpfs can be mounted here'
at_end+=(rf_umount 'umount -l "$STATE"')
mkfifo "$T/go"
rf_mount
echo host >"$M/config/labels/here"
w() { # CANCEL SCRIPT
    cat <<Y
on: push
concurrency: {group: g, cancel-in-progress: $1}
jobs: {a: {runs-on: here, steps: [{run: '$2'}]}}
Y
}
w false "echo begun; read -r line <$T/go" >"$T/first.yml"
w false 'echo second' >"$T/second.yml"
w true 'echo third' >"$T/third.yml"
first=$(rf_start "$T/first.yml")
rf_wait 10 grep -qx begun "$M/runs/$first/log" # what it needs of the disk it has
second=$(rf_start "$T/second.yml")
file_is "$M/runs/$second/status" pending
dd if=/dev/zero of="$STATE/fill" bs=4k 2>/dev/null || :
cp "$T/third.yml" "$M/workflows/" 2>"$T/err" && fail 'a full disk was not reported'
contains 'the reason' "$(cat "$T/err")" 'No space left'
rm "$STATE/fill"
equal 'runs' 2 "$(runs)"
file_is "$M/runs/$first/status" in_progress
file_is "$M/runs/$second/status" pending
echo go >"$T/go"
for n in $first $second; do
    ended "$n"
    file_is "$M/runs/$n/conclusion" success
done

say 'with room again it is as it should be'
first=$(rf_start "$T/first.yml")
rf_wait 10 grep -q in_progress "$M/runs/$first/status"
second=$(rf_start "$T/second.yml")
third=$(rf_drop "$T/third.yml")
file_is "$M/runs/$third/conclusion" success
file_is "$M/runs/$first/conclusion" cancelled
file_is "$M/runs/$second/conclusion" cancelled
