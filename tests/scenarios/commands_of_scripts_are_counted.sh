# Each step's script is split into its commands: what became of them, how long they took, what follows what.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
K=$M/knowledge
C=$K/commands

equal 'nothing is known at first' '' "$(ls "$C")"
equal 'and said' 'commands: 0' "$(head -n 1 "$K/stats")"

cat >"$T/ci.yml" <<'Y'
on:
  workflow_dispatch:
    inputs:
      break: { default: '0' }
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: |
          set -e
          cat >Makefile <<'E'
          all:
          	@echo built
          test:
          	@sleep 0.05; exit ${{ inputs.break }}
          E
          make -j2 all
      - run: sudo() { "$@"; }; sudo make test
      - if: always()
        run: |
          import sys
          sys.exit(0)
        shell: python3 {0}
      - if: false
        run: never --run
Y
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
equal 'the commands' 'cat make-all make-test python3-script' "$(ls "$C" | xargs)"
file_is "$C/make-all/command" 'make all'
file_is "$C/make-all/count" 1
file_is "$C/make-all/successes" 1
file_is "$C/make-all/failures" 0
file_is "$C/make-all/success_rate" 1.000
file_is "$C/make-all/variants" '1 1 0 make -j2 all'
[ "$(cat "$C/make-test/mean_ms")" -ge 50 ] || fail "make test took $(cat "$C/make-test/mean_ms") ms"
[ "$(cat "$C/make-test/p95_ms")" -ge 48 ] || fail "p95 is $(cat "$C/make-test/p95_ms") ms"

# the graph is walked with ls
equal 'what follows make all' make-test "$(ls "$C/make-all/next")"
equal 'what it follows' cat "$(ls "$C/make-all/previous")"
equal 'a walk' 'make test' "$(cat "$C/cat/next/make-all/next/make-test/command")"
equal 'edges' '1 1.000 1 0 make-test' "$(cat "$C/make-all/edges")"
equal 'its runs' "$n" "$(ls "$C/make-all/runs")"
file_is "$C/make-all/runs/$n/conclusion" success
equal 'its workflow' "$(cd "$M/workflows" && ls ./*.yml)" "./$(ls "$C/make-all/workflows")"
file_is "$(echo "$C"/make-all/workflows/*)/$n/conclusion" success

# a step leads to what it is about
steps=$M/runs/$n/jobs/build/steps
equal 'of the first' 'make all' "$(cat "$steps"/01-*/command/command)"
equal 'of the second' 'make test' "$(cat "$steps"/02-*/command/command)"
[ ! -e "$(echo "$steps"/04-*)/command" ] || fail 'a step that was skipped ran a command'

# a failure is counted where it was, and behind it nothing ran
echo break=3 >"$M/dispatch/ci.yml"
n=$(cat "$M/dispatch/ci.yml")
ended "$n"
file_is "$M/runs/$n/exit_code" 2
file_is "$C/make-all/successes" 2
file_is "$C/make-test/failures" 1
file_is "$C/make-test/success_rate" 0.500
equal 'the edge has both' '2 1.000 1 1 make-test' "$(cat "$C/make-all/edges")"
equal 'in all' 'commands: 4
runs: 8
successes: 7
failures: 1
edges: 3
unique patterns: 1' "$(cat "$K/stats")"

# what is deleted is no longer linked; what it taught stays, also over a remount
rmdir "$M/runs/$n"
equal 'its runs' "$((n - 1))" "$(ls "$C/make-test/runs")"
file_is "$C/make-test/failures" 1
rf_umount
rf_mount
file_is "$C/make-test/failures" 1
