# A failed job goes on from the step that failed: its files, outputs, environment and state are those of before, the steps
# before it do not run again, posts do; without a snapshot the refusal says how to have one.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    outputs: {o: "${{ steps.one.outputs.o }}"}
    steps:
      - id: one
        run: |
          echo "ran one in attempt $GITHUB_RUN_ATTEMPT" >> trace
          echo o=kept >> $GITHUB_OUTPUT; echo "E=kept too" >> $GITHUB_ENV; mkdir -p "$HOME/bin"; echo "$HOME/bin" >> $GITHUB_PATH
          printf '#!/bin/sh\necho tool\n' > "$HOME/bin/tool"; chmod +x "$HOME/bin/tool"; echo t > /tmp/in-tmp
      - uses: actions/cache@v4
        with: {path: trace, key: "k-${{ github.run_attempt }}"}
      - id: two
        continue-on-error: true
        run: exit 5
      - run: |
          echo "three in attempt $GITHUB_RUN_ATTEMPT: ${{ steps.one.outputs.o }} $E $(tool) $(cat /tmp/in-tmp) ${{ steps.two.outcome }}"
          echo half > half-done
          test "$GITHUB_RUN_ATTEMPT" = 2
      - run: cat trace; ls half-done 2>/dev/null || echo clean; cat "$GITHUB_EVENT_PATH" >/dev/null
  b:
    needs: a
    runs-on: ubuntu-latest
    steps: [{run: 'echo "b ${{ needs.a.outputs.o }}"'}]
END
echo off >"$M/config/snapshots"
n=$(rf_drop "$T/ci.yml")
J=$M/runs/$n/jobs/a
(echo resume >"$(echo "$J"/steps/04-*/ctl)") 2>/dev/null && fail 'resumed without a snapshot'
contains 'says how' "$(cat "$J"/steps/04-*/ctl)" 'echo on > config/snapshots'

echo on >"$M/config/snapshots"
n=$(rf_drop "$T/ci.yml")
J=$M/runs/$n/jobs/a
file_is "$M/runs/$n/conclusion" failure
file_is "$J"/steps/05-*/conclusion skipped
echo resume >"$(echo "$J"/steps/04-*/ctl)"
ended "$n"
file_is "$M/runs/$n/attempt" 2
file_is "$M/runs/$n/conclusion" success
contains 'what was known' "$(step_out "$n" a 04)" 'three in attempt 2: kept kept too tool t failure'
equal 'steps before did not run again; what the failed step wrote is gone' 'ran one in attempt 1
half-done' "$(step_out "$n" a 05)"
file_has "$J"/steps/01-*/log 'Kept from the attempt before'
file_is "$J"/steps/01-*/outputs/o kept
file_has "$J"/steps/06-post-*/log 'Cache saved with key: k-1'
contains 'what needs it' "$(step_out "$n" b 01)" 'b kept'

say 'auto_rollback: posts find the last good state'
echo on >"$M/config/auto_rollback"
cat >"$T/back.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo good > state
      - run: echo bad > state; exit 1
      - if: always()
        run: cat state
END
n=$(rf_drop "$T/back.yml")
equal 'rolled back' good "$(step_out "$n" a 03)"
file_has "$M/runs/$n/jobs/a/log" 'The machine is as it was before this step'
