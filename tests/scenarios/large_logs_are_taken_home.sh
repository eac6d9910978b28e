# A run that printed a hundred megabytes: its logs come as a zip and as text, whole, while they are made, and the daemon holds none of it;
# who goes away in the middle leaves nothing behind.
. "$(dirname "$0")/lib.sh"
need curl
need unzip
rf_mount
echo host >"$M/config/labels/h"
head -c 75000000 /dev/urandom | base64 -w 100 >"$T/words"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{name: print, run: "cat %s"}, {name: then, run: echo the end}]}}\n' "$T/words" >"$T/w.yml"
n=$(rf_drop "$T/w.yml")
file_is "$M/runs/$n/conclusion" success
echo "$T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
get() { curl -sSL --fail --unix-socket "$T/api.sock" "http://ci/repos/runfs/workflows/actions/$1" "${@:2}"; }
# what the daemon's memory is at most from now on, in kB
pid=$(daemon_pid)
memory() { awk '/^VmHWM/ { print $2 }' "/proc/$pid/status"; }
echo 5 >"/proc/$pid/clear_refs"
before=$(memory)

get "runs/$n/logs" -D "$T/head" -o "$T/logs.zip"
grep -qi '^transfer-encoding: chunked' "$T/head" || fail "it is not sent while it is made: $(cat "$T/head")"
unzip -tqq "$T/logs.zip" || fail 'the zip is broken'
unzip -Z1 "$T/logs.zip" >"$T/names"
equal 'what is in it' '' "$(grep -v '^a/' "$T/names" || :)"
in_zip() { unzip -p "$T/logs.zip" "$(grep "$1.txt$" "$T/names")"; } # STEP
timed='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{7}Z '
in_zip print >"$T/print"
equal 'lines without a time' 0 "$(grep -cvE "$timed" "$T/print" || :)"
tail -n "$(wc -l <"$T/words")" "$T/print" | cut -c 30- | cmp - "$T/words" || fail 'the zip is not what was printed'
contains 'the step behind it' "$(in_zip then)" 'the end'
job=$(get "runs/$n/jobs" | jq '.jobs[0].id')
get "jobs/$job/logs" | cut -c 30- >"$T/log"
cmp "$T/log" "$M/runs/$n/jobs/a/log" || fail 'the text behind the times is another'
case $BUILD in
*-san | *-tsan) ;; # a sanitizer keeps what is freed
*) [ $(($(memory) - before)) -lt 40000 ] || fail "the daemon took $(($(memory) - before)) kB more" ;;
esac

threads() { ls "/proc/$pid/task" | wc -l; }
idle=$(threads)
for _ in 1 2 3 4 5; do
    get "runs/$n/logs" 2>/dev/null | head -c 100000 >/dev/null || :
done
settled() { [ "$(threads)" -le $((idle + 1)) ]; }
rf_wait 40 settled
get "runs/$n" | jq -e .id >/dev/null || fail 'it does not answer any more'
