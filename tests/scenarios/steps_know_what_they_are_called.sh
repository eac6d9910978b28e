# github.action is GITHUB_ACTION: the step's id, or the name that is made of what it runs; in its condition and its name, in
# what an action's steps say, and again as before behind it.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/repo/twice"
printf 'runs:\n  using: composite\n  steps:\n    - {shell: bash, run: "echo ${{ github.action }} $GITHUB_ACTION"}\n    - {shell: bash, id: own, if: "github.action == %s", run: "echo ${{ github.action }} $GITHUB_ACTION"}\n' "'own'" >"$T/repo/twice/action.yml"
cat >"$T/repo/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: h
    steps:
      - run: echo "${{ github.action }} $GITHUB_ACTION"
      - run: echo "${{ github.action }} $GITHUB_ACTION"
      - uses: actions/checkout@v4
      - uses: ./twice
      - id: mine
        if: github.action == 'mine'
        env: {ACTION: "${{ github.action }}"}
        run: echo "$ACTION $GITHUB_ACTION"
      - {id: late, background: true, run: "echo ${{ github.action }} $GITHUB_ACTION"}
      - {wait: late}
END
rf_run --label h=host --workspace "$T/repo" "$T/repo/ci.yml"
equal 'each as its environment has it' '__run __run
__run_2 __run_2
__run __run
own own
mine mine
late late' "$(grep -E '^[a-z_0-9]+ [a-z_0-9]+$' "$T/out" | grep -v -e '^echo' -e '^name:')"
