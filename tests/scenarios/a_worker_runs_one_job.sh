# `runfs worker` by hand: a job's spec in, its events out, a line of JSON each; the exit code is the job's. A spec that is in error is
# refused with words. Secrets are in no argument, no other's environment and no file; the job ends when it is asked to, or when who
# started it is gone, and nothing is left.
. "$(dirname "$0")/lib.sh"
"$RUNFS" doctor >"$T/doctor" || :
grep -q '^ok *sandbox' "$T/doctor" || skip "$(grep sandbox "$T/doctor")"
place=$XDG_STATE_HOME/runfs/worker
nothing_left() { [ -z "$(find "$place" -mindepth 1 ! -name lock)" ]; }
spec() { # STEPS [PYTHON]: the spec of a job of these steps; PYTHON changes it, as s
    "$PYTHON" - "$1" "${2-}" <<'P'
import json, sys
text = "on: push\njobs:\n  a:\n    runs-on: any\n    steps:\n" + "".join("      " + l + "\n" for l in sys.argv[1].splitlines())
s = {"type": "job", "version": 1, "workflow": {"file": "ci.yml", "text": text}, "job": "a", "attached": False,
     "contexts": {"github": {"repository": "o/r", "event": {}}, "secrets": {"WORD": "hush-hush"}}}
exec(sys.argv[2])
print(json.dumps(s))
P
}
events=$T/out
told() { # TYPE KEY: of each such event
    "$PYTHON" -c 'import json, sys
for line in open(sys.argv[1]):
    e = json.loads(line)
    if e["type"] == sys.argv[2]: print(e.get(sys.argv[3]))' "$events" "$1" "$2"
}
run() { # STATUS: with $T/spec
    exits "$1" "$RUNFS" worker <"$T/spec"
    nothing_left || fail "left: $(find "$place")"
}

# its events, in order, and the job's exit code
spec '- run: echo "one ${{ secrets.WORD }}"; echo two >&2
- id: s
  run: echo o=7 >>"$GITHUB_OUTPUT"; exit 3
- run: echo never' 's["contexts"]["job"] = {}; s["workflow"]["text"] = s["workflow"]["text"].replace("    steps:", "    outputs: {x: \"${{ steps.s.outputs.o }}\"}\n    steps:")' >"$T/spec"
run 3
equal 'the first event' hello "$(head -n 1 "$T/out" | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["type"])')"
equal 'the steps' 'success
failure
skipped' "$(told step_completed conclusion)"
contains 'what was printed' "$(told output text)" 'one ***
'
equal 'the job' "failure
{'x': '7'}" "$(told job_completed conclusion; told job_completed outputs)"
lacks 'a secret' "$(cat "$T/out")" hush
equal 'a secret in its log' '' "$(cat "$T/err")"

# what is no spec, or not a good one, runs nothing
refuses() { # WORDS [PYTHON]
    [ "$#" = 1 ] || spec '- run: echo ran' "$2" >"$T/spec"
    run 65
    contains 'why' "$(cat "$T/err")" "$1"
    contains 'told' "$(told refused message)" "$1"
    lacks 'nothing ran' "$(cat "$T/out")" step_started
}
: >"$T/spec" && refuses 'standard input has no job'
echo hello >"$T/spec" && refuses 'not the spec of a job but begins with: hello'
echo '{"type": "job"' >"$T/spec" && refuses 'not the spec of a job'
echo '[]' >"$T/spec" && refuses 'not the spec of a job'
refuses 'of version 2, and this runfs' 's["version"] = 2'
refuses "has no job 'b'" 's["job"] = "b"'
refuses "has no job" 's["job"] = 5'
refuses "has no job" 'del s["job"]'
refuses 'ci.yml (Line: 4, Col: 5)' 's["workflow"]["text"] = s["workflow"]["text"].replace("runs-on", "run-on")'
refuses 'workflow.text' 's["workflow"]["text"] = ["x"]'
refuses 'workflow.text' 's["workflow"]["text"] = {"base64": "?"}'
refuses 'workflow.file' 's["workflow"]["file"] = ""'
refuses 'workflow.file' 's["workflow"] = 1'
refuses 'contexts is not' 's["contexts"] = []'
refuses 'contexts.github is not' 's["contexts"]["github"] = "x"'
refuses 'contexts.secrets is not' 's["contexts"]["secrets"] = {"A": 1}'
refuses 'contexts.vars is not' 's["contexts"]["vars"] = ["A"]'
refuses 'env is not' 's["env"] = {"A": {}}'
refuses 'silence_s is' 's["silence_s"] = 0'
for name in /etc ../.. o o/ /r o/.. 'o/a b' o/a/b; do
    refuses 'not of the form OWNER/NAME' "s['contexts']['github']['repository'] = '$name'"
