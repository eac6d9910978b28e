# What is mounted and what README says of it are the same: no name that the table has not, no row that is never seen.
. "$(dirname "$0")/lib.sh"
need ssh-keygen
rf_mount
echo host >"$M/config/labels/h"
if grep -q 'backend sandbox: works' "$M/status"; then box=sandbox; else box=host; fi
echo $box >"$M/config/labels/box"
echo on >"$M/config/snapshots"
echo 8 >"$M/config/slots"
echo 1 >"$M/config/lesson_threshold"
mkdir -p "$T/repo/.github/workflows"
cat >"$T/w.yml" <<'Y'
on: {push: , workflow_dispatch: }
jobs:
  a:
    runs-on: h
    strategy: {matrix: {n: [1]}}
    outputs: {o: x}
    steps:
      - {id: s, run: 'echo o=1 >> $GITHUB_OUTPUT; echo hi >> $GITHUB_STEP_SUMMARY; mkdir -p d/e; echo x > d/e/f'}
      - {uses: actions/upload-artifact@v4, with: {name: n, path: d}}
      - {uses: actions/cache/save@v4, with: {path: d, key: k}}
  b: {needs: a, runs-on: h, steps: [{run: 'false'}]}
  c: {runs-on: h, steps: [{run: 'sleep 300'}]}
  d: {runs-on: box, steps: [{run: 'true'}, {run: 'exec sleep 300'}]}
Y
cat >"$T/called.yml" <<'Y'
on: workflow_call
jobs:
  in:
    runs-on: h
    permissions: {contents: read}
    environment: {name: e, url: "https://e"}
    concurrency: job
    steps: [{run: 'echo hi >> $GITHUB_STEP_SUMMARY'}, {run: exec sleep 300}]
Y
cat >"$T/call.yml" <<'Y'
on: push
concurrency: {group: run, cancel-in-progress: true}
jobs: {call: {uses: ./.github/workflows/called.yml}}
Y
cp "$T/w.yml" "$T/repo/.github/workflows/"
ln -s "$T/repo" "$M/repos/repo"
mkdir "$T/kg"
for name in jobs steps; do printf 'synonyms:: %s\n' $name >"$T/kg/$name.md"; done
jq -nc --arg kg "$T/kg" '{name: "r", relevance_function: "bm25", llm_system_prompt: "Be brief.", extra: {team: "tea"}, haystacks: [{location: ".github", file_patterns: ["*.yml"]}],
    kg: {knowledge_graph_local: {input_type: "markdown", path: $kg}}}' >"$T/r.json"
cp "$T/r.json" "$M/roles/"
workflow "$T/f.yml" 'exit 1'
rf_drop "$T/f.yml" >/dev/null
workflow "$T/g.yml" "[ -e $T/flag ] || { touch $T/flag; exit 1; }; make --version" # fails, and is fixed
sed -i 's/ubuntu-latest/h/' "$T/g.yml"
rf_drop "$T/g.yml" >/dev/null
rf_drop "$T/g.yml" >/dev/null
cp "$T/w.yml" "$M/workflows/"
rf_wait 10 grep -q failure "$M/runs/4/jobs/b/conclusion"
step_waits() { grep -qsx in_progress "$M"/runs/4/jobs/d/steps/02-*/status; }
rf_wait 10 step_waits
cp "$T/called.yml" "$T/call.yml" "$M/workflows/"
called_waits() { grep -qsx in_progress "$M"/runs/5/jobs/call.in/steps/02-*/status; }
rf_wait 10 called_waits
cp "$T/call.yml" "$M/workflows/"
ended 5
ended_by=$(cat "$M/runs/5/why")
[ -n "$ended_by" ] || fail 'run 5 does not say what cancelled it'
echo rerun >"$M/runs/5/ctl"
rf_wait 10 grep -q in_progress "$M/runs/5/jobs/call.in/status"
printf 'on: {workflow_dispatch: {inputs: {do: {default: "true"}}}}\njobs: {a: {runs-on: h, steps: [{run: "${{ inputs.do }}"}]}}\n' >"$T/usual.yml"
rf_drop "$T/usual.yml" >/dev/null
usual() { # INPUT
    echo "$1" >"$M/dispatch/usual.yml"
    cat "$M/dispatch/usual.yml"
}
for i in 1 2 3 4 5 6 7 8 9 10; do ended "$(usual '')"; done
ended "$(usual do=false)"
odd=$(usual 'do=exec sleep 300')
rf_wait 10 grep -qx in_progress "$M/runs/$odd/jobs/a/status"
refused sh -c "echo bad > '$M/config/slots'"
echo x >"$M/workflows/scratch.tmp"
echo v >"$M/vars/V"
echo 0 >"$M/config/pool/h"
echo $box >"$M/vms/box.label"
mkdir "$M/vms/box"
echo true >"$M/vms/box/exec"
mkdir "$M/vms/box/snapshots/s" || echo "no snapshots here" >&2
echo s >"$M/secrets/S"
echo a-long-secret >"$M/config/webhook/secret"
echo http://127.0.0.1:9 >"$M/config/fcctl/url"
echo 60 >"$M/config/llm/timeout"
printf -- '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n' >"$M/config/tls/certificate"
echo "$T/api.sock" >"$M/config/listen"
ssh-keygen -q -t ed25519 -N '' -f "$T/key"
printf 'me@127.0.0.1:9\nhostkey %s\n' "$(cut -d ' ' -f 1,2 "$T/key.pub")" >"$T/host"
cat "$T/host" >"$M/config/hosts/there"
cat "$T/key" >"$M/config/identities/default"
echo http://127.0.0.1:9 >"$M/config/github/api_url"
printf 'on failure\nfile %s\n' "$T/alerts" >"$M/config/alerts/mine"
echo status >"$M/config/github/report"
printf '{"ref": "refs/heads/main", "after": "%040d", "repository": {"full_name": "o/r"}}' 1 >"$T/push"
signature=$(openssl dgst -sha256 -hmac a-long-secret "$T/push" | awk '{print $NF}')
rf_wait 10 curl -sf --unix-socket "$T/api.sock" -H "X-Hub-Signature-256: sha256=$signature" -H 'X-GitHub-Event: push' -H 'Content-Type: application/json' \
    --data-binary "@$T/push" http://ci/webhook
