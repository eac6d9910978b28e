# Somebody has the page of the HTTP server open, and pages of other sites in the same browser (Chromium without a window) ask behind it:
# to read, to start runs by forms, to show it in a frame, by a name that is bound to this host anew; and what workflows say is no page.
# limit: 200
. "$(dirname "$0")/lib.sh"
need node
need chromium
need curl
rf_mount
echo host >"$M/config/labels/h"
printf 'on: workflow_dispatch\njobs: {a: {runs-on: h, steps: [{run: date}]}}\n' >"$T/w.yml"
rf_drop "$T/w.yml" >/dev/null
evil='<script>window.hacked=1</script><img src=x onerror=window.hacked=2>'
cat >"$T/hostile.yml" <<Y
name: '$evil'
run-name: '</text>$evil'
on: push
jobs:
  a:
    name: '"/><foreignObject>$evil'
    runs-on: h
    steps:
      - name: '<svg onload=window.hacked=3>'
        run: |
          echo '$evil'
          echo '::error title=$evil::$evil'
          echo '$evil' >page.html
      - {uses: actions/upload-artifact@v4, with: {name: things, path: page.html}}
  b: {name: '\${{ toJSON(github) }}', needs: a, runs-on: h, steps: [{run: date}]}
Y
n=$(rf_drop "$T/hostile.yml")
before=$(runs)
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
token=$("$RUNFS" token create --scope admin --name admin "$M")
api() { curl -sf -H "Authorization: Bearer $token" "$url/repos/runfs/workflows/actions/runs/$n/$1"; }
node "$here/tests/toolkit/strangers.mjs" "$url" "$token" "$n" "$(api jobs | jq '.jobs[0].id')" "$(api artifacts | jq '.artifacts[0].id')" >"$T/said" 2>"$T/err" || {
    cat "$T/err" >&2
    fail "it ended early, having said: $(cat "$T/said")"
}
equal 'what it found' 'what there is cannot be read, even with the token
nothing is asked for by forms and simple requests
the page is in no frame
a link leads to it
a name that is bound anew gets nothing
no answer is a page that runs something' "$(cat "$T/said")"
equal 'nothing ran' "$before" "$(runs)"
