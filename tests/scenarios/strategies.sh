# Matrices from expressions, include and exclude, their errors in GitHub's words; names; results and outputs of a job
# with several combinations; continue-on-error and environments that depend on the matrix.
. "$(dirname "$0")/lib.sh"
rf_mount
echo 8 >"$M/config/slots"
echo host >"$M/config/labels/h"
cat >"$T/m.yml" <<'Y'
on: push
run-name: ${{ github.event_name }} by ${{ github.workflow }}
permissions: {contents: read}
jobs:
  list:
    runs-on: h
    outputs: {matrix: '{"os": ["a", "b"], "v": [1, 2], "exclude": [{"os": "b", "v": "2"}], "include": [{"os": "a", "v": 1, "extra": true}, {"os": "c"}]}', none: "[]", many: "${{ steps.m.outputs.many }}"}
    steps: [{id: m, run: 'echo "many=[$(seq -s, 17)]" >>$GITHUB_OUTPUT'}]
  all:
    needs: list
    strategy: {fail-fast: false, matrix: "${{ fromJSON(needs.list.outputs.matrix) }}"}
    continue-on-error: ${{ matrix.os == 'c' }}
    environment: {name: "env-${{ matrix.os }}", url: "https://${{ matrix.os }}.example/${{ steps.s.outputs.path }}"}
    permissions: {issues: write}
    runs-on: h
    outputs: {who: "${{ matrix.os }}${{ matrix.v }}", sometimes: "${{ matrix.extra && 'yes' || '' }}"}
    steps:
      - id: s
        run: |
          echo "${{ strategy.job-index }} of ${{ strategy.job-total }}, ${{ strategy.max-parallel }}, ${{ strategy.fail-fast }}, ${{ matrix.extra }}"
          echo path=${{ strategy.job-index }} >>$GITHUB_OUTPUT
          test ${{ matrix.os }} != c
  named:
    needs: list
    name: the ${{ matrix.os || 'one' }} of ${{ needs.list.result }}
    strategy: {matrix: {os: [x]}}
    runs-on: h
    steps: [{run: echo}]
  empty:
    needs: list
    strategy:
      matrix:
        v: ${{ fromJSON(needs.list.outputs.none) }}
    runs-on: h
    steps: [{run: echo}]
  many:
    needs: list
    strategy: {matrix: {a: "${{ fromJSON(needs.list.outputs.many) }}", b: "${{ fromJSON(needs.list.outputs.many) }}"}}
    runs-on: h
    steps: [{run: echo}]
  gone:
    strategy: {matrix: {a: [1], exclude: [{a: 1}]}}
    runs-on: h
    steps: [{run: "echo '[${{ matrix.a }}] ${{ strategy.job-total }}'"}]
  after:
    needs: all
    runs-on: h
    steps: [{run: "echo '${{ needs.all.result }} ${{ needs.all.outputs.sometimes }} ${{ needs.all.outputs.who != '' }}'"}]
  notafter:
    needs: [empty, after]
    runs-on: h
    steps: [{run: echo}]
  told:
    needs: notafter
    if: failure() && needs.notafter.result == 'skipped'
    runs-on: h
    steps: [{run: echo told}]
