# What stands for act's options, as docs/migrating.md says: each row that `runfs run` and `plan` can show is done here. Files of
# secrets, variables, inputs and the environment are read as a .env is; act's short options are answered with ours.
. "$(dirname "$0")/lib.sh"
need git
R=$T/r
mkdir -p "$R/.github/workflows" "$T/other"
git -C "$T" init -q -b main r
cat >"$R/.github/workflows/ci.yml" <<'Y'
on: {push: , pull_request: , workflow_dispatch: {inputs: {to: {type: string, default: nobody}, many: {type: number, default: 1}}}}
jobs:
  build:
    runs-on: ubuntu-latest
    strategy: {matrix: {v: [1, 2]}}
    steps:
      - env: {SECRET: "${{ secrets.S }}", KEY: "${{ secrets.KEY }}", VARS: "${{ vars.V }}|${{ vars.Q }}|${{ vars.W }}"}
        run: |
          echo "v=${{ matrix.v }} by ${{ github.actor }} for ${{ github.event_name }} ${{ github.event.action }}"
          echo "secret of ${#SECRET}: $SECRET"; echo "$KEY" | wc -l
          echo "var=$VARS env=$E|$F"
          echo "to=${{ inputs.to }} many=${{ inputs.many }}"
  after: {needs: build, runs-on: ubuntu-latest, steps: [{run: "echo was built"}]}
  aside: {runs-on: ubuntu-latest, steps: [{run: "echo aside"}]}
Y
workflow "$R/.github/workflows/docs.yml" 'echo docs'
workflow "$T/other/one.yml" 'echo one of others'
git_commit "$R"
cd "$R"
run() { exits "$1" "$RUNFS" run --state "$STATE" --label '*=host' "${@:2}"; }
does() { grep -Fqx -- "$1" "$T/out" || fail "no line '$1' in: $(cat "$T/out")"; }
does_not() { if grep -Fqx -- "$1" "$T/out"; then fail "there is '$1' in: $(cat "$T/out")"; fi; }

run 0
for line in 'v=1 by root for push ' 'v=2 by root for push ' 'was built' aside docs; do does "${line/ root / $(id -un) }"; done
echo '{"action": "opened", "pull_request": {"number": 1, "head": {"ref": "x"}, "base": {"ref": "main"}}}' >"$T/f.json"
run 0 --event pull_request --payload "$T/f.json" --actor alice
does 'v=2 by alice for pull_request opened'
does_not docs
exits 0 "$RUNFS" plan
for part in ci.yml build after aside docs.yml; do contains 'the plan' "$(cat "$T/out")" "$part"; done
exits 0 "$RUNFS" plan --event pull_request .github/workflows
contains 'why not' "$(cat "$T/out")" 'docs.yml'
run 0 --job after
does 'was built'
does_not aside
does_not docs
run 0 --job build --matrix v:2
does_not "v=1 by $(id -un) for push "
run 0 "$T/other/one.yml"
does 'one of others'
run 0 "$T/other"
does 'one of others'
cd "$T"
run 0 "$R"
does docs
cd "$R"

say 'secrets, variables, inputs and the environment, from files and one by one'
printf '%s\n' '# of people' '' 'S="with \"quotes\" # and a hash"  # a comment' "export KEY='-----BEGIN" 'line two' "END-----'" >"$T/secrets"
printf '%s\r\n' 'V=plain # as it stands' 'Q = '"'"'$HOME \n'"'" 'W="a"b' >"$T/vars"
printf '%s\n' 'E=from the file' 'F=""' >"$T/env"
printf '%s\n' 'to=everybody' 'many=3' >"$T/input"
run 0 --event workflow_dispatch --secret-file "$T/secrets" --var-file "$T/vars" --env-file "$T/env" --input-file "$T/input" --input many=4 --job build --matrix v:1 .github/workflows/ci.yml
does 'secret of 26: ***'
does 3
does 'var=plain # as it stands|$HOME \n|"a"b env=from the file|'
does 'to=everybody many=4'
if grep -q 'line two' "$T/out"; then fail 'a line of a secret is shown'; fi
S=of-the-environment run 0 --secret S --job build --matrix v:1
does 'secret of 18: ***'
run 0 --json --job build --matrix v:1
while read -r line; do jq -e . >/dev/null <<<"$line" || fail "no JSON: $line"; done <"$T/out"

say 'what is wrong is said with its line, and without its value'
printf 'A=1\nno pair at all\n' >"$T/wrong"
run 2 --secret-file "$T/wrong"
contains 'which line' "$(cat "$T/err")" "$T/wrong: line 2 is not of the form KEY=VALUE"
lacks 'its text' "$(cat "$T/err")" 'no pair'
printf 'A=1\n\nB="no end\nC=2\n' >"$T/wrong"
run 2 --var-file "$T/wrong"
contains 'which quote' "$(cat "$T/err")" "$T/wrong: line 3: nothing closes the quote before the value"
run 2 --input-file "$T/none"
contains 'which file' "$(cat "$T/err")" "$T/none"

say 'the short options of act'
for short in j W C e s a P l n r; do
    exits 2 "$RUNFS" run -$short x
    contains "-$short" "$(cat "$T/err")" "$(case $short in
        j) echo 'a job is named by --job ID' ;; W | C) echo 'stands by itself' ;; e) echo '--payload FILE' ;; s) echo '--secret K=V' ;;
        a) echo '--actor NAME' ;; P) echo '--label LABEL=BACKEND' ;; l | n) echo 'runfs plan' ;; r) echo config/hold_on_failure ;; esac)"
done
exits 2 "$RUNFS" run push
contains 'an event' "$(cat "$T/err")" 'an event is named by --event push'

say 'settings hold for runfs run, too'
rf_mount
echo host >"$M/config/labels/only-here"
rf_umount
printf 'on: push\njobs: {a: {runs-on: only-here, steps: [{run: "echo found"}]}}\n' >"$T/other/one.yml"
exits 0 "$RUNFS" run --state "$STATE" "$T/other/one.yml"
does found
rf_mount
grep -q '<svg' "$M/runs/latest/graph.svg" || fail 'no graph'
