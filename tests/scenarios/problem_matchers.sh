# Problem matchers turn a tool's lines into annotations: of one line and of several, from the step that adds them on, until
# they are removed; a file that is none fails the step.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          cat > gcc.json <<'J'
          {"problemMatcher": [{"owner": "gcc", "pattern": [{"regexp": "^(.*):(\\d+):(\\d+): (warning|error): (.*)$", "file": 1, "line": 2, "column": 3, "severity": 4, "message": 5}]}]}
          J
          cat > eslint.json <<'J'
          {"problemMatcher": [{"owner": "eslint", "severity": "notice", "pattern": [{"regexp": "^(\\S.*)$", "file": 1}, {"regexp": "^\\s+(\\d+):(\\d+)\\s+(error|warning)?\\s*(.*)$", "line": 1, "column": 2, "severity": 3, "message": 4, "loop": true}]}]}
          J
          echo "::add-matcher::gcc.json"
          echo "early.c:1:2: error: in the same step"
      - run: |
          printf '\033[1m%s/src/x.c:3:4:\033[0m warning: coloured\n' "$PWD"; echo "plain line"; echo "y.c:5:6: note: no"
          echo "::add-matcher::$PWD/eslint.json"
      - run: printf 'lib/a.js\n  7:8  error  first\n  9:10  warning  second\n\nnothing\n'
      - run: |
          echo "::remove-matcher owner=gcc::"
          echo "late.c:1:2: error: no more"
      - id: bad
        continue-on-error: true
        run: echo '{"problemMatcher":[{"owner":"x","pattern":[{"regexp":"("}]}]}' > bad.json; echo "::add-matcher::bad.json"
      - run: echo "${{ steps.bad.outcome }}"
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
equal annotations 'early.c:1:2: error: in the same step
src/x.c:3:4: warning: coloured
lib/a.js:7:8: error: first
lib/a.js:9:10: warning: second' "$(grep -v 'add-matcher\|the regexp' "$M/runs/$n/annotations")"
file_has "$M/runs/$n"/jobs/a/steps/02-*/log '##[warning]/' # without the colours
file_has "$M/runs/$n"/jobs/a/steps/02-*/log 'src/x.c:3:4: warning: coloured'
file_has "$M/runs/$n"/jobs/a/steps/05-*/log "the regexp '(' is wrong at character 2"
contains outcome "$(step_out "$n" a 06)" failure

say 'one that tries for too long is taken away, with a warning'
cat >"$T/costly.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo '{"problemMatcher":[{"owner":"costly","pattern":[{"regexp":"^(?:a|a|b)+(.+)+(a+)+$","message":1}]},{"owner":"good","pattern":[{"regexp":"^bad: (.*)$","message":1}]}]}' > m.json
          echo "::add-matcher::$PWD/m.json"
      - run: |
          yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac | head -2000
          echo 'bad: found'
END
n=$(rf_drop "$T/costly.yml")
file_is "$M/runs/$n/conclusion" success
equal 'it is told once' 1 "$(grep -c "##\[warning\]Removing issue matcher 'costly': it took too long" "$M/runs/$n/log")"
file_has "$M/runs/$n/annotations" 'error: found'

say 'each counts from the line that adds it to the line that removes it, and every line once'
cat >"$T/turns.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo '{"problemMatcher":[{"owner":"one","pattern":[{"regexp":"^\\u0045RR: (.+)$","message":1}]},{"owner":"two","pattern":[{"regexp":"^BAD: (.+)$","message":1}]}]}' > both.json
          echo '{"problemMatcher":[{"owner":"ONE","pattern":[{"regexp":"^ERR: (.+) END$","message":1}]}]}' > other.json
          echo '{"problemMatcher":[{"owner":"at","pattern":[{"regexp":"^in (.+)$","fromPath":1},{"regexp":"^(.+): (.+)$","file":1,"message":2}]}]}' > from.json
          echo "ERR: too early"; echo "::add-matcher::both.json"; echo "ERR: 1"; echo "BAD: 2"
          echo "::add-matcher::other.json"; echo "ERR: 3 END"; echo "ERR: another's"; echo "BAD: 4"
          echo "::remove-matcher owner=two::"; echo "BAD: too late"
          echo "::add-matcher::from.json"; echo "in sub/project.x"; echo "a.c: 5"
      - run: |
          echo "ERR: 6 END"; echo "::add-matcher::both.json"; echo "BAD: 7"
          echo "::remove-matcher::both.json"; echo "ERR: gone END"; echo "BAD: gone"
END
n=$(rf_drop "$T/turns.yml")
file_is "$M/runs/$n/conclusion" success
equal 'what was found' 'error: 1
error: 2
error: 3
error: 4
sub/a.c: error: 5
error: 6
error: 7' "$(cat "$M/runs/$n/annotations")"

say 'a file that could not mean what it says is refused, with the words of GitHub'
{
    printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'
    while read -r patterns; do
        printf '      - continue-on-error: true\n        run: |\n'
        printf '          echo '"'"'{"problemMatcher":[%s]}'"'"' > m.json; echo "::add-matcher::m.json"\n' "$patterns"
    done <<'END'
{"owner":"x","pattern":[{"regexp":"^(.+)$","message":1,"loop":true}]}
{"owner":"x","pattern":[{"regexp":"^(.+)$","message":1},{"regexp":"^(.+)$","file":1,"loop":true}]}
{"owner":"x","pattern":[{"regexp":"^(.+)$","file":1}]}
{"owner":"x","pattern":[{"regexp":"^(.+)$","file":1},{"regexp":"^(.+)$","file":1,"message":1}]}
{"owner":"x","pattern":[{"regexp":"^(.+)$","message":2}]}
{"owner":"x","pattern":[]}
{"owner":"","pattern":[{"regexp":"^(.+)$","message":1}]}
{"owner":"x","severity":"bad","pattern":[{"regexp":"^(.+)$","message":1}]}
{"owner":"x","pattern":[{"regexp":"^(.+)$","message":1}]},{"owner":"X","pattern":[{"regexp":"^(.+)$","message":1}]}
END
} >"$T/wrong.yml"
n=$(rf_drop "$T/wrong.yml")
equal 'each step failed' 9 "$(cat "$M/runs/$n"/jobs/a/steps/*/outcome | grep -c failure)"
equal 'why' "Only the last pattern in a multiline matcher may set 'loop'
The loop pattern must set 'message'
At least one pattern must set 'message'
The property 'file' is set twice
The property 'message' is set to an invalid value
Matcher 'x' does not contain any patterns
Owner must not be empty
Matcher 'x' contains unexpected default severity 'bad'
Duplicate owner name 'X'" "$(grep -v 'Unable to process\|exit code' "$M/runs/$n/annotations" | sed 's/^error: //')"
