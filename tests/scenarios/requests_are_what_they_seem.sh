# Requests by HTTP that are to be taken for something else: two in one for a proxy that reads it another way, paths that climb, headers
# that end and begin in the middle of what a peer wrote, tokens that are guessed. Each is refused, and what it is after does not happen.
. "$(dirname "$0")/lib.sh"
need curl
rf_mount
mkdir "$T/out-of-the-way"
echo canary-in-the-mine | tee "$T/canary" >"$T/out-of-the-way/canary"
workflow "$T/w.yml" 'echo it ran'
sed -i 's/^on: push/on: workflow_dispatch/; s/ubuntu-latest/h/' "$T/w.yml"
echo host >"$M/config/labels/h"
rf_drop "$T/w.yml" >/dev/null
echo 100000 >"$M/config/rate_limit"
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
place=$(awk '/^listen: 127/ {print $2}' "$M/status")
url=http://$place
token=$("$RUNFS" token create --scope admin --name admin "$M")
auth="Authorization: Bearer $token"
code() { curl -s --path-as-is -o "$T/body" -D "$T/head" -w '%{http_code}' -H "$auth" "$@"; }
# printf's own escapes: what is sent as it is. Prints the codes of all answers, and `open` if the connection was not ended.
raw() {
    local fd
    exec {fd}<>"/dev/tcp/${place%:*}/${place#*:}"
    # shellcheck disable=SC2059
    printf "$@" >&"$fd" 2>/dev/null || :
    timeout 5 cat <&"$fd" >"$T/raw" 2>/dev/null && echo ended >>"$T/raw" || { [ $? != 124 ] || echo open >>"$T/raw"; }
    exec {fd}>&-
    grep -aoE 'HTTP/1.1 [0-9]+|open$' "$T/raw" | sed 's/.* //' | uniq | xargs
}
# WHAT CODES: refused, and the connection ended. The kernel may drop the answer where more was sent than is read.
no_more() { case $2 in '' | 400 | 413) ;; *) fail "$1 was answered with $2" ;; esac; }

say 'two requests in one'
post="POST /documents/search HTTP/1.1\r\nHost: ci\r\n$auth\r\n"
hidden="DELETE /repos/runfs/workflows/actions/variables/PRECIOUS HTTP/1.1\r\nHost: ci\r\n$auth\r\nConnection: close\r\n\r\n"
echo kept >"$M/vars/PRECIOUS"
chunks='2\r\n{}\r\n0\r\n\r\n'
while IFS='|' read -r what headers body; do
    no_more "$what" "$(raw "$post$headers\r\n\r\n$body$hidden")"
    file_is "$M/vars/PRECIOUS" kept
done <<X
a length and a coding|Content-Length: 4\r\nTransfer-Encoding: chunked|0\r\n\r\n
a coding and a length|Transfer-Encoding: chunked\r\nContent-Length: 4|$chunks
two lengths|Content-Length: 2\r\nContent-Length: 200|{}
one length twice|Content-Length: 2\r\nContent-Length: 2|{}
a list of lengths|Content-Length: 2, 2|{}
a length with a sign|Content-Length: +2|{}
a length below zero|Content-Length: -2|{}
a length in another base|Content-Length: 0x2|{}
two codings|Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked|$chunks
a coding that is not the last|Transfer-Encoding: chunked, identity|$chunks
a coding that nobody has|Transfer-Encoding: xchunked|$chunks
the coding of nothing, with a length|Transfer-Encoding: identity\r\nContent-Length: 2|{}
a blank before the colon|Transfer-Encoding : chunked|$chunks
a name with a blank|Content-Length: 2\r\nTransfer Encoding: chunked|{}
a value that goes on in the next line|X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 2|{}
a carriage return alone|Content-Length: 2\r\nX: a\rTransfer-Encoding: chunked|{}
chunks in another base|Transfer-Encoding: chunked|0x2\r\n{}\r\n0\r\n\r\n
chunks below zero|Transfer-Encoding: chunked|-2\r\n{}\r\n0\r\n\r\n
X
get="GET /user HTTP/1.1\r\n$auth\r\n"
no_more 'no host' "$(raw "$get\r\n$hidden")"
no_more 'two hosts' "$(raw "${get}Host: ci\r\nHost: other\r\n\r\n$hidden")"
no_more 'chunks of the version before' "$(raw "POST /documents/search HTTP/1.0\r\n$auth\r\nTransfer-Encoding: chunked\r\n\r\n$chunks$hidden")"
no_more 'a length beyond all numbers' "$(raw "${post}Content-Length: 99999999999999999999\r\n\r\n{}$hidden")"
equal 'a request in the body of another is that body' '413 open' "$(raw "${get}Host: ci\r\nContent-Length: %s\r\n\r\n$hidden" "$(printf "%b" "$hidden" | wc -c)")"
file_is "$M/vars/PRECIOUS" kept
equal 'one after the other, as they should be' '422 200' "$(raw "${post}Content-Length: 2\r\n\r\n{}${get}Host: ci\r\nConnection: close\r\n\r\n")"
equal 'by chunks' '422 200' "$(raw "${post}Transfer-Encoding: chunked\r\n\r\n$chunks${get}Host: ci\r\nConnection: close\r\n\r\n")"

