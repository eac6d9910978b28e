# A person starts workflows by a form in the page of the HTTP server, disables one, sees machines come and go, searches as a role
# and walks the graph of commands.
# limit: 200
. "$(dirname "$0")/lib.sh"
need node
need chromium
need git
rf_mount
need_sandbox
echo host >"$M/config/labels/h"
cat >"$T/ask.yml" <<'Y'
name: Ask me
on:
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [debug, info], default: info, description: How much}
      loud: {type: boolean, default: true}
      count: {type: number, required: true}
      note: {default: 'a "b"'}
jobs:
  a:
    runs-on: h
    steps:
      - {name: say, run: 'echo "$LEVEL $LOUD $COUNT $NOTE"', env: {LEVEL: '${{ inputs.level }}', LOUD: '${{ inputs.loud }}', COUNT: '${{ inputs.count }}', NOTE: '${{ inputs.note }}'}}
Y
cp "$T/ask.yml" "$M/workflows/"
R=$T/repo
mkdir -p "$R/.github/workflows" "$T/docs"
printf 'name: Linked\non: workflow_dispatch\njobs: {a: {runs-on: h, steps: [{run: date}]}}\n' >"$R/.github/workflows/linked.yml"
git_commit "$R"
git -C "$R" branch other
ln -s "$R" "$M/repos/r"
for i in 1 2 3; do printf '# Page %s <u>\n\ncache cache\n' $i >"$T/docs/$i.md"; done
echo 'echo cache' >"$T/docs/run.sh"
for role in md sh; do
    printf '{"name": "Role %s", "relevance_function": "bm25", "haystacks": [{"location": "%s", "file_patterns": ["*.%s"]}]}' \
        "$role" "$T/docs" "$role" >"$M/roles/$role.json"
done
cat >"$T/teach.yml" <<'Y'
on: push
jobs: {a: {runs-on: h, steps: [{run: 'date; ls; sort /dev/null; echo "error: cannot find module <b>foo</b>"; exit 1'}]}}
Y
rf_drop "$T/teach.yml" >/dev/null
rm "$M/workflows/teach.yml"
printf 'name: Long\non: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: sleep 300}]}}\n' >"$T/long.yml"
rf_start "$T/long.yml" >/dev/null
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
token=$("$RUNFS" token create --scope admin --name driver "$M")
node "$here/tests/toolkit/page_forms.mjs" "http://$(awk '/^listen: 127/ {print $2}' "$M/status")" "$token" "$M" >"$T/said" 2>"$T/err" || {
    cat "$T/err" >&2
    fail "it ended early, having said: $(cat "$T/said")"
}
equal 'what it found' 'a form starts a workflow with its inputs
a branch is chosen, and a wrong one refused
workflows are disabled and enabled
machines come and go
documents are searched as a role
the graph of commands is walked
what is found leads to what it is' "$(cat "$T/said")"
