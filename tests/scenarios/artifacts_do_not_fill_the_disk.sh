# All artifacts together have so much room and no more, what is on its way counted: beyond it an upload is refused with words that
# name the setting, and nothing that is kept goes for it. With room again, the same upload goes well.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need zip
rf_mount
echo host >"$M/config/labels/h"
for no in 0 -1 x 1.5 ''; do refused sh -c "echo '$no' >'$M/config/artifact_size_mib'"; done
echo 4 >"$M/config/artifact_size_mib"
full='all artifacts together may have 4 MiB, and with this one they would have more: config/artifact_size_mib says how many'
uploads() { # NAME SCRIPT: drops a job that uploads what the script leaves in x/
    printf 'on: push\njobs:\n  a:\n    runs-on: h\n    steps:\n      - run: mkdir x; cd x; %s\n' "$2" >"$T/$1.yml"
    printf '      - {uses: actions/upload-artifact@v4, with: {name: %s, path: x}}\n' "$1" >>"$T/$1.yml"
    rf_drop "$T/$1.yml"
}

say 'what fits is kept, and what does not is refused and leaves it be'
first=$(uploads first 'head -c 3M /dev/urandom >data')
file_is "$M/runs/$first/conclusion" success
n=$(uploads second 'head -c 2M /dev/urandom >data')
file_is "$M/runs/$n/conclusion" failure
file_has "$M/runs/$n/annotations" "$full"
equal 'the first is there' 3145728 "$(stat -c %s "$M/runs/$first/artifacts/first/data")"
equal 'nothing else is' 1 "$(find "$STATE/artifacts" -mindepth 1 -maxdepth 1 | wc -l)"

say 'a hole that is larger than the disk, or very many names, are no way around it'
n=$(uploads hole 'truncate -s 1T data')
file_has "$M/runs/$n/annotations" "$full"
n=$(uploads names 'seq 1 3000 | xargs mkdir')
file_is "$M/runs/$n/conclusion" success # directories that are empty are not uploaded
n=$(uploads names 'seq 1 3000 | xargs touch')
file_has "$M/runs/$n/annotations" "$full"

say 'with room again it goes well'
rmdir "$M/runs/$first"
n=$(uploads second 'head -c 2M /dev/urandom >data')
file_is "$M/runs/$n/conclusion" success

say 'a cache on its way has as much room as all caches'
echo 1 >"$M/config/cache_size_mib"
printf 'on: push\njobs:\n  a:\n    runs-on: h\n    steps:\n      - run: truncate -s 1T x\n      - {uses: actions/cache/save@v4, with: {key: k, path: x}}\n' >"$T/c.yml"
n=$(rf_drop "$T/c.yml")
file_has "$M/runs/$n/annotations" 'warning: all caches together may have 1 MiB, and those that are being saved would have more: config/cache_size_mib'
file_is "$M/runs/$n/conclusion" success
rf_umount

say 'actions that upload by themselves are told the same, while what is on its way counts'
coproc services { exec "$BUILD/tests/servers/results" "$STATE" 2>"$T/services.err"; }
children+=("$services_PID")
ask() { echo "$*" >&"${services[1]}" && head -n 1 <&"${services[0]}"; }
run=$(ask run)
ask open "$run" 77 refs/heads/x - 3600 >"$T/env"
token=$(jq -r .ACTIONS_RUNTIME_TOKEN "$T/env") url=$(jq -r .ACTIONS_RESULTS_URL "$T/env")
call() { # METHOD JSON: prints the status and the body
    curl -s -m 60 -w '%{http_code} ' -o "$T/body" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' --data "$2" \
        "${url}twirp/github.actions.results.api.v1.ArtifactService/$1" && cat "$T/body"
}
create() { call CreateArtifact "{\"workflow_run_backend_id\":\"$run\",\"name\":\"$1\",\"version\":4}" | tee "$T/created" | cut -d' ' -f2- | jq -r .signed_upload_url; }
finalize() { call FinalizeArtifact "{\"workflow_run_backend_id\":\"$run\",\"name\":\"$1\"}"; }
put() { curl -s -m 60 -o "$T/body" -w '%{http_code}' -X PUT -H 'x-ms-blob-type: BlockBlob' --data-binary "@$2" "$1"; }
head -c 1200000 /dev/urandom >"$T/data" && (cd "$T" && zip -q data.zip data)
a=$(create a) b=$(create b)
equal 'one is on its way' 201 "$(put "$a" "$T/data.zip")"
equal 'for the other is no room' 507 "$(put "$b" "$T/data.zip")"
contains 'why' "$(cat "$T/body")" "<Code>InsufficientStorage</Code><Message>$full</Message>"
contains 'the one is kept' "$(finalize a)" '200 {"ok":true'
head -c 30M /dev/zero >"$T/zeros" && (cd "$T" && zip -q bomb.zip zeros)
equal 'little is on its way' 201 "$(put "$b" "$T/bomb.zip")"
contains 'that would become much' "$(finalize b)" "412 {\"code\":\"failed_precondition\",\"msg\":\"$full"
equal 'half of it is nowhere' '' "$(find "$STATE/artifacts" -name 'incoming*')"
head -c 700000 /dev/urandom >"$T/data" && (cd "$T" && zip -q rest.zip data)
equal 'the rest' 201 "$(put "$b" "$T/rest.zip")"
contains 'the rest' "$(finalize b)" '200 {"ok":true'
