# A step that says endlessly many annotations, outputs, paths or masks does not fill the store or the daemon with them, and is not
# shown further once no more could be hidden. The jobs of others go on.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
step() { # SCRIPT: a run of it; its number is in n
    printf 'on: push\njobs:\n  a:\n    runs-on: h\n    steps:\n      - id: s\n        run: |\n          %s\n      - if: always()\n        run: echo "outcome ${{ steps.s.outcome }}"\n' "$1" >"$T/ci.yml"
    n=$(rf_drop "$T/ci.yml")
    L=$M/runs/$n/jobs/a/steps
}

say annotations
step 'seq 1 20000 | sed s/^/::warning::/'
file_is "$M/runs/$n/conclusion" success
[ "$(wc -l <"$M/runs/$n/annotations")" -lt 3000 ] || fail 'they are all kept'
equal 'told once' 1 "$(grep -c 'There are too many annotations' "$M/runs/$n/log")"
file_has "$M/runs/$n/log" '##[warning]20000'

say outputs
step 'seq 1 30000 | sed "s/.*/::set-output name=n&::v/"'
file_has "$(echo "$L"/01-*/log)" 'There are too many outputs'
file_has "$(echo "$L"/02-*/log)" 'outcome failure'
[ "$(ls "$(echo "$L"/01-*)/outputs" | wc -l)" -lt 20000 ] || fail 'they are all kept'
step 'seq 1 30000 | sed "s/$/=v/" >>"$GITHUB_OUTPUT"'
file_has "$(echo "$L"/01-*/log)" 'a step has at most 20000 outputs'
file_has "$(echo "$L"/02-*/log)" 'outcome failure'

say 'paths: as many as there are, without a comparison of each with each'
step 'seq 1000000 1400000 >>"$GITHUB_PATH"; printf "/last\n1000000\n" >>"$GITHUB_PATH"'
file_has "$(echo "$L"/01-*/conclusion)" success

say masks
step 'seq 1 20000 | sed s/^/::add-mask::secret-value-/; x=19999; echo secret-value-$x'
file_has "$(echo "$L"/02-*/log)" 'outcome failure'
equal 'told once' 1 "$(grep -c 'There are too many masks' "$M/runs/$n/log")"
file_lacks "$M/runs/$n/log" secret-value-19999

step 'for i in $(seq 40); do echo "::add-mask::$(head -c 1000000 /dev/urandom | base64 -w0)"; done; echo shown'
file_has "$(echo "$L"/02-*/log)" 'outcome failure'
equal 'large ones' 1 "$(grep -c 'There are too many masks' "$M/runs/$n/log")"
equal 'shown behind that' 0 "$(grep -c '^shown$' "$M/runs/$n/log" || :)"

say 'a secret, and a text that is nothing but beginnings of it'
step 'x=$(head -c 1000000 /dev/zero | tr "\0" a); echo "::add-mask::$x"; echo "$x$x$x"; echo shown'
file_has "$(echo "$L"/01-*/log)" 'Looking for secrets in its output takes too long: the step is ended.'
file_has "$(echo "$L"/01-*/conclusion)" failure
equal 'shown behind that' 0 "$(grep -c '^shown$' "$M/runs/$n/log" || :)"
file_lacks "$M/runs/$n/log" aaaa

say 'outputs of a job, from expressions that make much of little'
ten='{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}'
big="format('$ten', format('$ten', format('$ten', format('$ten', format('$ten', 'xxxx')))))"
printf 'on: push\njobs:\n  a:\n    runs-on: h\n    outputs: {one: "${{ %s }}", two: "${{ %s }}", three: "${{ %s }}"}\n    steps: [{run: echo}]\n' "$big" "$big" "$big" >"$T/ci.yml"
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" failure
file_has "$M/runs/$n/log" 'The outputs of a job have at most 1 MB'
equal 'kept' 'one two' "$(echo $(ls -tr "$M/runs/$n/jobs/a/outputs" | sort))"

say 'names of that kind'
printf 'on: push\nrun-name: "${{ %s }}"\njobs:\n  a:\n    runs-on: h\n    name: "${{ %s }} ${{ matrix.n }}"\n    strategy: {matrix: {n: [1, 2]}}\n    steps: [{name: "${{ %s }}", run: echo}]\n' "$big" "$big" "$big" >"$T/ci.yml"
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
for f in title jobs/a-1/steps/01-*/name; do
    [ "$(cat "$M/runs/$n/"$f | wc -c)" -le 1001 ] || fail "$f has $(cat "$M/runs/$n/"$f | wc -c) bytes"
done