say 'paths that climb'
up=../../../../../../../../../../..
for to in "$T/canary" "$T/out-of-the-way/canary" "$STATE/runfs.db" /etc/passwd; do
    for path in "/$up$to" "/${up//\//%2f}${to//\//%2f}" "/%2e%2e/%2e%2e$to" "/./..$to" "//$to" "/api/v3/$up$to" "$to%00.svg" \
        "/runs/$up$to" "/runs/..%2f..$to/graph.svg" "/jobs/$up$to/logs" "/artifacts/${up//\//%2f}${to//\//%2f}/zip" \
        "/repos/runfs/workflows/contents/$up$to" "/repos/runfs/workflows/contents/.github/workflows/$up$to" \
        "/repos/runfs/workflows/contents/.github/workflows/${up//\//%2f}${to//\//%2f}" "/repos/../..$to" "/repos/$up/.$to/actions/runs" \
        "/repos/runfs/workflows/actions/secrets/${up//\//%2f}${to//\//%2f}" "/repos/runfs/workflows/actions/variables/${up//\//%2f}${to//\//%2f}" \
        "/repos/runfs/workflows/actions/workflows/${up//\//%2f}${to//\//%2f}" "/repos/runfs/workflows/actions/artifacts/..%2f..%2f1/zip" \
        "/live/commands/${up//\//%2f}${to//\//%2f}" "/documents/search?query=canary&role=$up$to"; do
        got=$(code "$url$path")
        [[ $got = 40[04] ]] || fail "$path was answered with $got: $(head -c 300 "$T/body")"
        if grep -qaE 'canary-in-the-mine|root:.*:0:0|SQLite format' "$T/body"; then fail "$path reads a file of the host"; fi
    done
done
for name in "$up$T/evil" ..%2fevil /evil '' . .. 'a/b' $'a\nb'; do
    got=$(code -d "$(jq -n --arg n "$name" '{name: $n, value: "x"}')" "$url/repos/runfs/workflows/actions/variables")
    [[ $got = 4?? ]] || fail "a variable of the name '$name' was answered with $got"
    got=$(code -d '{"ref":"main"}' "$url/repos/runfs/workflows/actions/workflows/$(jq -rn --arg n "$name" '$n | @uri')/dispatches")
    [[ $got = 40[045] ]] || fail "a workflow of the name '$name' was answered with $got"
done
equal 'no file came of it' '' "$(find "$T" -xdev -name '*evil*')"
equal 'no run came of it' 1 "$(runs)"

say 'headers that begin in what a peer wrote'
crlf='%0d%0aX-Evil:%20yes%0d%0a%0d%0a<script>'
equal 'a second run' 204 "$(code -d '{"ref":"main"}' "$url/repos/runfs/workflows/actions/workflows/w.yml/dispatches")"
for path in "/$crlf" "/repos/runfs/workflows/actions/runs?per_page=1&x=$crlf" "/repos/runfs/workflows/actions/runs?per_page=1&x$crlf=1" \
    "/repos/runfs/workflows/contents/$crlf" "/documents/search?query=$crlf" "/repos/$crlf/x" "/api/v3/user?$crlf"; do
    code "$url$path" >/dev/null
    if grep -qi '^x-evil' "$T/head"; then fail "$path makes a header: $(cat "$T/head")"; fi
done
equal 'pages are told' 200 "$(code "$url/repos/runfs/workflows/actions/runs?per_page=1&x=$crlf")"
grep -qi '^link: .*x=%0D%0AX-Evil' "$T/head" || fail "the next page is not told: $(cat "$T/head")"
for host in 'evil"><script>' 'a b' 'ci/../..' 'x@evil' "$(printf 'x%.0s' {1..400})"; do
    code -H "Host: $host" "$url/repos/runfs/workflows/actions/runs?per_page=1" >/dev/null
    if grep -qF -- "$host" "$T/head" "$T/body"; then fail "the host '$host' stands in the answer"; fi
done
code -H 'X-Forwarded-Proto: javascript' "$url/repos/runfs/workflows/actions/runs?per_page=1" >/dev/null
if grep -qi javascript "$T/head" "$T/body"; then fail 'the protocol of a proxy stands in the answer'; fi
equal 'one line a request in the log' '' "$(grep -aE '^(X-Evil|<script>)' "$STATE/log" || :)"

say 'tokens that are guessed'
stored=$(cut -d' ' -f2 "$M/tokens/admin")
for guess in "Bearer $stored" "Bearer ${stored#sha256:}" 'Bearer admin' 'Bearer ' Bearer "Basic $(printf 'admin:%s' "$token" | base64 -w0)" "Bearer ${token%?}" \
    "Bearer ${token}0" "Bearer ${token^^}" "$token" 'Bearer *' "Bearer ' OR 1=1 --"; do
    equal "$guess" 401 "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: $guess" "$url/user")"
done
for query in "access_token=$token" "token=$token"; do
    equal 'in the address' 401 "$(curl -s -o /dev/null -w '%{http_code}' "$url/user?$query")"
done
echo 20 >"$M/config/rate_limit"
for i in $(seq 60); do printf '%surl = "%s/user"\nheader = "Authorization: Bearer rfs_%064d"\noutput = "/dev/null"\nwrite-out = "%%{http_code}\\n"\n' "$([ "$i" = 1 ] || printf 'next\n ')" "$url" "$i"; done >"$T/guesses"
curl -s -K "$T/guesses" | sort | uniq -c >"$T/guessed"
equal 'what guessing got' '401 429' "$(awk '{print $2}' "$T/guessed" | xargs)"
[ "$(awk '$2 == 401 { print $1 }' "$T/guessed")" -lt 60 ] || fail 'none was held back'
equal 'others are not held back by it' 200 "$(curl -s --interface 127.0.0.2 -o /dev/null -w '%{http_code}' -H "$auth" "$url/user")"
