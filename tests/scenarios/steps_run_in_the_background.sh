# Steps in the background: the job goes on while they run, each has its own log, and what one leaves (outputs, environment, path,
# outcome) is there behind the step that waits for it. Groups, cancelled steps, failures, time limits, and at most ten at once.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo host >"$M/config/labels/plain"
meet='until [ -e "$F" ]; do sleep 0.02; done'
cat >"$T/ci.yml" <<END
on: push
env: {MEET: '$meet'}
defaults: {run: {shell: bash}}
jobs:
  service: &service
    runs-on: ubuntu-latest
    steps:
      - name: Service
        id: service
        background: true
        run: |
          echo "value=from behind" >>"\$GITHUB_OUTPUT"; echo "SEEN=yes" >>"\$GITHUB_ENV"; mkdir bin; echo "\$PWD/bin" >>"\$GITHUB_PATH"
          printf '#!/bin/sh\\necho tool\\n' >bin/tool; chmod +x bin/tool
          echo up; touch up; F=asked; eval "\$MEET"; echo down
      - run: F=up; eval "\$MEET"; echo "[\${{ steps.service.outputs.value }}\${{ steps.service.outcome }}] [\$SEEN] \$(tool 2>/dev/null || echo none)"; touch asked
      - wait: service
      - run: echo "\${{ steps.service.outputs.value }}, \${{ steps.service.outcome }}, \$SEEN, \$(tool)"
  plain:
    <<: {}
    runs-on: plain
    steps: [{id: a, run: 'F=b; touch a; eval "\$MEET"; echo a', background: true}, {run: 'F=a; touch b; eval "\$MEET"'}, {wait: [a]}]
