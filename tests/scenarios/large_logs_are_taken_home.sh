# A run that printed a hundred megabytes: its logs come as a zip and as text, whole, while they are made, and the daemon holds none of it;
# who goes away in the middle leaves nothing behind.
. "$(dirname "$0")/lib.sh"
need curl
need python3
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
python3 - "$T/logs.zip" "$T/words" <<'P' || fail 'the zip is not what was printed'
import re, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
names = sorted(z.namelist())
assert [n.split('/')[0] for n in names] == ['a'] * len(names), names
time = re.compile(rb'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z ', re.M)
printed = z.read(next(n for n in names if n.endswith('print.txt')))
assert len(time.findall(printed)) == printed.count(b'\n'), 'a line has no time'
assert open(sys.argv[2], 'rb').read() in time.sub(b'', printed)
assert b'the end' in z.read(next(n for n in names if n.endswith('then.txt')))
P
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
