# GitHub's own gh, as Debian has it, lists, starts, watches, reads, cancels, reruns, downloads and deletes, by the unix
# socket and by TCP, with the settings that `runfs gh-setup` prints.
# limit: 600
. "$(dirname "$0")/lib.sh"
need gh
export XDG_CONFIG_HOME=$T/config HOME=$T GH_PROMPT_DISABLED=1 NO_COLOR=1 PATH=$BUILD:$PATH
unset GH_TOKEN GITHUB_TOKEN
rf_mount
exits 1 "$RUNFS" gh-setup "$M"
contains 'says what to do' "$(cat "$T/err")" "config/listen"
echo host >"$M/config/labels/h"
cat >"$T/test-minimal.yml" <<'Y'
name: Test Minimal Workflow
on:
  workflow_dispatch: {inputs: {who: {default: nobody}, mark: {default: ''}}}
jobs:
  a:
    name: Say hello / loudly
    runs-on: h
    steps:
      - {name: Greet, run: 'echo "hello ${{ inputs.who }}"; echo "::warning file=x.c,line=3::mind this"; sleep 2'}
      - {run: 'mkdir -p d/e; echo content >d/e/f; chmod +x d/e/f'}
      - {uses: actions/upload-artifact@v4, with: {name: things, path: d}}
  b: {runs-on: h, needs: a, steps: [{name: Depends, run: 'test -e "$MARK" || { echo not yet; exit 3; }', env: {MARK: '${{ inputs.mark }}'}}]}
  c: {runs-on: h, needs: b, steps: [{run: 'true'}]}
Y
cat >"$T/slow.yml" <<'Y'
name: Slow
on: workflow_dispatch
jobs: {a: {runs-on: h, steps: [{run: 'exec sleep 100'}]}}
Y
mkdir -p "$T/repo/.github/workflows"
cat >"$T/repo/.github/workflows/vm.yml" <<'Y'
name: VM Execution Tests
on: workflow_dispatch
jobs: {a: {runs-on: h, steps: [{run: 'echo on ${{ github.ref }}'}]}}
Y
git_commit "$T/repo"
git -C "$T/repo" branch topic
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
cp "$T/test-minimal.yml" "$T/slow.yml" "$M/workflows/"
ln -s "$T/repo" "$M/repos/r"
echo cancel >"$M/runs/$(grep -l ^Slow "$M"/runs/[0-9]*/name | tail -n 1 | xargs dirname | xargs basename)/ctl" # drops run
for n in 1 2; do ended $n; done

filters() { # USER: each of gh run list's alone
    local last f
    last=$(readlink "$M/runs/latest")
    for f in "-e workflow_dispatch" "-s success" "-s completed" "-u $1" "--created >2020-01-01" "--created 0001-01-01..9999-12-31" "--created $(date -u +%F)..2100-01-01"; do
        # shellcheck disable=SC2086
        contains "run list $f" "$(gh run list $f --json databaseId --jq '.[].databaseId' -L 1)" "$last"
    done
    for f in "-e release" "-s queued" "-s failure -e release" "-u nobody.else" "--created <2020-01-01" "--created >9999-12-31" "-c 1234567890123456789012345678901234567890"; do
        # shellcheck disable=SC2086
        equal "run list $f" '' "$(gh run list $f --json databaseId --jq '.[].databaseId')"
    done
}

