# What a daemon tells those who watch it over time, in the mount and by HTTP alike, and the pictures of a run.
. "$(dirname "$0")/lib.sh"
need curl
rf_mount
echo host >"$M/config/labels/h"
echo "$T/api.sock" >"$M/config/listen"
cat >"$T/w.yml" <<'Y'
name: Build & "test"
run-name: A <script>alert(1)</script> & more
on: push
jobs:
  lint:
    runs-on: h
    steps: [{run: 'true'}]
  build:
    runs-on: h
    strategy: {matrix: {v: [1, 2, '<b>']}}
    steps: [{name: 'Make </svg><script>', run: sleep 0.2}, {run: 'true'}]
  test:
    needs: [lint, build]
    runs-on: h
    steps: [{run: 'exit 1'}]
  skipped: {needs: test, runs-on: h, steps: [{run: 'true'}]}
  call: {uses: ./.github/workflows/called.yml}
Y
printf 'on: workflow_call\njobs:\n  in: {runs-on: h, steps: [{run: "true"}]}\n' >"$T/called.yml"
cp "$T/called.yml" "$M/workflows/"
echo 1 >"$M/config/slots"
n=$(rf_drop "$T/w.yml")
file_is "$M/runs/$n/conclusion" failure

metric() { awk -v m="$1" 'index($0, m " ") == 1 { print $NF }' "$T/metrics"; }
check_metrics() {
    equal 'failed runs' 1 "$(metric 'runfs_runs_completed_total{conclusion="failure"}')"
    equal 'failed jobs' 1 "$(metric 'runfs_jobs_completed_total{conclusion="failure"}')"
    equal 'skipped jobs' 1 "$(metric 'runfs_jobs_completed_total{conclusion="skipped"}')"
    equal 'jobs that were timed' "$(metric 'runfs_job_duration_seconds_bucket{le="+Inf"}')" "$(metric runfs_job_duration_seconds_count)"
    equal 'nothing runs' 0 "$(metric runfs_jobs_running)"
    equal 'nothing waits' 0 "$(metric runfs_jobs_queued)"
    [ "$(metric runfs_store_commit_seconds_count)" -gt 10 ] || fail 'no commits'
    [ "$(metric 'runfs_machines{state="executing"}')" = 0 ] || fail 'a machine still executes'
    for request in lookup attributes list open read write close change; do
        [ "$(metric "runfs_mount_request_seconds_count{request=\"$request\"}")" -gt 0 ] || fail "no request: $request"
    done
    # every family has help and a type before its samples, and no series is there twice
    "$PYTHON" - "$T/metrics" <<'P'
import re, sys
seen, typed, last = set(), {}, {}
for line in open(sys.argv[1]):
    line = line.rstrip('\n')
    if line.startswith('# HELP '):
        continue
    if line.startswith('# TYPE '):
        _, _, name, kind = line.split(' ')
        assert kind in ('counter', 'gauge', 'histogram') and name not in typed, line
        typed[name] = kind
        continue
    label = r'[a-z]+="(?:[^"\\\n]|\\.)*"'
    m = re.fullmatch(r'([a-z_]+)(?:\{((?:%s,)*)(%s)\})? (\S+)' % (label, label), line)
    assert m, line
    assert line.rsplit(' ', 1)[0] not in seen, line
    seen.add(line.rsplit(' ', 1)[0])
    family = re.sub(r'_(bucket|sum|count)$', '', m[1]) if m[1] not in typed else m[1]
    assert family in typed, line
    if m[1].endswith('_bucket'):
        assert m[3].startswith('le='), line
        assert float(m[4]) >= last.get((family, m[2]), 0), line
        last[family, m[2]] = float(m[4])
    float(m[4])
P
    if command -v promtool >/dev/null; then promtool check metrics <"$T/metrics" || fail 'promtool refuses it'; fi
}
ls "$M/runs" >"$T/listed"
touch "$M/config/disabled/w.yml"
rm "$M/config/disabled/w.yml"
cat "$M/metrics" >"$T/metrics"
check_metrics
curl -sf --unix-socket "$T/api.sock" http://ci/metrics >"$T/metrics" || fail 'no /metrics'
check_metrics

for picture in timeline graph; do
    svg=$M/runs/$n/$picture.svg
    "$PYTHON" - "$svg" "$picture" <<'P'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
ns = '{http://www.w3.org/2000/svg}'
assert root.tag == ns + 'svg', root.tag
names = {e.tag for e in root.iter()}
assert ns + 'script' not in names and ns + 'b' not in names, names
assert not [a for e in root.iter() for a in e.attrib if a.startswith('on') or a.endswith('href')]
text = ' '.join(t for e in root.iter() for t in e.itertext())
for part in ['A <script>alert(1)</script> & more', 'lint', 'test', 'skipped', 'call']:
    assert part in text, part
if sys.argv[2] == 'timeline':
    assert 'build (<b>)' in text and 'Make </svg><script>' in text, text
    rows = [''.join(e.itertext()) for e in root.iter(ns + 'text') if e.get('x') == '28']
    assert rows == ['lint', 'build (1)', 'build (2)', 'build (<b>)', 'test', 'skipped', 'call', 'call / in'], rows
    # one slot: each build kept the next one from beginning, and the last one the test
    lines = {e.get('y') for e in root.iter() if e.get('class') == 'critical'}
    framed = [r for i, r in enumerate(rows) if any(abs(float(y) - (68 + 26 * i)) < 13 for y in lines)]
    assert {'build (1)', 'build (2)', 'build (<b>)', 'test'} <= set(framed) and 'skipped' not in framed, framed
else:
    assert '3 of 3, 0 failed' in text, text
    assert len([e for e in root.iter(ns + 'path')]) == 4 # test needs two, skipped one; call calls
P
    curl -sf --unix-socket "$T/api.sock" -D "$T/head" "http://ci/runs/$n/$picture.svg" | cmp - "$svg" || fail "another $picture.svg by HTTP"
    file_has "$T/head" "default-src 'none'"
    for none in 0 999 -1 x 18446744073709551615; do
        equal "a picture of run $none" 404 "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/api.sock" "http://ci/runs/$none/$picture.svg")"
    done
    [ "$(stat -c %s "$svg")" = "$(wc -c <"$svg")" ] || fail "the size of $picture.svg is wrong"
done

# What an attempt has from the one before took none of its time, and makes it no longer.
cat >"$T/again.yml" <<'Y'
on: push
jobs:
  one: {runs-on: h, steps: [{run: 'true'}]}
  two: {needs: one, runs-on: h, steps: [{run: 'test ${{ github.run_attempt }} = 2'}]}
Y
n=$(rf_drop "$T/again.yml")
echo rerun-failed >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" success
file_has "$M/runs/$n/timeline.svg" ', in an attempt before</text>'
equal 'framed' 1 "$(grep -o 'class="critical"' "$M/runs/$n/timeline.svg" | wc -l)"