END
sed -i '/<<: {}/d; s/ &service//' "$T/ci.yml"
cat >>"$T/ci.yml" <<'END'
  group:
    runs-on: ubuntu-latest
    steps:
      - parallel:
          - {name: Build a, id: a, run: 'touch a; F=b; eval "$MEET"; echo one; echo x=1 >>"$GITHUB_OUTPUT"'}
          - {run: 'touch b; F=a; eval "$MEET"; echo two'}
      - run: echo ${{ steps.a.outputs.x }}
  many:
    runs-on: ubuntu-latest
    steps:
      - parallel: [{run: &w 'echo $$ >"$$.w"; F=go; eval "$MEET"; rm "$$.w"'}, {run: *w}, {run: *w}, {run: *w}, {run: *w}, {run: *w},
            {run: *w}, {run: *w}, {run: *w}, {run: 'until [ $(ls *.w | wc -l) = 9 ]; do sleep 0.02; done; sleep 0.2; ls; touch go'}, {run: 'touch eleven'}]
      - run: ls
  cancelled:
    runs-on: ubuntu-latest
    steps:
      - {id: server, background: true, run: 'trap "echo heard it; exit 3" INT; touch up; while :; do sleep 0.02; done'}
      - run: F=up; eval "$MEET"
      - {name: Stop, cancel: server}
      - run: echo "${{ steps.server.outcome }}, ${{ job.status }}"
  fails:
    runs-on: ubuntu-latest
    steps:
      - {name: Bad, id: bad, background: true, run: 'touch bad; exit 5'}
      - run: F=bad; eval "$MEET"; sleep 0.2; echo goes on
      - wait-all:
      - run: echo never
      - {if: failure(), run: 'echo "${{ steps.bad.outcome }}"'}
  unwaited:
    runs-on: ubuntu-latest
    steps: [{background: true, run: exit 6}, {run: sleep 0.2}, {run: echo goes on}]
  soft:
    runs-on: ubuntu-latest
    steps:
      - {id: soft, background: true, continue-on-error: true, run: exit 1}
      - {id: late, background: true, continue-on-error: true, timeout-minutes: 0.002, run: sleep 60}
      - wait-all:
      - run: echo "${{ steps.soft.outcome }} ${{ steps.soft.conclusion }} ${{ steps.late.outcome }}"
  left:
    runs-on: ubuntu-latest
    steps:
      - {id: start, background: true, run: 'setsid sh -c "while :; do date +%N >now; sleep 0.02; done" >/dev/null 2>&1 &'}
      - wait: start
      - run: F=now; eval "$MEET"; a=$(cat now); for i in $(seq 100); do [ "$a" = "$(cat now)" ] || exit 0; sleep 0.02; done; exit 1
  composite:
    runs-on: ubuntu-latest
    steps:
      - run: |
          mkdir act; cat >act/action.yml <<'A'
          name: two
          description: at once
          inputs: {n: {required: true}}
          outputs: {o: {value: "${{ '${{' }} steps.i.outputs.v }}"}}
          runs:
            using: composite
            steps:
              - {id: i, shell: bash, run: 'echo "v=of ${{ '${{' }} inputs.n }}" >>"$GITHUB_OUTPUT"; echo "IN=${{ '${{' }} inputs.n }}" >>"$GITHUB_ENV"'}
              - {shell: bash, run: 'echo "inside $IN"'}
          A
      - {id: c, background: true, uses: ./act, with: {n: 1}}
      - {id: d, background: true, uses: ./act, with: {n: 2}}
      - wait: [c, d]
      - run: echo "${{ steps.c.outputs.o }}, ${{ steps.d.outputs.o }}"
  event:
    runs-on: ubuntu-latest
    steps:
      - parallel: [{run: &e 'stat -c %y "$GITHUB_EVENT_PATH"; sleep 0.1'}, {run: *e}, {run: *e}, {run: *e}, {run: *e}, {run: *e}]
  nothing:
    runs-on: ubuntu-latest
    steps: [{wait-all: }]
END
n=$(rf_drop "$T/ci.yml")
J=$M/runs/$n/jobs
job() { cat "$J/$1/conclusion"; }
line() { tail -n 1 "$J/$1"/steps/"$2"-*/stdout; } # JOB NN

equal 'before somebody waits' '[] [] none' "$(line service 02)"
equal 'behind it' 'from behind, success, yes, tool' "$(line service 04)"
equal 'a log of its own' $'up\ndown' "$(cat "$J"/service/steps/01-service/stdout)"
contains 'what it waits for' "$(cat "$J"/service/steps/03-wait/log)" $'Waiting for: Service\nService: success'
equal 'plain processes' success "$(job plain)"
equal 'a group' '1 one two' "$(line group 04) $(line group 01) $(line group 02)"
equal 'the steps of a group and what waits for it' '01-build-a 03-parallel-group' "$(cd "$J/group/steps" && echo 01-* 03-*)"
equal 'ten at once, then the next' 'success eleven go' "$(job many) $(cat "$J"/many/steps/13-*/stdout | tr '\n' ' ' | sed 's/ $//')"
lacks 'the eleventh' "$(cat "$J"/many/steps/10-*/stdout)" eleven
equal 'one that is not wanted any more' 'success cancelled, success' "$(job cancelled) $(line cancelled 04)"
file_has "$(echo "$J"/cancelled/steps/01-*/log)" 'heard it'
equal 'which is no mistake' '' "$(grep -s 'cancelled' "$M/runs/$n/annotations" || :)"
equal 'one that fails' 'failure success failure skipped failure' \
    "$(job fails) $(cat "$J"/fails/steps/0[234]-*/conclusion | tr '\n' ' ')$(line fails 05)"
equal 'one that nobody waits for' 'failure 6 goes on' "$(job unwaited) $(cat "$J/unwaited/exit_code") $(line unwaited 03)"
equal 'failures that may be' 'success failure success failure' "$(job soft) $(line soft 04)"
equal 'what it left running goes on' success "$(job left)"
equal 'composite actions side by side' 'of 1, of 2' "$(line composite 05)"
equal 'each with its own environment' 'inside 1 inside 2' "$(line composite 02) $(line composite 03)"
equal 'the event is written once for all' 1 "$(cat "$J"/event/steps/0[1-6]-*/stdout | sort -u | wc -l)"
equal 'nothing to wait for' success "$(job nothing)"

# while one runs there is no snapshot; behind it there is, with all that it left
echo on >"$M/config/snapshots"
cat >"$T/again.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - {id: s, background: true, run: 'echo v=1 >>"$GITHUB_OUTPUT"; echo E=2 >>"$GITHUB_ENV"; touch f'}
      - {wait: s}
      - run: 'echo "${{ steps.s.outputs.v }} $E $(ls)"; [ "$GITHUB_RUN_ATTEMPT" = 2 ]'
      - {background: true, run: 'sleep 0.3'}
      - run: 'false'
END
n=$(rf_drop "$T/again.yml")
echo resume >"$(echo "$M/runs/$n"/jobs/a/steps/03-*/ctl)"
rf_wait 20 grep -q 2 "$M/runs/$n/attempt"
ended "$n"
equal 'resumed behind it' '1 2 f' "$(step_out "$n" a 03)"
refused sh -c "echo resume >'$(echo "$M/runs/$n"/jobs/a/steps/05-*/ctl)'"
file_has "$(echo "$M/runs/$n"/jobs/a/steps/05-*/ctl)" 'but while others run in the background'

# the machine is put back as it was before what one of them left running
echo on >"$M/config/auto_rollback"
cat >"$T/back.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo one
      - {id: s, background: true, run: 'setsid sleep 100 >/dev/null 2>&1 </dev/null & touch f'}
      - {wait: s}
      - run: 'touch g; exit 3'
      - {id: t, if: always(), background: true, run: 'echo "[$(ls)]"'}
END
n=$(rf_drop "$T/back.yml")
equal 'put back' '3 []' "$(cat "$M/runs/$n/jobs/a/exit_code") $(step_out "$n" a 05)"
file_has "$M/runs/$n/jobs/a/log" 'The machine is as it was before this step'
echo off >"$M/config/auto_rollback"
echo auto >"$M/config/snapshots"

# all of it is seen as it is
plan=$("$RUNFS" plan --json "$T/ci.yml")
contains 'the plan' "$plan" 'Parallel group'
file_has "$M/runs/1/workflow.expanded.yml" parallel
cat >"$T/bad.yml" <<'END'
on: push
jobs: {a: {runs-on: x, steps: [{id: a, run: 'true', background: true}, {wait: b}, {parallel: [{run: 'true', background: true}]}]}}
END
refused "$RUNFS" lint "$T/bad.yml"
file_has "$T/out" "Step references unknown step ID 'b'"
file_has "$T/out" "'background' is not allowed inside a parallel block"
