# Who stands in a repository need not name its workflows: `runfs run` runs those that an event starts, as the pushed
# commit would on GitHub; `plan` says what of each would run, `lint` checks all. What was meant is told where it is clear.
. "$(dirname "$0")/lib.sh"
need git
R=$T/project
W=$R/.github/workflows
mkdir -p "$W" "$R/src/deep"
workflow "$W/build.yml" 'echo "built in $(basename "$GITHUB_WORKSPACE")"'
workflow "$W/check.yaml" 'echo checked; exit 3'
cat >"$W/release.yml" <<'END'
on:
  push: {tags: ['v*']}
jobs:
  publish:
    runs-on: self-hosted
    steps: [{run: echo published}]
END
cat >"$W/ask.yml" <<'END'
name: Ask
on:
  workflow_dispatch:
    inputs: {level: {required: true, type: string}}
jobs:
  answer:
    runs-on: self-hosted
    steps: [{run: 'echo "level ${{ inputs.level }}"'}]
END
printf 'on: issues\njobs: {a: {runs-on: self-hosted, steps: [{run: "true"}]}}\n' >"$W/.hidden.yml"
printf 'on: push\n' >"$W/notes.txt"
git_commit "$R"
cd "$R"
run() { exits "$1" "$RUNFS" run --state "$STATE" --label '*=host' "${@:2}"; }

# a push, from the repository or below it: in the order of their names, to the end, with the first bad exit code
run 3
contains 'the first' "$(cat "$T/out")" 'built in project'
contains 'the second' "$(cat "$T/out")" 'check.yaml: failure'
lacks 'its filters say no' "$(cat "$T/out")" published
contains 'and why' "$(cat "$T/err")" 'not .github/workflows/release.yml: push: branch main, and `on.push` filters only tags'
cd src/deep
run 0 --job publish --ref refs/tags/v1
contains 'by its job, on a tag' "$(cat "$T/out")" published
cd "$T"

# a directory says the same from elsewhere; a file runs whatever its filters say
run 3 "$R"
run 3 "$W/"
run 0 "$W/release.yml"
contains 'asked for' "$(cat "$T/out")" published
run 0 --event workflow_dispatch --input level=7 "$R"
contains 'another event' "$(cat "$T/out")" 'level 7'

# nothing starts: what each waits for
cd "$R"
run 1 --event schedule
contains 'nothing' "$(cat "$T/err")" 'schedule starts no workflow here:'
contains 'each' "$(cat "$T/err")" '.github/workflows/ask.yml: on workflow_dispatch'
lacks 'what is none' "$(cat "$T/err")" hidden
run 1 --job lost
contains 'no such job' "$(cat "$T/err")" '.github/workflows/build.yml: it has no job lost'
run 1 --event pull_reqest
contains 'no such event' "$(cat "$T/err")" "there is no event 'pull_reqest'"

# what was meant
run 2 build.yml
contains 'by its name' "$(cat "$T/err")" 'there is .github/workflows/build.yml'
run 2 check
contains 'without its ending' "$(cat "$T/err")" 'there is .github/workflows/check.yaml'
run 2 pull_request
contains 'an event' "$(cat "$T/err")" 'an event is named by --event pull_request'
run 1 "$W/ask.yml"
contains 'which file, and how' "$(cat "$T/err")" "ask.yml: Required input 'level' not provided (--input NAME=VALUE gives one)"
run 1 "$W/build.yml" --event schedule
contains 'what it has' "$(cat "$T/err")" 'has no `on: schedule`, but push'
run 2 src
contains 'no workflows' "$(cat "$T/err")" 'no workflow (*.yml, *.yaml) is in src'

# plan and lint
exits 0 "$RUNFS" plan
contains 'what would run' "$(cat "$T/out")" '.github/workflows/build.yml would run'
contains 'by its name' "$(cat "$T/out")" '.github/workflows/ask.yml: Ask would run'
contains 'what would not' "$(cat "$T/out")" 'release.yml would not run'
exits 1 "$RUNFS" plan --event schedule .
equal 'as data' '4 .github/workflows/ask.yml' "$("$RUNFS" plan --json | jq -r '"\(length) \(.[0].file)"')"
printf 'on: workflow_call\njobs: {a: {runs-on: self-hosted, steps: [{run: "true"}]}}\n' >"$T/called.yml"
exits 0 "$RUNFS" plan "$T/called.yml"
contains 'one that is called' "$(cat "$T/out")" 'called.yml would run where another workflow calls it'
exits 0 "$RUNFS" lint
sed -i s/runs-on/run-on/ "$W/release.yml"
exits 1 "$RUNFS" lint
contains 'where' "$(cat "$T/out")" '.github/workflows/release.yml (Line: 5, Col: 5): '
exits 2 "$RUNFS" plan
run 65 --ref refs/tags/v1 --job publish
contains 'in error' "$(cat "$T/err")" "release.yml (Line: 5, Col: 5): Unexpected value 'run-on'"
