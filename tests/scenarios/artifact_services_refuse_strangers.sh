# limit: 400
# The services that actions speak to, spoken to by hand: what a token opens and what it does not, addresses that expire, blocks in
# any order, ranges, and what a hostile peer cannot do. 60 MB go through in constant memory.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need zip
coproc services { exec "$BUILD/tests/servers/results" "$STATE" 2>"$T/services.err"; }
children+=("$services_PID")
ask() { # LINE: what the services answer
    local answer
    echo "$*" >&"${services[1]}"
    read -r answer <&"${services[0]}"
    echo "$answer"
}
equal 'a run' 1 "$(ask run)"
equal 'another' 2 "$(ask run)"
open_job() { ask open "$@" >"$T/env"; token=$(jq -r .ACTIONS_RUNTIME_TOKEN "$T/env") url=$(jq -r .ACTIONS_RESULTS_URL "$T/env"); }
open_job 1 11 refs/heads/topic - 3600 && mine=$token
open_job 2 22 refs/heads/other - 3600 && theirs=$token
open_job 1 12 refs/pull/5/merge refs/heads/topic 3600 && pull=$token
case $url in http://127.0.0.1:*/) ;; *) fail "not on loopback: $url" ;; esac
call() { # TOKEN SERVICE/METHOD JSON: prints the status and the body
    curl -s -m 60 -w '%{http_code} ' -o "$T/body" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' --data "$3" \
        "${url}twirp/github.actions.results.api.v1.$2" && cat "$T/body"
}
create() { call "$1" ArtifactService/CreateArtifact "{\"workflow_run_backend_id\":\"$2\",\"workflow_job_run_backend_id\":\"11\",\"name\":\"$3\",\"version\":4}"; }
finalize() { call "$1" ArtifactService/FinalizeArtifact "{\"workflow_run_backend_id\":\"$2\",\"name\":\"$3\",\"size\":\"$4\"}"; }
address() { call "$1" ArtifactService/GetSignedArtifactURL "{\"workflow_run_backend_id\":\"$2\",\"name\":\"$3\"}"; }
put() { curl -s -m 60 -o /dev/null -w '%{http_code}' -X PUT -H 'x-ms-blob-type: BlockBlob' --data-binary "$2" "$1"; } # URL DATA
status_of() { curl -s -m 60 -o "$T/body" -w '%{http_code}' "$@"; }

# ---- what a token opens
equal 'no token' 401 "$(status_of -X POST -d '{}' "${url}twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts")"
for bad in nonsense "${mine%?}x" "$(printf '{"alg":"none","typ":"JWT"}' | base64 -w0 | tr -d =).$(cut -d. -f2 <<<"$mine")." "$(cut -d. -f1 <<<"$mine").$(cut -d. -f2 <<<"$theirs").$(cut -d. -f3 <<<"$mine")"; do
    contains "token $bad" "$(create "$bad" 1 x)" '401 {"code":"unauthenticated"'
done
claims=$(cut -d. -f2 <<<"$mine" | tr '_-' '/+' | { cat; echo ==; } | base64 -d 2>/dev/null || :)
equal 'its claims' 'Actions.Results:1:11' "$(jq -r .scp <<<"$claims")"
contains 'of another run' "$(create "$mine" 2 x)" '403 {"code":"permission_denied"'
contains 'a bad name' "$(create "$mine" 1 'a/b')" '400 {"code":"invalid_argument","msg":"The artifact name is not valid: a/b.'
contains 'no JSON' "$(call "$mine" ArtifactService/ListArtifacts 'x')" '400 {"code":"invalid_argument"'

# ---- blocks, in any order, and then the list
mkdir -p "$T/in/sub" && head -c 1000000 /dev/urandom >"$T/in/data" && echo hi >"$T/in/sub/f" && (cd "$T/in" && zip -qr "$T/a.zip" .)
size=$(stat -c %s "$T/a.zip")
upload=$(create "$mine" 1 blocks | cut -d' ' -f2- | jq -r .signed_upload_url)
split -b 300000 -d "$T/a.zip" "$T/part-"
for i in 03 01 00 02; do equal "block $i" 201 "$(put "$upload&comp=block&blockid=$(printf %s "$i" | base64)" "@$T/part-$i")"; done
ids=$(for i in 00 01 02 03; do printf '<Latest>%s</Latest>' "$(printf %s "$i" | base64)"; done)
contains 'too early' "$(finalize "$mine" 1 blocks "$size")" '400 {"code":"invalid_argument","msg":"nothing was uploaded"'
equal 'an unknown block' 400 "$(put "$upload&comp=blocklist" '<BlockList><Latest>eHg=</Latest></BlockList>')"
equal 'no list' 400 "$(put "$upload&comp=blocklist" '<BlockList><!ENTITY x></BlockList>')"
equal 'the list' 201 "$(put "$upload&comp=blocklist" "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>$ids</BlockList>")"
contains 'another size' "$(finalize "$mine" 1 blocks 5)" '400 {"code":"invalid_argument"'
contains 'another digest' "$(call "$mine" ArtifactService/FinalizeArtifact "{\"workflow_run_backend_id\":\"1\",\"name\":\"blocks\",\"size\":\"$size\",\"hash\":\"sha256:00\"}")" '400'
contains 'another run cannot' "$(finalize "$theirs" 2 blocks "$size")" '404'
contains 'finalize' "$(finalize "$mine" 1 blocks "$size")" '200 {"ok":true,"artifact_id":"1"}'
contains 'twice' "$(finalize "$mine" 1 blocks "$size")" '404'
equal 'it is a tree' 'data sub' "$(ls "$STATE/artifacts/1/1/tree" | paste -sd' ')"
cmp "$T/in/data" "$STATE/artifacts/1/1/tree/data"
contains 'taken' "$(create "$mine" 1 blocks)" '409 {"code":"already_exists"'

