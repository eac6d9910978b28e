# Whatever a workflow calls its jobs and steps: the zip of their logs has no name that leads out of where it is unpacked.
. "$(dirname "$0")/lib.sh"
need curl
rf_mount
echo host >"$M/config/labels/h"
echo "$T/api.sock" >"$M/config/listen"
cat >"$T/ci.yml" <<'Y'
on: push
jobs:
  a: {runs-on: h, name: ".\\./.\\./one", steps: [{run: echo}]}
  b: {runs-on: h, name: "two/.\x01./.\x01./two", steps: [{name: .., run: echo}]}
  c: {runs-on: h, name: "\\/three", steps: [{name: ../three, run: echo}]}
  d: {runs-on: h, name: "/four/../four", steps: [{name: /four, run: echo}]}
  e: {runs-on: h, name: five / five, steps: [{name: five, run: echo}]}
Y
n=$(rf_drop "$T/ci.yml")
rf_wait 10 test -S "$T/api.sock"
for agent in 'GitHub CLI 2.23' curl; do
    curl -sfL --unix-socket "$T/api.sock" -A "$agent" "http://x/repos/runfs/workflows/actions/runs/$n/logs" -o "$T/logs.zip"
    "$PYTHON" - "$T/logs.zip" <<'P' >"$T/names"
import sys, zipfile
print(*zipfile.ZipFile(sys.argv[1]).namelist(), sep='\n')
P
    for job in one two three four five; do grep -q "$job" "$T/names" || fail "$agent: $job is not in it"; done
    if grep -E '^/|\\|(^|/)\.\.(/|$)' "$T/names"; then fail "$agent: a name leads out"; fi
done
