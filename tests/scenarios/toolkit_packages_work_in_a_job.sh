# limit: 600
# GitHub's own @actions/artifact and @actions/cache, from npm, in an action of the repository: what they upload the next job and
# the built-in actions download, what they save the next run restores. Both versions of the cache service.
. "$(dirname "$0")/lib.sh"
need node
need npm
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "these packages need Node.js 20, and this is $(node --version)"
need git
bundle=$("$here/tests/toolkit/bundle" 2>"$T/why") || skip "$(tail -n 1 "$T/why")"
rf_mount
need_sandbox
R=$T/repo
mkdir -p "$R/.github/workflows" "$R/toolkit"
cp "$bundle" "$R/toolkit/main.mjs"
cat >"$R/toolkit/action.yml" <<'E'
name: toolkit
description: speaks to the services
inputs:
  do: {description: what, required: true}
  key: {description: of a cache, default: toolkit-1}
  version: {description: of the cache service, default: "2"}
runs: {using: node20, main: main.mjs}
E
cat >"$R/.github/workflows/ci.yml" <<'E'
on:
  workflow_dispatch:
    inputs: {key: {default: toolkit-1}, version: {default: "2"}}
jobs:
  make:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          mkdir -p dist/sub deps; echo hello > dist/a.txt; head -c 3000000 /dev/urandom > dist/sub/b.bin; echo '<p>' > dist/report.html
          echo "kept by $GITHUB_RUN_ID" > deps/kept
          echo "token in a script: [${ACTIONS_RUNTIME_TOKEN-}]"
      - uses: ./toolkit
        with: {do: upload}
      - uses: actions/upload-artifact@v4
        with: {name: built in, path: dist/a.txt}
  use:
    needs: make
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./toolkit
        with: {do: download}
      - run: cat 'got/from toolkit/a.txt' 'got/built in/a.txt' got/report.html/report.html; wc -c < 'got/from toolkit/sub/b.bin'
      - uses: actions/download-artifact@v4
        with: {name: from toolkit, path: by-built-in}
      - run: cmp 'got/from toolkit/sub/b.bin' by-built-in/sub/b.bin && echo same
  cache:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./toolkit
        with: {do: restore, key: "${{ inputs.key }}", version: "${{ inputs.version }}"}
      - run: cat deps/kept || { mkdir deps; echo "by $GITHUB_RUN_NUMBER" > deps/kept; }
      - uses: ./toolkit
        with: {do: save, key: "${{ inputs.key }}", version: "${{ inputs.version }}"}
E
git -C "$R" init -qb main
git -C "$R" add -A
git -C "$R" -c user.name=t -c user.email=t@t commit -qm all
ln -s "$R" "$M/repos/r"
dispatch() { # LINE...: runs it and prints its number
    printf '%s\n' "$@" >"$M/dispatch/r/ci.yml"
    local n
    n=$(cat "$M/dispatch/r/ci.yml")
    ended "$n"
    file_is "$M/runs/$n/conclusion" success
    echo "$n"
}
n=$(dispatch key=toolkit-1)
log=$(cat "$M/runs/$n/jobs/make/log")
contains 'upload' "$log" 'uploaded: true'
contains 'a name is taken once' "$log" 'again: Failed to CreateArtifact: Received non-retryable error: Failed request: (409) Conflict: an artifact with this name already exists on the workflow run'
contains 'delete' "$log" 'deleted: true'
contains 'scripts have no token' "$log" 'token in a script: []'
equal 'in the mount' 'built in
from toolkit
report.html' "$(ls "$M/runs/$n/artifacts")"
equal 'retention' 3 "$(jq -r '.[] | select(.name == "from toolkit") | (.expires_at[:19] + "Z" | fromdate) - (.created_at[:19] + "Z" | fromdate) | . / 86400 | round' "$M/runs/$n/artifacts.json")"
log=$(cat "$M/runs/$n/jobs/use/log")
contains 'list' "$log" 'listed: built in, from toolkit, report.html'
for name in 'from toolkit' report.html 'built in'; do contains 'digests' "$log" "$name is as it was: true"; done
contains 'absent' "$log" 'absent: Artifact not found for name: absent'
equal 'content' 'hello
hello
<p>
3000000' "$(step_out "$n" use 03)"
equal 'the same by the built-in action' same "$(step_out "$n" use 05)"
lacks 'the token is masked' "$(cat "$M/runs/$n/log")" 'eyJhbGciOi'
log=$(cat "$M/runs/$n/jobs/cache/log")
contains 'a miss' "$log" 'restored: undefined'
contains 'saved' "$log" 'saved: true'
equal 'in the mount' toolkit-1 "$(ls "$M/cache")"
log=$(cat "$M/runs/$(dispatch key=toolkit-1)/jobs/cache/log")
contains 'version 2' "$log" 'Cache hit for: toolkit-1'
contains 'a hit' "$log" 'restored: toolkit-1'
contains 'its content' "$log" 'by 1'
contains 'saved once' "$log" 'saved: false'
log=$(cat "$M/runs/$(dispatch key=toolkit-2 version=1)/jobs/cache/log")
lacks 'version 1' "$log" 'Cache hit for' # which only version 2 says
contains 'version 1: by a restore key' "$log" 'restored: toolkit-1'
contains 'version 1: saved' "$log" 'saved: true'
log=$(cat "$M/runs/$(dispatch key=toolkit-2)/jobs/cache/log")
contains 'version 2 finds what version 1 saved' "$log" 'restored: toolkit-2'
[ -z "$(ls -A "$STATE/uploads")" ] || fail 'uploads are left'
