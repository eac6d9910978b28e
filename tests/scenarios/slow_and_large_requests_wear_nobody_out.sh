# Peers that send a header or a body byte by byte over many connections, headers and bodies that are too large, and bodies that would
# fill the memory of the HTTP server: each has its end, and others are answered meanwhile.
# limit: 240
# waits
. "$(dirname "$0")/lib.sh"
need curl
need openssl
trap '' PIPE
ulimit -n "$(ulimit -Hn)"
rf_mount
echo open-sesame >"$M/config/webhook/secret"
echo 100000 >"$M/config/rate_limit"
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
place=$(awk '/^listen: 127/ {print $2}' "$M/status")
url=http://$place
token=$("$RUNFS" token create --scope read --name reader "$M")
auth="Authorization: Bearer $token"
code() { curl -s -m 20 -o "$T/body" -w '%{http_code}' -H "$auth" "$@"; }
connect() { exec {fd}<>"/dev/tcp/${place%:*}/${place#*:}"; } # sets $fd
# how many connections the daemon has to peers at 127.0.0.1
port_hex=$(printf '%04X' "${place#*:}")
connected() { awk -v p=":$port_hex" '$4 == "01" && substr($2, 9) == p { n++ } END { print n + 0 }' /proc/net/tcp; }

say 'headers and bodies that come byte by byte, over 300 connections'
slow=()
for i in $(seq 300); do
    connect
    if [ $((i % 2)) = 0 ]; then
        printf 'GET /user HTTP/1.1\r\nHost: ci\r\nX: ' >&"$fd" || :
    else
        printf 'POST /documents/search HTTP/1.1\r\nHost: ci\r\n%s\r\nContent-Length: 100000\r\n\r\n' "$auth" >&"$fd" || :
    fi
    slow+=("$fd")
done 2>/dev/null
half() { [ "$(connected)" -ge 200 ] && [ "$(connected)" -le 256 ]; } # the others were refused, once they were looked at
rf_wait 20 half
equal 'another address is answered' 200 "$(code --interface 127.0.0.2 "$url/user")"
equal 'so is the socket' 200 "$(code --unix-socket "$T/api.sock" http://ci/user)"
trickle() {
    for fd in "${slow[@]}"; do printf x >&"$fd"; done 2>/dev/null || :
    pause 0.5
    [ "$(connected)" = 0 ]
}
rf_wait 120 trickle
for fd in "${slow[@]}"; do exec {fd}>&-; done
equal 'afterwards the address is answered' 200 "$(code "$url/user")"

say 'what is too large'
equal 'a header' 431 "$(code -H "X: $(head -c 100000 /dev/zero | tr '\0' x)" "$url/user")"
equal 'many headers' 431 "$(for i in $(seq 5000); do echo "X$i: some words in it"; done | code -H @- "$url/user")"
equal 'an address' 414 "$(code -K - <<<"url = \"$url/$(head -c 100000 /dev/zero | tr '\0' x)\"")"
head -c 200000 /dev/zero >"$T/large"
equal 'a body' 413 "$(code --data-binary "@$T/large" "$url/documents/search")"
equal 'a body of unknown length' 413 "$(code -H 'Transfer-Encoding: chunked' --data-binary "@$T/large" "$url/documents/search")"
equal 'a body where there is to be none' 413 "$(code -X GET --data-binary "@$T/large" "$url/user")"

say 'bodies that would fill the memory'
held=()
for i in $(seq 3); do
    connect
    { printf 'POST /webhook HTTP/1.1\r\nHost: ci\r\nX-Hub-Signature-256: x\r\nX-GitHub-Event: push\r\nContent-Length: 25000000\r\n\r\n'; head -c 24000000 /dev/zero; } >&"$fd" || :
    held+=("$fd")
done 2>/dev/null
printf '{"zen": "%s"}' "$(head -c 20000000 /dev/zero | tr '\0' x)" >"$T/large"
echo '{"zen": "Anything added dilutes everything else."}' >"$T/small"
ping() { # FILE CODE [OPTION...]
    local file=$1 want=$2
    shift 2
    [ "$want" = "$(code -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac open-sesame "$T/$file" | awk '{print $NF}')" -H 'X-GitHub-Event: ping' \
        --data-binary "@$T/$file" "$@" "$url/webhook")" ]
}
rf_wait 20 ping large 503
ping small 200 || fail "a small one was answered with $(cat "$T/body")"
ping large 200 --interface 127.0.0.2 || fail "another address was answered with $(cat "$T/body")"
equal 'they are still held' 3 "$(connected)"
drip() { # what came at once does not pay for what comes slowly
    for fd in "${held[@]}"; do printf x >&"$fd"; done 2>/dev/null || :
    pause 0.5
    [ "$(connected)" = 0 ]
}
rf_wait 120 drip
for fd in "${held[@]}"; do exec {fd}>&-; done
rf_wait 20 ping large 200
