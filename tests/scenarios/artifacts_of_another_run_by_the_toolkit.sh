# The toolkit's artifact client takes home what another run left by the REST API, as actions/download-artifact does with a token and
# a run's number: it wants to be led on by a 302, to where no token is needed.
# limit: 300
. "$(dirname "$0")/lib.sh"
need node
need npm
MODULES=$("$here/tests/toolkit/install" 2>"$T/why") || skip "$(tail -n 1 "$T/why")"
export MODULES
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: h
    steps:
      - run: mkdir d; echo content >d/x
      - {uses: actions/upload-artifact@v4, with: {name: things, path: d}}
Y
run=$(rf_drop "$T/w.yml")
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
TOKEN=$("$RUNFS" token create --scope admin "$M")
GITHUB_API_URL=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
export TOKEN GITHUB_API_URL GITHUB_SERVER_URL=https://github.com
node "$here/tests/toolkit/artifact_of_a_run.mjs" runfs workflows "$run" "$T/home" >"$T/said" 2>"$T/err" || fail "$(cat "$T/said" "$T/err")"
equal 'what it did' 'listed things, downloaded content, whole, left 0' "$(tail -n 1 "$T/said")"
