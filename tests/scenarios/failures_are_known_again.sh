# A failure is known by what of its error stays the same: where it was met, in which commands, and what made it go.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
F=$M/knowledge/failures

equal 'none yet' '' "$(ls "$F")"
cat >"$T/ci.yml" <<'Y'
on:
  workflow_dispatch:
    inputs:
      file: { default: missing.h }
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo 'CC = cc' >Makefile
      - run: |
          compile() { echo "building at $(date +%T)"; echo "src/$RANDOM/main.c:$RANDOM:5: error: $1: no such file" >&2; [ "$1" = config.h ]; }
          compile ${{ inputs.file }}
Y
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" failure
f=$(ls "$F")
equal 'one failure' 1 "$(wc -l <<<"$f")"
file_is "$F/$f/signature" 'main.c:N:N: error: missing.h: no such file'
file_has "$F/$f/line" ':5: error: missing.h'
file_is "$F/$f/count" 1
[ ! -e "$F/$f/fixed_by" ] || fail 'it was fixed before it was'
equal 'a step leads to it' "$(cat "$F/$f/signature")" "$(cat "$M/runs/$n"/jobs/build/steps/02-*/failure/signature)"
[ ! -e "$(echo "$M/runs/$n"/jobs/build/steps/01-*)/failure" ] || fail 'a step that succeeded has a failure'

# other numbers, another place: the same failure
echo >"$M/dispatch/ci.yml"
m=$(cat "$M/dispatch/ci.yml")
ended "$m"
equal 'still one' "$f" "$(ls "$F")"
file_is "$F/$f/count" 2
equal 'its runs' "$n $m" "$(ls "$F/$f/runs" | xargs)"
file_is "$F/$f/runs/$m/conclusion" failure
c=$(ls "$F/$f/commands")
equal 'and from its command' "$f" "$(ls "$F/$f/commands/$c/failed_with")"

# what fixed it: the run, and what was different in it
echo file=config.h >"$M/dispatch/ci.yml"
ok=$(cat "$M/dispatch/ci.yml")
ended "$ok"
file_is "$M/runs/$ok/conclusion" success
file_is "$F/$f/fixed_by/conclusion" success
equal 'fixed by' "../../../runs/$ok" "$(readlink "$F/$f/fixed_by")"
contains 'what was different' "$(cat "$F/$f/fix")" '- compile missing.h
+ compile config.h'
contains 'and the inputs' "$(cat "$F/$f/fix")" 'inputs:'
file_has "$M/knowledge/stats" 'unique patterns: 1'

# a run that is deleted is no longer linked
rmdir "$M/runs/$n"
equal 'its runs' "$m" "$(ls "$F/$f/runs")"
file_is "$F/$f/count" 2

# a silent failure is known by its exit code
workflow "$T/silent.yml" 'exit 7'
rf_drop "$T/silent.yml" >/dev/null
file_is "$F/exit-code-7/line" 'exit code 7'