# ---- who may read it, how, and for how long
contains 'another job of the run' "$(address "$pull" 1 blocks)" '200'
contains 'another run' "$(address "$theirs" 2 blocks)" '404'
get=$(address "$mine" 1 blocks | cut -d' ' -f2- | jq -r .signed_url)
equal 'download' 200 "$(status_of "$get")"
cp "$T/body" "$T/got.zip"
unzip -qq -d "$T/out" "$T/got.zip" && diff -r "$T/in" "$T/out"
equal 'digest' "sha256:$(sha256sum "$T/got.zip" | cut -d' ' -f1)" "$(call "$mine" ArtifactService/ListArtifacts '{"name_filter":"blocks"}' | cut -d' ' -f2- | jq -r '.artifacts[0].digest')"
equal 'a range' 206 "$(status_of -H 'Range: bytes=1000-1999' "$get")"
cmp "$T/body" <(dd if="$T/got.zip" bs=1000 skip=1 count=1 status=none)
equal 'the end, as Azure asks' 206 "$(status_of -H 'x-ms-range: bytes=-10' "$get")"
cmp "$T/body" <(tail -c 10 "$T/got.zip")
equal 'beyond' 416 "$(status_of -H 'Range: bytes=99999999-' "$get")"
curl -s -m 60 -I "$get" | tr -d '\r' >"$T/head"
contains 'HEAD' "$(cat "$T/head")" "Content-Length: $(stat -c %s "$T/got.zip")"
equal 'another verb' 403 "$(put "${get/artifacts\/1.zip/uploads/1}" x)"
equal 'another artifact' 403 "$(status_of "${get/artifacts\/1/artifacts/2}")"
equal 'a longer life' 403 "$(status_of "$(sed 's/se=[0-9]*/se=99999999999/' <<<"$get")")"
equal 'another job' 403 "$(status_of "${get/job=11/job=22}")"
equal 'no signature' 403 "$(status_of "${get%sig=*}")"
open_job 1 13 refs/heads/topic - 1 && short=$token
rf_wait 10 sh -c "! curl -s -f -m 5 -X POST -H 'Authorization: Bearer $short' -d '{}' '${url}twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts'"
contains 'an expired token' "$(create "$short" 1 late)" 401
equal 'its addresses end with the job' closed "$(ask close 11)"
equal 'download after the job' 403 "$(status_of "$get")"
contains 'the token after the job' "$(create "$mine" 1 late)" 401
open_job 1 11 refs/heads/topic - 3600 && mine=$token

