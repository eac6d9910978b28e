# A client that asks again says what it has, and is told that it is the same until it is not; what it asks wrongly is said in JSON, with
# what would be right; pages lead to each other; an artifact is had by its own repository only.
. "$(dirname "$0")/lib.sh"
need curl
rf_mount
echo host >"$M/config/labels/h"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: echo x >x}, {uses: actions/upload-artifact@v4, with: {name: things, path: x}}]}}\n' >"$T/w.yml"
for _ in 1 2 3 4 5; do rf_drop "$T/w.yml" >/dev/null; done
mkdir -p "$T/repo"
git_commit "$T/repo"
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
ln -s "$T/repo" "$M/repos/r"
echo "$T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
P=/repos/runfs/workflows
ask() { rm -f "$T/body" && curl -sS --unix-socket "$T/api.sock" "http://ci$1" -D "$T/head" -o "$T/body" -w '%{http_code}' "${@:2}"; }
header() { sed -n "s/^$1: //Ip" "$T/head" | tr -d '\r'; }

equal 'a list' 200 "$(ask $P/actions/runs)"
tag=$(header etag)
[ -n "$tag" ] || fail "it has no ETag: $(cat "$T/head")"
for known in "$tag" "W/$tag" "\"other\", $tag" "W/\"a,b\" , W/$tag" '*'; do
    equal "who has $known" 304 "$(ask $P/actions/runs -H "If-None-Match: $known")"
    equal 'gets nothing' '' "$(cat "$T/body" 2>/dev/null)"
    equal 'but its name' "$tag" "$(header etag)"
done
for known in '"other"' "${tag%?}" "x$tag" "${tag#?}" '"' ',,' 'W/'; do
    equal "who has $known" 200 "$(ask $P/actions/runs -H "If-None-Match: $known")"
done
equal 'HEAD' 200 "$(ask $P/actions/runs -I)"
equal 'names it, too' "$tag" "$(header etag)"
equal 'what is changed is not looked at so' 404 "$(ask $P/actions/runs/99/cancel -X POST -H "If-None-Match: *")"
rf_drop "$T/w.yml" >/dev/null
equal 'another run' 200 "$(ask $P/actions/runs -H "If-None-Match: $tag")"
lacks 'has another name' "$(header etag)" "$tag"

equal 'a path that is not' 404 "$(ask /nowhere)"
equal 'in JSON' 'Not Found 404' "$(jq -r '"\(.message) \(.status)"' "$T/body")"
equal 'a method that is not' 405 "$(ask $P/actions/runs/1 -X PUT)"
equal 'and those that are' 'GET, HEAD, DELETE' "$(header allow)"
equal 'of several' 405 "$(ask $P/actions/secrets/X -X PATCH)"
equal 'each once' 'GET, HEAD, PUT, DELETE' "$(header allow)"
equal 'a run that is not' 404 "$(ask $P/actions/runs/99)"
contains 'where to read' "$(jq -r .documentation_url "$T/body")" https://

equal 'the middle page' 200 "$(ask "$P/actions/runs?per_page=2&branch=&page=2&event=push%22%3E%0d")"
equal 'of nothing leads back' '<http://ci/repos/runfs/workflows/actions/runs?per_page=2&branch=&event=push%22%3E%0D&page=1>; rel="prev", <http://ci/repos/runfs/workflows/actions/runs?per_page=2&branch=&event=push%22%3E%0D&page=1>; rel="first"' "$(header link)"
equal 'the middle page' 200 "$(ask "$P/actions/runs?per_page=2&page=2")"
equal 'leads to all others' 'page=1 prev page=1 first page=3 next page=3 last' "$(header link | sed 's/<[^>]*&\(page=[0-9]*\)>; rel="\([a-z]*\)",\? \?/\1 \2 /g;s/ $//')"
equal 'artifacts of a name' 200 "$(ask "$P/actions/artifacts?name=things&per_page=4")"
equal 'by pages' '6 4' "$(jq -r '"\(.total_count) \(.artifacts | length)"' "$T/body")"
equal 'the newest first' 6 "$(jq '.artifacts[0].id' "$T/body")"
equal 'none of another name' 200 "$(ask "$P/actions/runs/1/artifacts?name=other")"
equal 'is none' 0 "$(jq .total_count "$T/body")"
equal 'an artifact' 200 "$(ask $P/actions/artifacts/1)"
equal 'is not another repository'"'"'s' 404 "$(ask /repos/o/r/actions/artifacts/1)"
equal 'nor its zip' 404 "$(ask /repos/o/r/actions/artifacts/1/zip)"
equal 'nor can it be deleted there' 404 "$(ask /repos/o/r/actions/artifacts/1 -X DELETE)"
equal 'it is still there' 302 "$(ask $P/actions/artifacts/1/zip)"
