# The HTTP server: off until config/listen names a place, by token on TCP, by file mode on a unix socket, never faster
# than config/rate_limit; every request stands in the log.
. "$(dirname "$0")/lib.sh"
need curl
rf_mount
file_is "$M/config/listen" off
lacks 'nobody listens' "$(cat "$M/status")" listen:
refused sh -c "echo everywhere >'$M/config/listen'"
file_has "$M/errors/config-listen" "'everywhere' is nothing to listen on"
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 grep -q "^listen: $T/api.sock" "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
code() { curl -s -o "$T/body" -w '%{http_code}' "$@"; }

# TCP: nothing without a token, whatever the path
equal 'without a token' 401 "$(code "$url/")"
equal 'without a token, a path that is not there' 401 "$(code "$url/none")"
equal 'a wrong one' 401 "$(code -H 'Authorization: token rfs_0000' "$url/")"
token=$("$RUNFS" token create --scope read --name reader "$M")
equal 'with it' 200 "$(code -H "Authorization: token $token" "$url/")"
equal 'as Bearer, below the prefix' 200 "$(code -H "Authorization: Bearer $token" "$url/api/v3/user")"
equal 'who it is' reader "$(jq -r .login "$T/body")"
equal 'what is no text' 404 "$(code -H "Authorization: token $token" "$url/users/%ff%fe")"
equal 'nor to be had without a token' 401 "$(code "$url/users/%ff%fe")"
equal 'what is not there' 404 "$(code -H "Authorization: token $token" "$url/none")"
equal 'another method' 405 "$(code -X DELETE -H "Authorization: token $token" "$url/user")"
equal 'through a proxy' 200 "$(code -x "$url" -H "Authorization: token $token" http://api.github.localhost/user)"
equal 'no other origin is let in' '' "$(curl -si -H "Authorization: token $token" -H 'Origin: http://evil' "$url/" | grep -i ^access-control || :)"
equal 'listed with its scope' "reader	read" "$("$RUNFS" token list "$M")"
if grep -rs "$token" "$STATE" "$M/tokens" "$M/log"; then fail 'the token itself is kept'; fi
refused sh -c "echo 'admin sha256:123' >'$M/tokens/forged'"
file_has "$M/errors/tokens-forged" 'runfs token create'
"$RUNFS" token revoke reader "$M"
equal 'revoked' 401 "$(code -H "Authorization: token $token" "$url/")"
exits 1 "$RUNFS" token revoke reader "$M"
exits 2 "$RUNFS" token create --scope all "$M"

# what the API says is html_url leads a browser to the page, which asks for the token itself
for at in /runs/7=/#/runs/7 /o/r/actions/runs/7=/#/runs/7 /o/r/actions/runs/7/job/9=/#/runs/7/9 /o/r/actions/workflows/3=/#/workflows/3; do
    equal "a browser at ${at%%=*}" "302 $url${at#*=}" "$(curl -s -o "$T/body" -w '%{http_code} %{redirect_url}' -H 'Accept: text/html,*/*' "$url${at%%=*}")"
    equal 'a program' 401 "$(code "$url${at%%=*}")"
done
equal 'no number' 404 "$(code -H 'Accept: text/html' "$url/runs/x")"

# the socket: its mode says who
equal 'mode of the socket' 600 "$(stat -c %a "$T/api.sock")"
equal 'without a token' 200 "$(code --unix-socket "$T/api.sock" http://ci.internal/user)"
if is_root; then
    chmod 711 "$T"
    refused setpriv --reuid=31337 --regid=31337 --clear-groups curl -s --unix-socket "$T/api.sock" http://ci.internal/user
fi

# the log has each, and no line that a peer writes
code --unix-socket "$T/api.sock" 'http://ci.internal/a%0A2026-01-01%20ERROR' >/dev/null
rf_wait 10 grep -q 'unix unix GET /a?2026-01-01?ERROR: 404' "$M/log"
grep -q '127.0.0.1 reader GET /user: 200' "$M/log" || fail 'a request is missing in the log'

# no address asks more than it may
echo 5 >"$M/config/rate_limit"
codes=$(code "$url/[1-200]" -w '%{http_code}\n' | sort -u | xargs)
equal 'beyond the limit' '401 429' "$codes"

# it moves while it lives, and says what is in its way
port=${url##*:}
"$RUNFS" mount --state "$T/other" "$T/mnt2"
mounts+=("$T/mnt2")
echo "$port" >"$T/mnt2/config/listen"
rf_wait 10 grep -q "listen: 127.0.0.1:$port: .*Address already in use" "$T/mnt2/status"
echo off >"$M/config/listen"
rf_wait 10 sh -c "! grep -q listen: '$M/status'"
refused curl -s "$url/"
[ ! -e "$T/api.sock" ] || fail 'the socket is left behind'
echo "127.0.0.1:$port" >"$T/mnt2/config/listen"
rf_wait 10 grep -qx "listen: 127.0.0.1:$port" "$T/mnt2/status"
