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
lib/a.js:9:10: warning: second' "$(grep -v 'add-matcher' "$M/runs/$n/annotations")"
file_has "$M/runs/$n"/jobs/a/steps/02-*/log '##[warning]'
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
