# Needs, outputs, matrix, conditions, environments and files, as GitHub runs them.
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/l.yml" <<'Y'
on: push
env: {A: workflow, B: workflow, C: workflow}
defaults: {run: {shell: bash}}
jobs:
  make:
    runs-on: ubuntu-latest
    env: {B: job, C: job}
    outputs: {v: "${{ steps.s.outputs.v }}", many: "${{ steps.s.outputs.many }}"}
    steps:
      - id: s
        env: {C: step}
        run: |
          echo "$A $B $C"
          echo v=1 >> $GITHUB_OUTPUT
          { echo 'many<<EOF'; echo one; echo two; echo EOF; } >> $GITHUB_OUTPUT
          echo D=file >> $GITHUB_ENV
          mkdir bin; printf '#!/bin/sh\necho from-path\n' > bin/mytool; chmod +x bin/mytool
          echo $PWD/bin >> $GITHUB_PATH
      - run: echo "$C $D ${{ env.D }}"; mytool
      - run: '[[ $SHELLOPTS == *pipefail* ]] && echo pipefail'
      - shell: sh
        run: echo "$0" | grep -q sh && echo is-sh
      - shell: python
        run: |
          import sys
          print("python", sys.version_info[0])
      - shell: cat {0}
        run: custom shell
      - working-directory: bin
        run: basename $PWD
      - id: soft
        continue-on-error: true
        run: exit 4
      - run: echo "${{ steps.soft.outcome }} ${{ steps.soft.conclusion }} ${{ job.status }}"
  grid:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        os: [a, b]
        n: [1, 2]
        exclude: [{os: b, n: 2}]
        include: [{os: a, extra: x}, {os: c, n: 9}]
    steps:
      - run: echo "${{ matrix.os }} ${{ matrix.n }} ${{ matrix.extra }}"
  use:
    needs: [make, grid]
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo "${{ needs.make.outputs.v }} ${{ needs.make.outputs.many }} ${{ needs.grid.result }}"
          test "$GITHUB_REF_NAME $GITHUB_EVENT_NAME $CI $RUNNER_OS" = 'main push true Linux'
          python3 -c "import json; assert json.load(open('$GITHUB_EVENT_PATH'))['ref'] == 'refs/heads/main'"
  broken:
    runs-on: ubuntu-latest
    steps:
      - run: exit 5
      - run: echo not reached
      - if: failure()
        run: echo on failure
      - if: always()
        run: echo always
  skipped:
    needs: broken
    runs-on: ubuntu-latest
    steps: [{run: echo no}]
  after-skipped:
    needs: skipped
    runs-on: ubuntu-latest
    steps: [{run: echo no}]
  rescue:
    needs: [skipped, after-skipped]
    if: failure()
    runs-on: ubuntu-latest
    steps: [{run: echo rescued}]
Y
n=$(rf_drop "$T/l.yml")
J=$M/runs/$n/jobs
out() { cat "$J/$1/steps/$2"-*/stdout; }
equal 'env levels' 'workflow job step' "$(out make 01)"
equal 'env and path files' $'job file file\nfrom-path' "$(out make 02)"
equal 'bash by name has pipefail' pipefail "$(out make 03)"
equal 'sh' is-sh "$(out make 04)"
equal 'python' 'python 3' "$(out make 05)"
equal 'custom shell' 'custom shell' "$(out make 06)"
equal 'working-directory' bin "$(out make 07)"
equal 'continue-on-error' 'failure success success' "$(out make 09)"
equal 'heredoc output' $'one\ntwo' "$(cat "$J/make/outputs/many")"
equal 'combinations' 'grid-a-1-x grid-a-2-x grid-b-1 grid-c-9' "$(ls "$J" | grep grid | sed 's/grid-a-\([12]\)$/grid-a-\1-x/' | tr '\n' ' ' | sed 's/ $//')"
equal 'an included value' 'a 1 x' "$(cat "$J"/grid-a-1*/steps/01-*/stdout)"
equal 'an included combination' 'c 9 ' "$(cat "$J"/grid-c-9*/steps/01-*/stdout)"
"$PYTHON" -c "import json,sys; assert json.load(open(sys.argv[1]))['n'] == 9" "$J"/grid-c-9*/matrix.json
contains 'needs' "$(out use 01)" '1 one'
contains 'needs' "$(out use 01)" 'two success'
equal 'use' success "$(cat "$J/use/conclusion")"
equal 'after a failure' skipped "$(cat "$J"/broken/steps/02-*/conclusion)"
equal 'failure()' 'on failure' "$(out broken 03)"
equal 'always()' always "$(out broken 04)"
equal 'needs a failed job' skipped "$(cat "$J/skipped/conclusion")"
equal 'needs a skipped job' skipped "$(cat "$J/after-skipped/conclusion")"
equal 'failure() looks through needs' rescued "$(out rescue 01)"
equal 'run' 'failure 5' "$(cat "$M/runs/$n/conclusion") $(cat "$M/runs/$n/exit_code")"