# ---- caches: in scope, immutable, in order
reserve() { call "$1" CacheService/CreateCacheEntry "{\"key\":\"$2\",\"version\":\"v\"}"; }
cached() { call "$1" CacheService/GetCacheEntryDownloadURL "{\"key\":\"$2\",\"restore_keys\":[\"k-\"],\"version\":\"v\"}"; }
upload=$(reserve "$mine" k-1 | cut -d' ' -f2- | jq -r .signed_upload_url)
contains 'reserved' "$(reserve "$mine" k-1)" '409 {"code":"already_exists"'
equal 'put at once' 201 "$(put "$upload" content)"
contains 'finalize' "$(call "$mine" CacheService/FinalizeCacheEntryUpload '{"key":"k-1","version":"v","size_bytes":"7"}')" '200 {"ok":true,"entry_id":"1"}'
equal 'no more' 404 "$(put "$upload" changed)"
contains 'a hit' "$(cached "$mine" k-1)" '"matched_key":"k-1"'
equal 'its content' content "$(curl -s -m 60 "$(cached "$mine" k-1 | cut -d' ' -f2- | jq -r .signed_download_url)")"
contains 'a pull request sees its base' "$(cached "$pull" k-9)" '"matched_key":"k-1"'
contains 'another branch does not' "$(cached "$theirs" k-1)" '200 {"ok":false}'
listed() { curl -s -m 60 -H "Authorization: Bearer $1" "${url}_apis/artifactcache/caches?key=k" | jq -c '[.artifactCaches[].cacheKey]'; }
equal 'a list, by version 1' '["k-1"]' "$(listed "$mine")"
open_job 1 14 refs/heads/topic - 3600 write-only
equal 'of what a job may not read there is no list' '[]' "$(listed "$token")"
contains 'nor a hit' "$(cached "$token" k-1)" '200 {"ok":false}'
part() { # RANGE DATA: a part of the reservation in $id
    status_of -X PATCH -H "Authorization: Bearer $mine" -H "Content-Range: bytes $1/*" --data-binary "$2" "${url}_apis/artifactcache/caches/$id"
}
id=$(curl -s -m 60 -H "Authorization: Bearer $mine" --data '{"key":"far","version":"v"}' "${url}_apis/artifactcache/caches" | jq .cacheId)
equal 'a part' 204 "$(part 0-3 abcd)"
equal 'one that nobody could keep' 400 "$(part 68719476734-68719476737 abcd)"
equal 'nor anybody has' 400 "$(part 4000000000000000000-4000000000000000003 abcd)"
contains 'a key with a comma' "$(reserve "$mine" 'a,b')" '400 {"code":"invalid_argument","msg":"Key Validation Error: a,b cannot contain commas."'

# ---- peers that behave badly
equal 'no such path' 404 "$(status_of "${url}etc/passwd")"
equal 'no way up' 404 "$(status_of --path-as-is "${url}runfs/caches/../../../etc/passwd")"
equal 'another method' 405 "$(status_of -X DELETE "${url}_apis/artifactcache/caches")"
head -c 70000 /dev/zero | tr '\0' x >"$T/long"
equal 'a large call' 413 "$(status_of -X POST -H "Authorization: Bearer $mine" --data-binary "@$T/long" "${url}twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts")"
case $(status_of -H "X-Long: $(head -c 100000 /dev/zero | tr '\0' x)" "$url" || :) in 4?? | 000) ;; *) fail 'a header of 100 kB was taken' ;; esac
upload=$(reserve "$mine" half | cut -d' ' -f2- | jq -r .signed_upload_url)
host=${url#http://} && host=${host%/}
exec 7<>"/dev/tcp/${host/://}" # says that a block comes, sends a part of it, and goes away
printf 'PUT %s&comp=block&blockid=MQ== HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf' "/${upload#http://*/}" >&7
exec 7>&- 7<&-
equal 'half a block is none' 400 "$(put "$upload&comp=blocklist" '<BlockList><Latest>MQ==</Latest></BlockList>')"
equal 'still there' 200 "$(status_of -X POST -H "Authorization: Bearer $mine" -d '{}' "${url}twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts")"
equal 'its reservation goes with the job' closed "$(ask close 11)"
open_job 1 11 refs/heads/topic - 3600 && mine=$token
contains 'so the key is free again' "$(reserve "$mine" half)" '200'

# ---- 60 MB up and down
before=$(ask memory)
head -c 60000000 /dev/urandom >"$T/in/data" && (cd "$T/in" && zip -q0r "$T/big.zip" .)
upload=$(create "$mine" 1 big | cut -d' ' -f2- | jq -r .signed_upload_url)
equal 'put' 201 "$(curl -s -m 200 -o /dev/null -w '%{http_code}' -T "$T/big.zip" -H 'x-ms-blob-type: BlockBlob' "$upload")"
contains 'finalize' "$(finalize "$mine" 1 big "$(stat -c %s "$T/big.zip")")" '200 {"ok":true'
get=$(address "$mine" 1 big | cut -d' ' -f2- | jq -r .signed_url)
equal 'the same comes back' "$(sha256sum <"$T/in/data")" "$(curl -s -m 200 "$get" | { cat >"$T/down.zip"; unzip -p "$T/down.zip" data; } | sha256sum)"
for i in 1 2 3 4; do curl -s -m 60 "$get" 2>/dev/null | head -c "${i}00000" >/dev/null || :; done # readers that go away
equal 'still there' 200 "$(status_of -r 0-9 "$get" | sed s/206/200/)"
grown=$(($(ask memory) - before))
say "memory grew by $grown KiB at its peak"
[ "$grown" -lt $((${SAN_MEMORY:-0} + 20000)) ] || [ "${BUILD%-*san}" != "$BUILD" ] || fail "60 MB made the process grow by $grown KiB"
pid=$services_PID
eval "exec ${services[1]}>&-"
rf_wait 60 gone "$pid"
grep -v ' info ' "$T/services.err" >"$T/said" && fail "the services said: $(cat "$T/said")" || :
[ -z "$(ls -A "$STATE/uploads")" ] || fail 'uploads are left'
