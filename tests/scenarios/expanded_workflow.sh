# runs/N/workflow.expanded.yml: everything written out, valid for lint, with the matrices that the run came to, no secrets.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo hush-hush-hush >"$M/secrets/TOKEN"
cat >"$T/ci.yml" <<'Y'
on: push
defaults: {run: {shell: bash}}
env: &env {A: "1"}
jobs:
  list:
    runs-on: ubuntu-latest
    outputs: {m: "${{ steps.m.outputs.m }}"}
    steps: [{id: m, run: 'echo ''m=["x", "y"]'' >>"$GITHUB_OUTPUT"'}]
  known:
    runs-on: ubuntu-latest
    strategy: {matrix: {v: [1, 2], exclude: [{v: 2}], include: [{v: 3, w: a}]}}
    env: *env
    steps: [{run: 'test -n "${{ secrets.TOKEN }}"'}]
  later:
    needs: list
    if: github.ref_name == 'main'
    strategy: {matrix: {v: "${{ fromJSON(needs.list.outputs.m) }}"}}
    runs-on: ubuntu-latest
    steps: [{run: echo}]
Y
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
X=$M/runs/$n/workflow.expanded.yml
exits 0 "$RUNFS" lint "$X"
equal 'its size' "$(stat -c %s "$X")" "$(wc -c <"$X")"
file_has "$X" 'if: success() && (github.ref_name =='
file_has "$X" 'shell: bash
'
file_has "$X" '    strategy:
      fail-fast: true
      matrix:
        include:
        - v: 1
        - v: 3
          w: a
'
file_has "$X" '        include:
        - v: x
        - v: y
'
file_has "$X" '    env:
      A: '"'1'"'
'
# shellcheck disable=SC2016
file_has "$X" '${{ secrets.TOKEN }}'
file_lacks "$X" hush
file_lacks "$X" '&env'
file_is "$M/runs/$n/workflow.yml" "$(cat "$T/ci.yml")"