Y
n=$(rf_drop "$T/m.yml")
R=$M/runs/$n J=$M/runs/$n/jobs
file_is "$R/title" 'push by m.yml'
equal 'the combinations' 'all-a-1 all-a-2 all-b-1 all-c' "$(cd "$J" && echo all-*)"
equal 'their names' 'all (a, 1)|all (a, 2)|all (b, 1)|all (c)' "$(cat "$J"/all-*/name | paste -sd'|')"
equal 'job-index' '0 of 4, 4, false, true' "$(step_out "$n" all-a-1 01)"
equal 'and' '2 of 4, 4, false, ' "$(step_out "$n" all-b-1 01)"
file_is "$J/all-a-1/matrix.json" '{"os":"a","v":1,"extra":true}'
file_is "$J/all-b-1/environment" env-b
file_is "$J/all-b-1/environment_url" https://b.example/2
file_is "$J/all-a-1/permissions" $'issues: write\nmetadata: read'
file_is "$J/list/permissions" $'contents: read\nmetadata: read'
refused test -e "$J/list/environment"
file_is "$J/all-a-2/outputs/who" a2
file_is "$J/all-b-1/outputs/who" b1
refused test -e "$J/all-a-2/outputs/sometimes"
file_is "$J/all-c/conclusion" failure
equal 'a spared failure' 'success yes true' "$(step_out "$n" after 01)"
file_is "$J/named-x/name" 'the x of success'
file_is "$J/empty/conclusion" failure
file_has "$R/annotations" "Error when evaluating 'strategy' for job 'empty'. m.yml (Line: 33, Col: 12): Matrix vector 'v' does not contain any values"
file_has "$R/annotations" "Error when evaluating 'strategy' for job 'many'. m.yml (Line: 38, Col: 24): Strategy produced 289 configurations which exceeds the maximum of 256 configurations"
equal 'all excluded' '[] 1' "$(step_out "$n" gone 01)"
file_is "$J/notafter/conclusion" skipped
equal 'failure() looks further back' told "$(step_out "$n" told 01)"
file_is "$R/conclusion" failure
# the plan said the same, as far as it could
equal 'planned' 'waits for needs: ${{ fromJSON(needs.list.outputs.matrix) }}' "$(jq -r '.jobs[] | select(.id == "all") | .matrix_why' "$R/plan.json")"

# some of it by the command line
cat >"$T/some.yml" <<'Y'
on: push
jobs:
  a: {runs-on: h, steps: [{run: echo a}]}
  b: {needs: a, strategy: {matrix: {os: [x, y], v: [1, 2]}}, runs-on: h, steps: [{run: "echo b-${{ matrix.os }}${{ matrix.v }}-"}]}
  c: {needs: b, runs-on: h, steps: [{run: echo c}]}
Y
exits 0 "$RUNFS" run --state "$T/s2" --label h=host --job b --matrix os:y --matrix v:2 --json "$T/some.yml"
exits 0 "$RUNFS" run --state "$T/s3" --label h=host --job b --matrix os:y "$T/some.yml"
contains 'one of them' "$(cat "$T/out")" b-y1-
contains 'another' "$(cat "$T/out")" b-y2-
lacks 'not x' "$(cat "$T/out")" b-x1-
contains 'what it needs' "$(cat "$T/out")" '==> a / '
lacks 'not c' "$(cat "$T/out")" '==> c / '
exits 1 "$RUNFS" run --state "$T/s4" --label h=host --job b --matrix os:z "$T/some.yml"

# an environment that is an expression as a whole: a name, or a mapping
cat >"$T/environments.yml" <<'Y'
on: push
jobs:
  whole:
    runs-on: h
    environment: ${{ fromJSON('{"name":"prod","url":"https://prod.example/"}') }}
    steps: [{run: 'true'}]
  name:
    runs-on: h
    environment: ${{ format('env-{0}', 1) }}
    steps: [{run: 'true'}]
  unknown:
    runs-on: h
    environment: ${{ fromJSON('{"name":"prod","uri":"x"}') }}
    steps: [{run: 'true'}]
  nameless:
    runs-on: h
    environment: ${{ fromJSON('{"url":"x"}') }}
    steps: [{run: 'true'}]
Y
J=$M/runs/$(rf_drop "$T/environments.yml")/jobs
file_is "$J/whole/environment" prod
file_is "$J/whole/environment_url" https://prod.example/
file_is "$J/name/environment" env-1
file_is "$J/unknown/conclusion" failure
file_has "$J/unknown/why" "environments.yml (Line: 13, Col: 18): Unexpected value 'uri'"
file_has "$J/nameless/why" "environments.yml (Line: 17, Col: 18): Required property is missing: name"
