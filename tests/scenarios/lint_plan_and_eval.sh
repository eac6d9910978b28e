# The checking commands: GitHub's words, exit codes, help.
. "$(dirname "$0")/lib.sh"
workflow "$T/ok.yml" 'echo'
"$RUNFS" lint "$T/ok.yml"
printf 'on: push\njobs:\n  a:\n    steps:\n      - run: echo\n' >"$T/bad.yml"
code=0; out=$("$RUNFS" lint "$T/ok.yml" "$T/bad.yml") || code=$?
equal 'lint' 1 $code
equal 'lint says' "$T/bad.yml (Line: 4, Col: 5): Required property is missing: runs-on" "$out"
printf 'on:\n  push:\n    paths: [src]\n    paths-ignore: [docs]\n  schedule:\n    - {cron: 0 0 * * *, timezone: Atlantis/Capital}\n' >"$T/doubtful.yml"
grep -v '^on:' "$T/ok.yml" >>"$T/doubtful.yml"
equal 'warnings are no errors' '' "$("$RUNFS" lint "$T/doubtful.yml" 2>"$T/warnings")"
contains 'filters that exclude each other' "$(cat "$T/warnings")" "$T/doubtful.yml (Line: 4, Col: 5): you may only define one of \`paths\` and \`paths-ignore\` for a single event"
contains 'a time zone that is none' "$(cat "$T/warnings")" "$T/doubtful.yml (Line: 6, Col: 35): there is no time zone 'Atlantis/Capital' here"
printf 'on: push\nconcurrency: {group: Deploy}\njobs:\n  a: {runs-on: x, concurrency: deploy, steps: [{run: x}]}\n  b: {runs-on: x, concurrency: other, steps: [{run: x}]}\n  c: {runs-on: x, concurrency: "${{ github.ref }}", steps: [{run: x}]}\n' >"$T/group.yml"
equal 'a job that waits for its own workflow' "$T/group.yml (Line: 4, Col: 32): the workflow itself holds the concurrency group 'deploy': job 'a' never gets it" \
    "$("$RUNFS" lint "$T/group.yml" 2>&1 | sed "s|^runfs lint: warning: ||")"
printf 'on:\n  push:\n    branches: ["!main"]\n    paths: [src/**, "!src/doc"]\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n' >"$T/away.yml"
equal 'a filter that lets nothing in' "$T/away.yml (Line: 3, Col: 5): all of \`branches\` begin with '!', so that they let nothing in: use \`branches-ignore\`" \
    "$("$RUNFS" lint "$T/away.yml" 2>&1 | sed "s|^runfs lint: warning: ||")"
printf 'name: Report\non:\n  workflow_run: {workflows: [Build, Report], types: completed}\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n' >"$T/self.yml"
equal 'runs that would start themselves' "$T/self.yml (Line: 3, Col: 37): Workflow 'Report' cannot listen to itself." "$("$RUNFS" lint "$T/self.yml")"
sed -i 's/, Report//' "$T/self.yml"
exits 0 "$RUNFS" lint "$T/self.yml"
code=0; "$RUNFS" lint "$T/none.yml" 2>/dev/null || code=$?
equal 'lint of nothing' 2 $code
out=$("$RUNFS" plan "$T/ok.yml")
contains 'plan' "$out" 'a'
"$RUNFS" plan --json "$T/ok.yml" | "$PYTHON" -c 'import json,sys; p = json.load(sys.stdin); assert p["triggered"] and p["jobs"][0]["id"] == "a"'
code=0; "$RUNFS" plan --event issues "$T/ok.yml" >/dev/null || code=$?
equal 'nothing would run' 1 $code
equal 'eval' '{"kind":"Number","value":3}' "$("$RUNFS" eval --contexts '{"a": {"b": 3}}' 'a.b')"
code=0; out=$("$RUNFS" eval '1 +') || code=$?
equal 'eval in error' 1 $code
contains 'eval says' "$out" '"kind":"lexing"'
equal 'batch' 2 "$(printf '{"expr":"1"}\n{"expr":"github.x","contexts":{"github":{"x":[]}}}\n' | "$RUNFS" eval --batch | wc -l)"
for c in mount umount run lint plan eval doctor; do contains "$c -h" "$("$RUNFS" $c -h)" "usage: runfs $c"; done
code=0; "$RUNFS" frobnicate 2>/dev/null || code=$?
equal 'no such subcommand' 2 $code

# the file of an action is checked as one, wherever it lies but among workflows
mkdir -p "$T/act" "$T/among/.github/workflows"
printf 'name: a\ndescription: d\nruns: {using: composite, steps: [{run: echo, shell: sh}]}\n' >"$T/act/action.yml"
exits 0 "$RUNFS" lint "$T/act/action.yml"
cp "$T/act/action.yml" "$T/among/.github/workflows/"
exits 1 "$RUNFS" lint "$T/among/.github/workflows/action.yml"
contains 'a workflow' "$(cat "$T/out")" "Unexpected value 'runs'"
sed -i 's/, shell: sh//' "$T/act/action.yml"
exits 1 "$RUNFS" lint "$T/act/action.yml"
contains 'where' "$(cat "$T/out")" "$T/act/action.yml (Line: 3, Col: 34): Required property is missing: shell"