newer_commands() { # WAY MARK LOGIN: what gh of 2024 and later has besides (Debian 13's is 2.46)
    local id
    gh variable set SHAPE -b round || fail 'variable set'
    file_is "$M/vars/SHAPE" round
    gh variable set SHAPE -b square || fail 'a variable cannot be changed'
    contains 'variable list' "$(gh variable list)" 'SHAPE	square'
    gh variable delete SHAPE || fail 'variable delete'
    printf 'ONE=1\nTWO="a b"\n' >"$T/dotenv"
    gh variable set -f "$T/dotenv" || fail 'variables of a file'
    file_is "$M/vars/TWO" 'a b'
    gh variable delete ONE && gh variable delete TWO || fail 'variable delete'
    gh secret set -f "$T/dotenv" || fail 'secrets of a file'
    contains 'secret list' "$(gh secret list)" TWO
    gh secret delete ONE && gh secret delete TWO || fail 'secret delete'

    mkdir -p "$T/kept"
    echo kept >"$T/kept/file"
    printf 'on: push\njobs: {a: {runs-on: h, steps: [{uses: actions/cache@v4, with: {path: %s, key: "of-${{ github.run_id }}"}}, {run: mkdir -p d}]}}\n' "$T/kept" >"$T/cache.yml"
    id=$(rf_drop "$T/cache.yml")
    contains 'cache list' "$(gh cache list)" "of-$id"
    contains 'by its key' "$(gh cache list -k of- -S size_in_bytes -O asc --json key,ref,sizeInBytes --jq '.[].key')" "of-$id"
    equal 'of another branch' '' "$(gh cache list -r refs/heads/no)"
    gh cache delete "of-$id" || fail 'cache delete'
    lacks 'cache list' "$(gh cache list)" "of-$id"

    gh workflow run "Test Minimal Workflow" --json <<<"{\"who\": \"a program\", \"mark\": \"$2\"}" || fail 'workflow run --json'
    id=$(readlink "$M/runs/latest")
    ended "$id"
    filters "$3"
    contains 'run view --attempt' "$(gh run view "$id" --attempt 1 --log)" 'hello a program'
    gh run download "$id" -p 'th*' -D "$T/pattern-$1" || fail 'run download --pattern'
    file_is "$T/pattern-$1/things/e/f" content
    gh run delete "$id" || fail 'run delete'
    rf_wait 5 test ! -e "$M/runs/$id"
}

