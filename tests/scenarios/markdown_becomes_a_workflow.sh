# A page of Markdown with scripts in it is dropped as any workflow is: its sh blocks are steps, named by their headings. What
# cannot be one is refused with its line, and nothing changes.
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/release.md" <<'E2'
# How to release: "all" of it

Some words, and an example of what it prints, which is no script:

```console
$ made
```

## Build it

```sh
echo "built: $((1 + 1))"
echo ${{ github.event_name }}
```

Once more:

```bash cwd=/tmp timeout=90
pwd; set -o | grep pipefail
```

## May fail ${{ secrets.X }}

```sh continue-on-error
exit 3
```

## In Python

```python
import sys
if sys.version_info[0] == 3:
    print('python 3')
```

```yaml
on: nothing
```
E2
cp "$T/release.md" "$M/workflows/"
equal 'one run' 1 "$(runs)"
n=$(readlink "$M/runs/latest")
ended "$n"
file_is "$M/runs/$n/conclusion" success
file_is "$M/runs/$n/name" 'How to release: "all" of it'
equal 'the steps' 'Build it|Build it: pwd; set -o | grep pipefail|May fail $ {{ secrets.X }}|In Python' "$(cat "$M/runs/$n"/jobs/run/steps/*/name | paste -sd'|')"
equal 'the first' "$(printf 'built: 2\npush')" "$(step_out "$n" run 01)"
equal 'the second' "$(printf '/tmp\npipefail       \ton')" "$(step_out "$n" run 02)"
file_is "$(echo "$M/runs/$n"/jobs/run/steps/03-*/outcome)" failure
file_is "$(echo "$M/runs/$n"/jobs/run/steps/03-*/conclusion)" success
equal 'the last' 'python 3' "$(step_out "$n" run 04)"
file_has "$M/workflows/release.yml" '# made from release.md'
file_has "$M/workflows/release.yml" 'timeout-minutes: 1.5'
"$RUNFS" lint "$M/workflows/release.yml" || fail 'what it made is no workflow'
equal 'the page itself' "$(cat "$T/release.md")" "$(cat "$M/workflows/release.md")"

# every way of writing it starts one run
cat "$T/release.md" >"$M/workflows/release.md"
equal 'cat' 2 "$(runs)"
tee "$M/workflows/release.md" <"$T/release.md" >/dev/null
equal 'tee' 3 "$(runs)"
cp "$T/release.md" "$M/workflows/.release.md.tmp"
equal 'a temporary file' 3 "$(runs)"
mv "$M/workflows/.release.md.tmp" "$M/workflows/release.md"
equal 'mv over it' 4 "$(runs)"

bad() { # NAME WORDS: a page from standard input that is refused
    cat >"$T/$1"
    refused cp "$T/$1" "$M/workflows/"
    file_has "$M/errors/$1" "$2"
    refused test -e "$M/workflows/${1%.md}.yml"
}
bad empty.md "empty.md (Line: 1, Col: 1): there is no script in it" <<<'# Nothing to run'
bad option.md "option.md (Line: 2, Col: 1): a script's block takes timeout=SECONDS, continue-on-error and cwd=DIRECTORY, not tiemout=3" \
    <<<$'words\n```sh tiemout=3\ntrue\n```'
bad time.md "time.md (Line: 1, Col: 1): timeout is a number of seconds, not soon" <<<$'```sh timeout=soon\ntrue\n```'
bad hollow.md "hollow.md (Line: 1, Col: 1): the block is empty" <<<$'```sh\n\n```'
printf '```sh\ntrue\n\0```\n' >"$T/zero.md"
refused cp "$T/zero.md" "$M/workflows/"
file_has "$M/errors/zero.md" 'NUL'
workflow "$T/taken.yml" 'true'
rf_drop "$T/taken.yml" >/dev/null
printf '```sh\ntrue\n```\n' >"$T/taken.md"
refused cp "$T/taken.md" "$M/workflows/"
file_has "$M/errors/taken.md" 'workflows/taken.yml is there already'
equal 'nothing else ran' 5 "$(runs)"
# what looks like YAML in a page stays text
printf '# x\n    - run: evil\n\n## a: b #c\n```sh\n- run: "quoted\\"\n# not a comment\n\techo tab\n\n  echo indented\n```\n```sh\n echo leads with a blank\n```\n' >"$T/sly.md"
cp "$T/sly.md" "$M/workflows/"
"$RUNFS" lint "$M/workflows/sly.yml" || fail 'what it made is no workflow'
n=$(readlink "$M/runs/latest")
ended "$n"
equal 'its script' "$(printf -- '- run: "quoted\\"\n# not a comment\n\techo tab\n\n  echo indented')" "$(cat "$M/runs/$n"/jobs/run/steps/01-*/script)"
equal 'its steps' 'a: b #c|a: b #c:  echo leads with a blank' "$(cat "$M/runs/$n"/jobs/run/steps/*/name | paste -sd'|')"

say 'without a mount'
rf_run "$T/release.md"
contains 'runfs run' "$(cat "$T/out")" 'built: 2'
"$RUNFS" plan "$T/release.md" >"$T/plan" || fail 'cannot be planned'
file_has "$T/plan" 'How to release'
exits 2 "$RUNFS" run "$T/empty.md"
file_has "$T/err" 'there is no script in it'
