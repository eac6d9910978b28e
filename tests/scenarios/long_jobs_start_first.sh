# Of jobs that could all start, those that took longest before start first, so that the run ends sooner; without a history they
# start as they stand.
# waits
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
echo 1 >"$M/config/slots"
cat >"$T/w.yml" <<Y
on: workflow_dispatch
jobs:
  short: {runs-on: h, steps: [{run: 'echo short >>$T/order'}]}
  middle: {runs-on: h, steps: [{run: 'echo middle >>$T/order; sleep 0.4'}]}
  unheard: {if: github.run_number > 1, runs-on: h, steps: [{run: 'echo unheard >>$T/order'}]}
  long: {runs-on: h, steps: [{run: 'echo long >>$T/order; sleep 0.9'}]}
  after: {needs: short, runs-on: h, steps: [{run: 'echo after >>$T/order'}]}
Y
rf_drop "$T/w.yml" >/dev/null
equal 'as they stand' 'short middle long after' "$(xargs <"$T/order")"
rm "$T/order"
echo >"$M/dispatch/w.yml"
ended "$(cat "$M/dispatch/w.yml")"
equal 'long ones first' 'long middle short after unheard' "$(xargs <"$T/order")"

# a run that has a long one does not push others back
cat >"$T/two.yml" <<Y
on: workflow_dispatch
jobs:
  first: {runs-on: h, steps: [{run: 'sleep 0.3; until [ -e $T/go ]; do sleep 0.02; done'}]}
  short: {runs-on: h, steps: [{run: 'echo short >>$T/order'}]}
  long: {needs: first, runs-on: h, steps: [{run: 'echo long >>$T/order; sleep 0.5'}]}
Y
printf 'on: workflow_dispatch\njobs: {a: {runs-on: h, steps: [{run: echo other >>%s/order}]}}\n' "$T" >"$T/other.yml"
touch "$T/go"
rf_drop "$T/two.yml" >/dev/null
rf_drop "$T/other.yml" >/dev/null
rm "$T/order" "$T/go"
echo >"$M/dispatch/two.yml"
n=$(cat "$M/dispatch/two.yml")
rf_wait 10 grep -qsx in_progress "$M/runs/$n/jobs/first/status"
echo >"$M/dispatch/other.yml"
other=$(cat "$M/dispatch/other.yml")
touch "$T/go"
ended "$n"
ended "$other"
equal 'each in its turn' 'long other short' "$(xargs <"$T/order")"
