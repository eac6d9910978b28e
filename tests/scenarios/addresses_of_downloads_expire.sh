# An address that a download was led on to is good for a minute or two, and then for nobody.
# waits
# limit: 420
. "$(dirname "$0")/lib.sh"
need curl
rf_mount
echo host >"$M/config/labels/h"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: echo hello}]}}\n' >"$T/w.yml"
n=$(rf_drop "$T/w.yml")
echo "$T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
get() { curl -s -o "$T/body" -w '%{http_code} %{redirect_url}' --unix-socket "$T/api.sock" "$1"; }
read -r code address <<<"$(get "http://ci/repos/runfs/workflows/actions/runs/$n/logs")"
equal 'leads on' 302 "$code"
equal 'good' '200' "$(get "$address" | xargs)"
is_refused() { [ "$(get "$address" | xargs)" = 403 ]; }
rf_wait 130 is_refused
file_has "$T/body" 'ask for it again'
