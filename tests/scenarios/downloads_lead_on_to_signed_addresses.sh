# Logs and artifacts are downloaded as GitHub gives them out: a 302 leads on to an address that needs no token, is good for that one
# thing and for a while only, and that nobody but the daemon can make.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need unzip
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/w.yml" <<'Y'
on: workflow_dispatch
jobs:
  a:
    runs-on: h
    steps:
      - run: echo hello; mkdir d; seq 1000 >d/numbers
      - {uses: actions/upload-artifact@v4, with: {name: things, path: d}}
Y
n=$(rf_drop "$T/w.yml")
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
echo "header = \"Authorization: Bearer $("$RUNFS" token create --scope read "$M")\"" >"$T/token"
A=$url/api/v3/repos/runfs/workflows/actions
get() { curl -s -o "$T/body" -D "$T/head" -w '%{http_code}' "$@"; }
ask() { get -K "$T/token" "$@"; }
location() { sed -n 's/^location: \(.*\)\r$/\1/Ip' "$T/head"; }
job=$(curl -s -K "$T/token" "$A/runs/$n/jobs" | jq '.jobs[0].id')
artifact=$(curl -s -K "$T/token" "$A/runs/$n/artifacts" | jq '.artifacts[0].id')
is_log() { grep -q hello "$T/body"; }
is_logs() { unzip -p "$T/body" 'a/*.txt' | grep hello >/dev/null; }
is_artifact() { equal 'its content' "$(seq 1000)" "$(unzip -p "$T/body" numbers)"; }
while read -r path check; do
    equal "$path" 302 "$(ask "$A/$path")"
    contains 'leads on below the same prefix' "$(location)" "$url/api/v3/downloads/"
    to=$(location)
    equal 'which needs no token' 200 "$(get "$to")"
    $check || fail "$path: it is another thing"
    equal 'a client that follows has it at once' 200 "$(ask -L "$A/$path")"
    $check || fail "$path"
    equal 'a time that was changed' 403 "$(get "${to/se=1/se=2}")"
    equal 'a signature that was changed' 403 "$(get "${to%?}$([ "${to: -1}" = 0 ] && echo 1 || echo 0)")"
    equal 'none' 403 "$(get "${to%%\?*}")"
    equal 'not even with a token' 403 "$(ask "${to%%\?*}")"
    equal 'of another thing' 403 "$(get "$(sed 's,\(downloads/[a-z]*\)/[0-9]*,\1/99,' <<<"$to")")"
    equal 'without a token' 401 "$(get "$A/$path")"
    equal 'to HEAD the same' 302 "$(ask -I "$A/$path")"
    equal 'by the socket' 200 "$(get -L --unix-socket "$T/api.sock" "http://ci${A#"$url"}/$path")"
    $check || fail "$path"
done <<X
runs/$n/logs is_logs
runs/$n/attempts/1/logs is_logs
jobs/$job/logs is_log
artifacts/$artifact/zip is_artifact
X
equal 'a part' 206 "$(get -r 0-9 "$to")"
equal 'of ten bytes' 10 "$(wc -c <"$T/body")"
for path in runs/99/logs "runs/$n/attempts/2/logs" jobs/99/logs artifacts/99/zip; do equal "$path" 404 "$(ask "$A/$path")"; done
rf_umount
rf_mount
rf_wait 10 grep -q '^listen: 127' "$M/status"
equal 'no longer after a restart' 403 "$(get "http://$(awk '/^listen: 127/ {print $2}' "$M/status")${to#"$url"}")"
