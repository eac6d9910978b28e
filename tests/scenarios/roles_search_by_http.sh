# A program asks the HTTP server what a role finds.
. "$(dirname "$0")/lib.sh"
rf_mount
mkdir "$T/docs"
for i in 1 2 3; do printf '# Page %s\n\ncache cache\n' $i >"$T/docs/$i.md"; done
echo 'echo cache' >"$T/docs/run.sh"
for role in md sh; do
    printf '{"name": "Role %s", "relevance_function": "bm25", "haystacks": [{"location": "%s", "file_patterns": ["*.%s"]}]}' \
        "$role" "$T/docs" "$role" >"$M/roles/$role.json"
done
echo "$T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
ask() { curl -s --unix-socket "$T/api.sock" -w '\n%{http_code}\n' "$@"; }
url=http://ci/documents/search
post() { ask -d "$1" -H 'Content-Type: application/json' "$url"; }
brief() { jq -r 'select(type == "object") | "\(.status) \(.total) \([.results[].title] | join(","))"'; }
equal 'the selected role' 'success 3 Page 1,Page 2,Page 3' "$(post '{"query": "cache"}' | brief)"
equal 'another' 'success 1 run.sh' "$(post '{"query": "cache", "role": "Role sh"}' | brief)"
equal 'a page of them' 'success 3 Page 2' "$(post '{"query": "cache", "role": "Role md", "skip": 1, "limit": 1}' | brief)"
equal 'by GET' 'success 3 Page 3' "$(ask -G --data-urlencode 'query=cache' -d 'role=Role%20md&skip=2&limit=5' "$url" | brief)"
equal 'fields' 'body description id rank tags title url' \
    "$(post '{"query": "cache"}' | jq -r 'select(type == "object") | .results[0] | keys | join(" ")')"
equal 'their types' 'string number true' \
    "$(post '{"query": "cache"}' | jq -r 'select(type == "object") | .results[0] | "\(.id | type) \(.rank | type) \(.rank > 0 and .rank == (.rank | floor))"')"
equal 'as terraphim asks' 'success 3 Page 2' "$(post '{"search_term": "cache", "role": "Role md", "skip": 1, "limit": 1}' | brief)"
equal 'as terraphim asks by GET' 'success 1 run.sh' "$(ask -G -d 'search_term=cache&role=Role%20sh' "$url" | brief)"
equal 'hostile' 'success 0 ' "$(post '{"query": "\" OR NEAR( *"}' | brief)"
code() { tail -n 1; }
equal 'unknown role' 404 "$(post '{"query": "x", "role": "Nobody"}' | code)"
equal 'no query' 422 "$(post '{}' | code)"
equal 'no text' 422 "$(post '{"query": 5}' | code)"
many=$(printf 'cache* %.0s' {1..10000})
contains 'more words than anybody searches for' "$(post "{\"query\": \"$many\"}")" 'a query has at most 4096 bytes'
equal 'its answer' 422 "$(post "{\"query\": \"$many\"}" | code)"
equal 'as many as may be' 200 "$(post "{\"query\": \"${many:0:4096}\"}" | code)"
equal 'no number' 422 "$(post '{"query": "x", "limit": -1}' | code)"
equal 'no number by GET' 422 "$(ask "$url?query=x&skip=y" | code)"
equal 'no JSON' 4 "$(post '{' | code | cut -c1)"
