# What is no payload is refused by the write or the close, starts nothing, and errors/ has line and column.
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/ci.yml" <<'Y'
on: {push: , repository_dispatch: {types: [go]}, workflow_dispatch: {inputs: {n: {type: number, required: true}}}}
jobs: {a: {runs-on: ubuntu-latest, if: false, steps: [{run: echo}]}}
Y
cp "$T/ci.yml" "$M/workflows/"
n=$(runs)

printf '{\n  "ref": "refs/heads/main",\n  "after": nul\n}\n' >"$T/bad.json"
refused cp "$T/bad.json" "$M/events/push"
file_is "$M/errors/events-push" "events/push (Line: 3, Col: 14): invalid token near 'nul'"
# a shell's echo looks at its write, not at the close
if echo 'hello' >"$M/events/push"; then fail 'echo of a word is accepted'; fi
file_is "$M/errors/events-push" "events/push (Line: 1, Col: 5): invalid token near 'hello'"
if echo '[1]' >"$M/events/push"; then fail 'echo of a list is accepted'; fi
file_is "$M/errors/events-push" 'events/push (Line: 1, Col: 1): a payload is a JSON object'
printf '{"ref": "refs/heads/main"' >"$T/cut.json"
refused cp "$T/cut.json" "$M/events/push"
file_has "$M/errors/events-push" 'events/push (Line: 1, Col: 25): '
printf '{"ref": "a", "ref": "b"}' >"$T/twice.json"
refused cp "$T/twice.json" "$M/events/push"
file_has "$M/errors/events-push" 'duplicate object key'
printf '{"ref": "\xff"}' >"$T/latin.json"
refused cp "$T/latin.json" "$M/events/push"
head -c 27000000 /dev/zero | tr '\0' ' ' >"$T/big.json"
refused cp "$T/big.json" "$M/events/push"
file_has "$M/errors/events-push" 'the payload is larger than 26214400 bytes'

echo '{"client_payload": {"a": 1}}' >"$T/body.json"
refused cp "$T/body.json" "$M/events/repository_dispatch"
file_has "$M/errors/events-repository_dispatch" 'events/repository_dispatch: repository_dispatch needs an event_type'
jq -n '{event_type: "go", client_payload: ([range(11) | {"k\(.)": 1}] | add)}' >"$T/body.json"
refused cp "$T/body.json" "$M/events/repository_dispatch"
file_has "$M/errors/events-repository_dispatch" 'No more than 10 properties are allowed; 11 were supplied.'
jq -n '{event_type: ("x" * 101)}' >"$T/body.json"
refused cp "$T/body.json" "$M/events/repository_dispatch"
equal 'nothing was started' "$n" "$(runs)"
equal 'nothing was delivered' '' "$(cat "$M/events/push" "$M/events/repository_dispatch")"

# inputs are a workflow's own matter: the event is delivered, the workflow is not started
echo '{"inputs": {"n": "three"}}' >"$M/events/workflow_dispatch"
file_is "$M/events/workflow_dispatch" "ci.yml: not started: Provided value 'three' for input 'n' is not a number"
echo '{"workflow": ".github/workflows/other.yml"}' >"$M/events/workflow_dispatch"
file_is "$M/events/workflow_dispatch" 'ci.yml: not started: .github/workflows/other.yml is asked for'
echo '{"workflow": "ci.yml", "inputs": {"n": 3}}' >"$M/events/workflow_dispatch"
file_has "$M/events/workflow_dispatch" "ci.yml: run $((n + 1)): workflow_dispatch: "
equal 'inputs' '{"n":3}' "$(jq -c . "$M/runs/$((n + 1))/inputs.json")"
equal 'inputs of the event are texts' '"3"' "$(jq -c .inputs.n "$M/runs/$((n + 1))/event.json")"
# and what is right takes the complaint away
echo '{}' >"$M/events/push"
[ ! -e "$M/errors/events-push" ] || fail 'the complaint stays'