everything() { # HOST WAY PAGE LOGIN: all that gh does there
    local id old mark=$T/mark-$1
    rm -rf "$mark"
    contains 'auth status' "$(gh auth status --hostname "$1" 2>&1)" "Logged in to $1"
    equal 'api' "$4" "$(gh api user --jq .login)"

    contains 'workflow list' "$(gh workflow list)" "Test Minimal Workflow"
    contains 'workflow view' "$(gh workflow view "Test Minimal Workflow")" test-minimal.yml
    equal 'workflow view --yaml' "$(cat "$T/test-minimal.yml")" "$(gh workflow view test-minimal.yml --yaml)"
    gh workflow disable slow.yml || fail 'cannot be disabled'
    lacks 'is not listed' "$(gh workflow list)" Slow
    contains 'is listed with -a' "$(gh workflow list -a)" disabled_manually
    [ -e "$M/config/disabled/slow.yml" ] || fail 'config/disabled does not have it'
    refused gh workflow run slow.yml
    contains 'why' "$(cat "$T/err")" "disabled workflow"
    gh workflow enable Slow || fail 'cannot be enabled'
    [ ! -e "$M/config/disabled/slow.yml" ] || fail 'config/disabled still has it'

    gh workflow run "Test Minimal Workflow" -f who=gh -f "mark=$mark" || fail 'cannot be started'
    id=$(readlink "$M/runs/latest")
    exits 1 gh run watch "$id" --exit-status -i 1
    contains 'run watch' "$(cat "$T/out")" "Depends"
    contains 'run list' "$(gh run list --limit 10)" "$id"
    equal 'run list by filters' "$id failure" "$(gh run list -w test-minimal.yml -L 1 --json databaseId,conclusion --jq '.[] | "\(.databaseId) \(.conclusion)"')"
    equal 'run list by a branch that is not' '' "$(gh run list -b none --json databaseId --jq '.[].databaseId')"
    contains 'run view' "$(gh run view "$id")" 'mind this'
    contains 'a job that was skipped took no time' "$(gh run view "$id")" '- c in 0s'
    equal 'where it is for people' "$3/${GH_REPO#*/}/actions/runs/$id" "$(gh run view "$id" --json url --jq .url)"
    exits 1 gh run view "$id" --exit-status
    contains 'its jobs' "$(gh run view "$id" --json jobs --jq '.jobs[].name')" 'Say hello / loudly'
    gh run view "$id" --log >"$T/lines"
    grep -qP '\tGreet\t\d{4}-\d\d-\d\dT[\d:]{8}\.\d{7}Z hello gh$' "$T/lines" || fail "run view --log: $(cat "$T/lines")"
    contains 'run view --log-failed' "$(gh run view "$id" --log-failed | sed 's/\t[^\t]*Z /\t/')" "Depends	not yet"
    lacks 'run view --log-failed' "$(gh run view "$id" --log-failed)" "hello gh"
    old=$(gh api "repos/{owner}/{repo}/actions/runs/$id/jobs" --jq '.jobs[] | select(.name == "b").id')
    contains 'run view --job' "$(gh run view --job "$old" --log)" 'not yet'
    contains 'the log of a job' "$(gh api "repos/{owner}/{repo}/actions/jobs/$old/logs")" 'not yet'

    gh run download "$id" -D "$T/down-$1" || fail 'cannot be downloaded'
    equal 'run download' content "$(cat "$T/down-$1/things/e/f")"
    [ -x "$T/down-$1/things/e/f" ] || fail 'modes are lost'
    gh run download -n things -D "$T/down-$1/named" || fail 'cannot be downloaded by name'

    refused gh run cancel "$id"
    touch "$mark"
    gh run rerun "$id" --failed || fail 'cannot be rerun'
    exits 0 gh run watch "$id" --exit-status -i 1
    equal 'attempts' 2 "$(cat "$M/runs/$id/attempt")"
    contains 'the log is that of the second attempt' "$(gh run view "$id" --log)" 'hello gh'
    lacks 'the log is that of the second attempt' "$(gh run view "$id" --log)" 'exit code 3'
    gh api "$(gh api "repos/{owner}/{repo}/actions/runs/$id/attempts/1" --jq '.logs_url | sub("^.*/repos/"; "repos/")')" >"$T/logs.zip"
    contains 'the log of the first attempt' "$("$PYTHON" -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(*(z.read(n).decode() for n in z.namelist()))' "$T/logs.zip")" 'exit code 3'
    equal 'the times are its own' "$(sed 's/\.[0-9]*//' "$M/runs/$id/attempts/1/started_at")" "$(gh api "repos/{owner}/{repo}/actions/runs/$id/attempts/1" --jq .run_started_at)"
    contains 'the first attempt is still there' "$(gh api "repos/{owner}/{repo}/actions/runs/$id/attempts/1" --jq .conclusion)" failure
    gh run rerun --job "$(gh run view "$id" --json jobs --jq '.jobs[] | select(.name == "b").databaseId')" || fail 'a job cannot be rerun'
    ended "$id"
    equal 'attempts' 3 "$(cat "$M/runs/$id/attempt")"
    gh run rerun "$id" --debug || fail 'cannot be rerun with debug logging'
    ended "$id"
    equal 'attempts' 4 "$(cat "$M/runs/$id/attempt")"

    gh workflow run slow.yml || fail 'cannot be started'
    old=$(readlink "$M/runs/latest")
    rf_wait 20 grep -q in_progress "$M/runs/$old/jobs/a/status"
    equal 'status as a filter' "$old" "$(gh api "repos/{owner}/{repo}/actions/runs?status=in_progress" --jq '.workflow_runs[].id')"
    gh run cancel "$old" || fail 'cannot be cancelled'
    ended "$old"
    equal 'cancelled' cancelled "$(gh run view "$old" --json conclusion --jq .conclusion)"
    gh api -X DELETE "repos/{owner}/{repo}/actions/runs/$old" || fail 'cannot be deleted'
    rf_wait 5 test ! -e "$M/runs/$old"
    if gh run delete -h >/dev/null 2>&1 && gh run delete -h 2>&1 | grep -q 'gh run delete'; then
        gh run delete "$id" || fail 'cannot be deleted'
    fi

    gh secret set "KEY_${2}" --body "s3cret of $2" || fail 'a secret cannot be set'
    contains 'secret list' "$(gh secret list)" "KEY_$2"
    workflow "$T/s.yml" "test \"\${{ secrets.KEY_$2 }}\" = 's3cret of $2'"
    sed -i 's/ubuntu-latest/h/' "$T/s.yml"
    equal 'a job has it' success "$(cat "$M/runs/$(rf_drop "$T/s.yml")/conclusion")"
    gh secret delete "KEY_${2}" || fail 'a secret cannot be deleted'
    lacks 'secret list' "$(gh secret list)" "KEY_$2"
    gh api "repos/{owner}/{repo}/actions/variables" -f name=COLOUR -f value=blue >/dev/null || fail 'a variable cannot be made'
    file_is "$M/vars/COLOUR" blue
    refused gh api "repos/{owner}/{repo}/actions/variables" -f name=COLOUR -f value=red
    gh api -X PATCH "repos/{owner}/{repo}/actions/variables/COLOUR" -f value=green || fail 'a variable cannot be changed'
    equal 'variables' green "$(gh api "repos/{owner}/{repo}/actions/variables" --jq '.variables[].value')"
    gh api -X DELETE "repos/{owner}/{repo}/actions/variables/COLOUR" || fail 'a variable cannot be deleted'

    if gh variable set -h >/dev/null 2>&1 && gh cache list -h >/dev/null 2>&1; then newer_commands "$2" "$mark" "$4"; fi

    equal 'pages' "$(find "$M/runs" -maxdepth 1 -name '[0-9]*' | wc -l)" \
        "$(gh api --paginate "repos/{owner}/{repo}/actions/runs?per_page=2" --jq '.workflow_runs[].id' | sort -un | wc -l)"
    refused gh run list -R "$1/no/where"

    # the linked repository, and a branch of it
    contains 'a linked repository' "$(gh workflow view "VM Execution Tests" -R "$1/o/r")" vm.yml
    gh workflow run vm.yml -R "$1/o/r" --ref topic || fail 'cannot be started on a branch'
    old=$(readlink "$M/runs/latest")
    ended "$old"
    file_has "$M/runs/$old/log" 'on refs/heads/topic'
    refused gh workflow run vm.yml -R "$1/o/r" --ref nowhere
    contains 'why' "$(cat "$T/err")" 'No ref found for: nowhere'
    equal 'by branch' "$old" "$(gh run list -R "$1/o/r" -b topic --json databaseId --jq '.[].databaseId')"
    gh api -X DELETE "repos/o/r/actions/runs/$old" || fail 'cannot be deleted'
}