done
exits 2 "$RUNFS" worker --machine nonsense </dev/null
contains 'which label' "$(cat "$T/err")" "not to 'nonsense'"
spec '- run: echo ran' >"$T/spec"
exits 65 "$RUNFS" worker --machine 'worker:true' <"$T/spec"
contains 'a worker for a worker' "$(cat "$T/err")" 'no machines'

# where nobody answers, what a job wants from outside fails, and nothing else
spec '- uses: actions/checkout@v4
  continue-on-error: true
- run: echo ran' >"$T/spec"
run 0
contains 'nobody answers' "$(told annotation message)" 'does not answer'

# a running one, with who started it at the other end: how it ends, and what is seen of its secrets meanwhile
sleeper=7654$$
events=$T/events
start() { # [STEPS]: a worker that runs, with $in open to it
    spec "${1:-"- env: {W: '\${{ secrets.WORD }}'}
  run: echo begun; sleep $sleeper
- if: always()
  run: echo cleaned up"}" 's["attached"] = True; s["silence_s"] = 30' >"$T/spec"
    rm -f "$T/in" "$T/to"
    mkfifo "$T/in" "$T/to"
    cat "$T/to" >"$events" &
    reader=$!
    "$RUNFS" worker <"$T/in" >"$T/to" 2>"$T/said" &
    worker=$!
    exec {in}>"$T/in"
    cat "$T/spec" >&"$in"
    rm "$T/spec"
    rf_wait 20 pgrep -xf "sleep $sleeper"
}
over() { # STATUS: it has ended so, and left nothing
    local got=0
    wait "$worker" || got=$?
    equal 'ended with' "$1" "$got"
    exec {in}>&-
    wait "$reader" || :
    refused pgrep -xf "sleep $sleeper"
    nothing_left || fail "left: $(find "$place")"
}
start
lacks 'its arguments' "$(tr '\0' ' ' <"/proc/$worker/cmdline")" hush
for pid in $worker $(pgrep -P $worker); do lacks 'its environment' "$(tr '\0' '\n' <"/proc/$pid/environ")" hush; done
refused grep -rqF hush-hush "$place"
kill -INT "$worker"
over 130
contains 'what always runs' "$(told output text)" 'cleaned up
'
equal 'how the job ended' cancelled "$(told job_completed conclusion)"

start # who manages it, Slurm for one, says so several times and means it once
for signal in TERM HUP TERM; do kill -$signal "$worker"; done
over 130
contains 'what always runs' "$(told output text)" 'cleaned up
'

start "- run: trap '' INT TERM; echo begun; sleep $sleeper; sleep $sleeper
- if: always()
  run: echo cleaned up" # a person insists
insist() { gone "$worker" || ! kill -INT "$worker"; } # signals that come at once are one
rf_wait 30 insist
over 130
lacks 'killed, nothing more runs' "$(told output text)" 'cleaned up
'

start
echo '{"type": "cancel"}' >&"$in"
over 130
contains 'what always runs' "$(told output text)" 'cleaned up'

start
echo '{"type": "kill"}' >&"$in"
over 130
lacks 'killed, nothing more runs' "$(told output text)" 'cleaned up
'

start # who started it is gone
exec {in}>&-
over 1
contains 'why' "$(cat "$T/said")" 'who started this worker is gone'
lacks 'nothing more runs' "$(told output text)" 'cleaned up
'

start # nobody reads any more
kill -KILL "$reader"
over 1

start # it is told what it cannot understand
echo nonsense >&"$in"
over 1

start # killed itself, it leaves no process; the next one clears its files away
kill -KILL "$worker"
wait "$worker" || :
gone_too() { ! pgrep -xf "sleep $sleeper"; }
rf_wait 30 gone_too
exec {in}>&-
wait "$reader" || :
spec '- run: echo after' >"$T/spec"
run 0
