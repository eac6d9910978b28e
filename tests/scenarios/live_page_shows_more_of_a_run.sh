# A person looks at a run in the page of the HTTP server (Chromium without a window): summaries of its steps, the graph whose boxes
# lead to the jobs, and what it was in former attempts.
# limit: 200
. "$(dirname "$0")/lib.sh"
need node
need chromium
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  first: {runs-on: h, steps: [{run: 'test ${{ github.run_attempt }} -gt 1 || echo this is the "first" attempt'}, {name: measure, run: 'echo "# Coverage <b>91 %</b>" >>"$GITHUB_STEP_SUMMARY"'}]}
  second: {needs: first, runs-on: h, steps: [{run: date}, {name: never, if: failure(), run: date}]}
Y
n=$(rf_drop "$T/w.yml")
echo rerun >"$M/runs/$n/ctl"
ended "$n"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: "echo FAIL src/app.test.js: expected 200, got 500; exit 1"}]}}\n' >"$T/f.yml"
rf_drop "$T/f.yml" >/dev/null
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
token=$("$RUNFS" token create --scope run --name driver "$M")
node "$here/tests/toolkit/page_more.mjs" "http://$(awk '/^listen: 127/ {print $2}' "$M/status")" "$token" "$n" >"$T/said" 2>"$T/err" || {
    cat "$T/err" >&2
    fail "it ended early, having said: $(cat "$T/said")"
}
equal 'what it found' 'summaries of steps are shown as text
a box of the graph leads to its job, which says why a step was skipped
former attempts are there, with their logs
a refusal that comes late takes no token away
knowledge can be read on a phone' "$(cat "$T/said")"
