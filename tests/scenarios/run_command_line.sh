# runfs run: live log, exit codes, options, JSON, Ctrl-C.
. "$(dirname "$0")/lib.sh"
run() { "$RUNFS" run --state "$STATE" "$@"; }
workflow "$T/ok.yml" 'echo it works'
out=$(run "$T/ok.yml")
contains 'log' "$out" 'it works'
contains 'conclusion' "$out" 'ok.yml: success'
lacks 'no colours in a pipe' "$out" $'\033'
workflow "$T/seven.yml" 'exit 7'
code=0; run "$T/seven.yml" >/dev/null || code=$?
equal 'exit code' 7 $code
printf 'on: push\njobs: 3\n' >"$T/bad.yml"
code=0; run "$T/bad.yml" 2>"$T/err" || code=$?
equal 'a bad workflow' 65 $code
contains 'says where' "$(cat "$T/err")" "bad.yml (Line: 2, Col: 7): "
mkdir -p "$T/repo/.github/workflows"
printf 'on: {workflow_call: {inputs: {a: {type: string, required: true}, b: {type: string, required: true}}}}\njobs: {x: {runs-on: x, steps: [{run: x}]}}\n' \
    >"$T/repo/.github/workflows/called.yml"
printf 'on: push\njobs:\n  a:\n    uses: ./.github/workflows/called.yml\n' >"$T/caller.yml"
code=0; run --workspace "$T/repo" "$T/caller.yml" 2>"$T/err" || code=$?
equal 'a bad call of a good workflow' 65 $code
equal 'each complaint' "$T/caller.yml (Line: 4, Col: 11): Input a is required, but not provided while calling.
$T/caller.yml (Line: 4, Col: 11): Input b is required, but not provided while calling." "$(cat "$T/err")"
code=0; run 2>/dev/null || code=$?
equal 'usage' 2 $code
code=0; run "$T/nothing.yml" 2>/dev/null || code=$?
equal 'no such file' 2 $code
cat >"$T/o.yml" <<'Y'
on:
  push:
  workflow_dispatch: {inputs: {who: {type: string}}}
jobs:
  a:
    runs-on: odd
    steps: [{run: 'echo "${{ inputs.who }} ${{ vars.V }} $E ${{ github.actor }} ${{ github.repository }} ${{ secrets.S }}"'}]
  m:
    runs-on: odd
    strategy: {matrix: {k: [x, y]}}
    steps: [{run: 'echo combination ${{ matrix.k }}'}]
Y
out=$(run --event workflow_dispatch --input who=me --var V=v --env E=e --actor cat --repository o/r --secret S=hush-hush \
    --label odd=host --job a "$T/o.yml")
contains 'options' "$out" 'me v e cat o/r ***'
lacks 'only that job' "$out" combination
out=$(run --label '*=host' --job m --matrix k:y "$T/o.yml")
contains 'matrix' "$out" 'combination y'
lacks 'matrix' "$out" 'combination x'
run --json "$T/ok.yml" | "$PYTHON" -c '
import json, sys
lines = [json.loads(l) for l in sys.stdin]
assert lines[-1]["event"] == "result" and lines[-1]["result"]["conclusion"] == "success", lines[-1]
assert any(l["event"] == "step" and l["status"] == "completed" for l in lines)
assert "it works" in "".join(l.get("text", "") for l in lines)'
# why a whole job came to nothing is in no log
printf 'on: push\nconcurrency: g\njobs:\n  a: {runs-on: odd, concurrency: g, steps: [{run: echo}]}\n  b: {if: "fromJSON(vars.none)", runs-on: odd, steps: [{run: echo}]}\n' >"$T/never.yml"
code=0; out=$(run --label odd=host "$T/never.yml") || code=$?
equal 'jobs that never began' 1 $code
contains 'one of them' "$out" "==> a <==
##[error]Canceling since a deadlock was detected for concurrency group: 'g' between a top level workflow and 'a'"
contains 'the other' "$out" "==> b <==
##[error]Error when evaluating 'if' for job 'b'."
{ run --json --label odd=host "$T/never.yml" || true; } | "$PYTHON" -c '
import json, sys
said = [l for l in map(json.loads, sys.stdin) if l["event"] == "annotation"]
assert [(l["job"], l["level"]) for l in said] == [("", "warning"), ("a", "error"), ("b", "error")], said
assert "deadlock" in said[1]["message"], said'
workflow "$T/slow.yml" 'echo begun; exec sleep 60'
"$RUNFS" run --state "$STATE" "$T/slow.yml" >"$T/out" 2>&1 &
pid=$!
rf_wait 10 grep -q '^begun' "$T/out"
kill -INT $pid
code=0; wait $pid || code=$?
equal 'Ctrl-C' 130 $code
contains 'cancelled' "$(cat "$T/out")" 'slow.yml: cancelled'
"$PYTHON" - "$RUNFS" "$STATE" "$T/ok.yml" <<'P'
import os, pty, sys
out = b''
def read(fd):
    global out
    data = os.read(fd, 65536)
    out += data
    return data
status = pty.spawn([sys.argv[1], 'run', '--state', sys.argv[2], sys.argv[3]], read)
assert os.waitstatus_to_exitcode(status) == 0
assert b'it works' in out and b'\033[' in out, out
P
