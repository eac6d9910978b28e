# `cache-mode` says what a job may do with caches, for the workflow or for one job: reading finds nothing where it may not, and
# saving warns. What people from outside can cause reads only, unless it says otherwise; what is called may have no more than
# its caller.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
steps='    steps:
      - run: mkdir d; echo $GITHUB_JOB > d/f
      - uses: actions/cache/restore@v4
        id: r
        with: {path: d, key: seed}
      - uses: actions/cache/save@v4
        with: {path: d, key: "${{ github.job }}-${{ github.event_name }}"}
      - run: echo "[${{ steps.r.outputs.cache-hit }}]"'
cat >"$T/ci.yml" <<END
on: [push, issues]
cache-mode: none
jobs:
  seed:
    cache-mode: write
    runs-on: ubuntu-latest
    steps:
      - run: mkdir d; echo seed > d/f
      - uses: actions/cache/save@v4
        with: {path: d, key: seed}
  nothing:
    needs: seed
    runs-on: ubuntu-latest
$steps
  reads:
    needs: seed
    cache-mode: read
    runs-on: ubuntu-latest
$steps
  saves:
    needs: seed
    cache-mode: write-only
    runs-on: ubuntu-latest
$steps
  both:
    needs: seed
    cache-mode: write
    runs-on: ubuntu-latest
$steps
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
for job in 'nothing [] denied' 'reads [true] denied' 'saves [] saved' 'both [true] saved'; do
    set -- $job
    contains "$1 restores" "$(step_out "$n" "$1" 04)" "$2"
    log=$(cat "$M/runs/$n/jobs/$1"/steps/03-*/log)
    if [ "$3" = saved ]; then
        contains "$1 saves" "$log" "Cache saved with key: $1-push"
    else
        contains "$1 saves" "$log" '##[warning]Cache reservation failed: cache write denied: token has no writable scopes
##[warning]Cache save failed.'
    fi
done

say 'without the key it is the event that counts'
cat >"$T/outside.yml" <<END
on: [push, issues]
jobs:
  plain:
    runs-on: ubuntu-latest
$steps
  told:
    cache-mode: write
    runs-on: ubuntu-latest
$steps
END
"$RUNFS" run "$T/outside.yml" --event issues --label '*=sandbox' --state "$T/own" >"$T/out"
contains 'an issue saves nothing' "$(cat "$T/out")" 'cache write denied'
contains 'unless told' "$(cat "$T/out")" 'Cache saved with key: told-issues'
"$RUNFS" run "$T/outside.yml" --event push --label '*=sandbox' --state "$T/own" >"$T/out"
contains 'a push saves' "$(cat "$T/out")" 'Cache saved with key: plain-push'

say 'a called workflow asks for no more than its caller has'
mkdir -p "$T/r/.github/workflows"
cat >"$T/r/.github/workflows/called.yml" <<'END'
on: workflow_call
jobs:
  a: {runs-on: ubuntu-latest, cache-mode: write, steps: [{run: echo}]}
END
cat >"$T/r/.github/workflows/call.yml" <<'END'
on: push
jobs:
  c: {uses: ./.github/workflows/called.yml, cache-mode: read}
END
git -C "$T/r" init -q
contains 'lint' "$("$RUNFS" lint "$T/r/.github/workflows/call.yml" 2>&1)" \
    "The nested job 'a' is requesting 'cache-mode: write', but is only allowed 'cache-mode: read'."
sed 's/cache-mode: read/cache-mode: some/' "$T/r/.github/workflows/call.yml" >"$T/bad.yml"
contains 'an unknown one' "$("$RUNFS" lint "$T/bad.yml" 2>&1)" "Unexpected value 'some'"
