# actions/cache: a miss saves at the end of the job, the next run has a hit; restore keys take the newest that begins so; a
# failed job saves nothing; restore and save alone; outputs and words are those of the action.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'END'
on: {push: {}, workflow_dispatch: {inputs: {key: {default: k-1}, fail: {type: boolean}}}}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - id: c
        uses: actions/cache@v4
        with:
          path: |
            deps
            ~/.tool/*.db
          key: ${{ inputs.key || 'k-1' }}
          restore-keys: |
            k-
      - run: |
          echo "[${{ steps.c.outputs.cache-hit }}] [${{ steps.c.outputs.cache-matched-key }}] [$(cat deps/f ~/.tool/x.db 2>/dev/null | paste -sd,)]"
          mkdir -p deps ~/.tool; echo "deps of ${{ inputs.key || 'k-1' }}" > deps/f; echo db > ~/.tool/x.db; echo no > ~/.tool/other
      - if: inputs.fail
        run: exit 1
END
n=$(rf_drop "$T/ci.yml")
contains 'a miss' "$(step_out "$n" a 02)" '[] [] []'
file_has "$M/runs/$n"/jobs/a/steps/01-*/log 'Cache not found for input keys: k-1, k-'
file_has "$M/runs/$n"/jobs/a/steps/04-post-*/log 'Cache saved with key: k-1'
dispatch() { printf '%s\n' "$@" >"$M/dispatch/ci.yml"; n=$(readlink "$M/runs/latest"); ended "$n"; }
dispatch key=k-1
contains 'a hit' "$(step_out "$n" a 02)" '[true] [k-1] [deps of k-1,db]'
file_has "$M/runs/$n"/jobs/a/steps/04-post-*/log 'Cache hit occurred on the primary key k-1, not saving cache.'
dispatch key=k-2 fail=true
contains 'by a restore key' "$(step_out "$n" a 02)" '[false] [k-1] [deps of k-1,db]'
file_is "$M/runs/$n"/jobs/a/steps/04-post-*/conclusion skipped
dispatch key=k-2
contains 'a failed job saved nothing' "$(step_out "$n" a 02)" '[false] [k-1]'
dispatch key=k-3
contains 'the newest' "$(step_out "$n" a 02)" '[false] [k-2] [deps of k-2,db]'

cat >"$T/parts.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir d; echo ${{ github.run_id }} > d/f
      - uses: actions/cache/save@v4
        with: {path: d, key: "part-${{ github.run_id }}"}
      - run: rm -r d
      - id: r
        uses: actions/cache/restore@v4
        with: {path: d, key: "part-${{ github.run_id }}"}
      - run: echo "${{ steps.r.outputs.cache-hit }} ${{ steps.r.outputs.cache-primary-key }} $(cat d/f)"
      - id: look
        uses: actions/cache/restore@v4
        with: {path: d, key: part, restore-keys: part-, lookup-only: true}
      - id: miss
        continue-on-error: true
        uses: actions/cache/restore@v4
        with: {path: other, key: none, fail-on-cache-miss: true}
      - run: echo "${{ steps.look.outputs.cache-hit }} ${{ steps.miss.outcome }}"
END
n=$(rf_drop "$T/parts.yml")
file_is "$M/runs/$n/conclusion" success
contains 'saved and restored' "$(step_out "$n" a 05)" "true part-$n $n"
contains 'looked up, missed' "$(step_out "$n" a 08)" 'false failure'
