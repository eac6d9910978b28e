# A failure that came three times is a lesson: a page that says what, where and what mended it, with its evidence; how often it
# has to come is a setting.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
L=$M/knowledge/lessons
cat >"$T/ci.yml" <<'Y'
on: {workflow_dispatch: {inputs: {file: {default: missing.h}}}}
jobs:
  build:
    runs-on: h
    steps:
      - name: Compile
        run: ls /nowhere/$RANDOM/${{ inputs.file }}
Y
rf_drop "$T/ci.yml" >/dev/null
again() { # [INPUT]
    echo "${1-}" >"$M/dispatch/ci.yml"
    n=$(cat "$M/dispatch/ci.yml")
    ended "$n"
}
again
equal 'twice is no lesson' '' "$(ls "$L")"
F=$(echo "$M"/knowledge/failures/*)
refused test -e "$F/lesson"
again
equal 'three times is one' 1 "$(find "$L" -name '*.md' | wc -l)"
lesson=$(echo "$L"/*.md)
file_has "$lesson" '3 steps failed with it'
file_has "$lesson" 'No such file or directory'
file_has "$lesson" '- `ci.yml`, job `build`, step 1 `Compile`: 3 times, last in [run '"$n"'](../../runs/'"$n"')'
file_has "$lesson" '- in `ls`, which fails 3 of 3 times ([its page](../commands/ls))'
file_has "$lesson" 'It has not been mended yet'
for link in $(grep -o '](\.\./[^)]*)' "$lesson" | tr -d '()]'); do
    [ -e "$L/$link" ] || fail "$link leads nowhere"
done
equal 'from the failure' "$lesson" "$(realpath "$F/lesson")"
equal 'from the command' "$lesson" "$(realpath "$M"/knowledge/commands/ls/lessons/*.md)"

sed 's/ls .nowhere.*/ls \//' "$T/ci.yml" >"$T/good.yml"
cp "$T/good.yml" "$M/workflows/ci.yml"
ended "$(readlink "$M/runs/latest")"
file_has "$lesson" 'It went away when this was different'
file_has "$lesson" '    + ls /'
file_has "$lesson" 'confidence: 0.67 (since then 1 run succeeded, and it did not come again)'
again
file_has "$lesson" 'confidence: 0.75'

echo 5 >"$M/config/lesson_threshold"
refused test -e "$lesson"
refused test -e "$F/lesson"
refused sh -c "echo never >'$M/config/lesson_threshold'"
rm "$M/config/lesson_threshold"
[ -e "$lesson" ] || fail 'the default is not three'

# what comes and goes by itself is told so
cat >"$T/flaky.yml" <<Y
on: workflow_dispatch
jobs: {a: {runs-on: h, steps: [{run: 'if [ -e $T/good ]; then echo fine; else echo the moon is full >&2; exit 3; fi'}]}}
Y
rf_drop "$T/flaky.yml" >/dev/null
for good in '' '' x; do
    [ -z "$good" ] || touch "$T/good"
    echo >"$M/dispatch/flaky.yml"
    ended "$(cat "$M/dispatch/flaky.yml")"
done
lesson=$(grep -l 'the moon is full' "$L"/*.md)
file_has "$lesson" 'Nothing that is known was different when it went away'
if grep -q 'when this was different' "$lesson"; then fail 'it says that something was different'; fi