rf_wait 10 grep -qx done "$M/events/deliveries/1/state"
touch "$M/config/disabled/other.yml" "$M/config/proposed/other.yml"
"$RUNFS" token create --name t "$M" >"$T/token"
"$PYTHON" - "$M" <<'P'
import os, sys
root = sys.argv[1]
rows, stack = [], []
for line in open(root + '/README'):
    if not line.strip(): break  # below the tree: what labels take
    name = line.split()[0]
    depth = (len(line) - len(line.lstrip())) // 2
    stack = stack[:depth] + [name]
    rows.append(tuple(stack[1:]) if depth else ())
fixed = {}
for r in rows:
    if r: fixed.setdefault(r[:-1], []).append(r[-1])
seen = set([()])
def is_class(name):
    return name.rstrip('/').split('.')[0].isupper() or name.startswith(('NN-', 'NAME'))
former = ('runs/', 'N/', 'attempts/', 'K/')
of_role = ('roles/', 'R/', 'concepts/', 'T/')
def match(parent, name, path):
    if parent[:4] == former and len(parent) > 5: # as in runs/N/jobs, which is where the table tells of it
        parent = ('runs/', 'N/') + parent[4:]
    if parent[:4] == of_role: # as in knowledge/concepts
        parent = ('knowledge/', 'concepts/', 'T/') + parent[4:]
    if parent and parent[-1] == '...' or '...' in fixed.get(parent, []): # whatever is below an artifact
        return [parent if parent[-1] == '...' else parent + ('...',)]
    exact = [n for n in fixed.get(parent, []) if n.rstrip('/') == name and not is_class(n) or n == name == 'README']
    if exact: return [parent + (exact[0],)]
    kind = 'dir' if os.path.isdir(path) and not os.path.islink(path) else 'other'
    return [parent + (n,) for n in fixed.get(parent, []) if is_class(n) and n != 'README' and (n.endswith('/') == (kind == 'dir'))]
def walk(path, parents):
    for name in os.listdir(path):
        p = os.path.join(path, name)
        found = [m for parent in parents for m in match(parent, name, p)]
        assert found, 'not in the table: ' + p
        seen.update(found)
        if os.path.isdir(p) and not os.path.islink(p): walk(p, found)
walk(root, [()])
for place, parent in (('knowledge', ('knowledge/',)), ('roles/r', ('roles/', 'R/'))):
    query = parent + ('search/', 'QUERY/') # there by any name, and not listed
    seen.add(query)
    walk('%s/%s/search/runs-on' % (root, place), [query])
missing = [r for r in rows if r not in seen and r[-1] not in ('wait', 'result.json', 'S.md') and 'rootfs' not in r
           and not ({'snapshot', 'snapshots/'} & set(r) and 'host' in open(root + '/vms/box.label').read())] # not listed, or of many runs; not for host
assert not missing, missing
P
echo cancel >"$M/runs/4/ctl"
cat "$M/runs/4/wait" >/dev/null