echo "$T/api.sock" >"$M/config/listen"
rf_wait 10 grep -q '^listen: ' "$M/status"
(
    eval "$("$RUNFS" gh-setup "$M")"
    equal 'the host' runfs.internal "$GH_HOST"
    everything runfs.internal unix https://runfs.internal "$(id -un)"
)
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
echo 10000 >"$M/config/rate_limit"
(
    eval "$("$RUNFS" gh-setup "$M")"
    name=$("$RUNFS" token list "$M" | cut -f 1)
    mv "$T/config" "$T/config-unix"
    export TMPDIR=$T/tcp
    mkdir "$TMPDIR"
    equal 'the host' github.localhost "$GH_HOST"
    mkdir -p "$T/config"
    everything github.localhost admin "http://$(awk '/^listen: 127/ {print $2}' "$M/status")" "$name" || fail tcp
    # what a token may not
    GH_TOKEN=$("$RUNFS" token create --scope read "$M")
    contains 'a token of scope read reads' "$(gh workflow list)" Slow
    refused gh workflow run slow.yml
    contains 'and starts nothing' "$(cat "$T/err")" 'this needs a token of scope run'
    GH_TOKEN=$("$RUNFS" token create --scope run "$M")
    refused gh secret list
    GH_TOKEN=rfs_none
    refused gh run list
    contains 'a wrong token' "$(cat "$T/err")" 401
)
