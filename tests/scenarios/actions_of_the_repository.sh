# Steps use actions that are in the repository itself: a composite with inputs and outputs, and JavaScript in it and
# beside it. Inputs, defaults, state, outputs and environment are those of GitHub's runner; posts run last in first out.
. "$(dirname "$0")/lib.sh"
need node
need git
R=$T/repo
mkdir -p "$R/.github/workflows" "$R/greet" "$R/js"
cat >"$R/greet/action.yml" <<'END'
name: greet
description: greets
inputs:
  who: {description: whom, default: world}
  old: {description: no more, deprecationMessage: use who}
outputs:
  greeting: {description: what was said, value: "${{ steps.say.outputs.said }}"}
  status: {description: of the second, value: "${{ steps.fails.outcome }}/${{ steps.fails.conclusion }}"}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      env: {WHO: "${{ inputs.who }}"}
      run: |
        echo "said=hello $WHO$OUTER" >> "$GITHUB_OUTPUT"
        echo "FROM_COMPOSITE=$WHO" >> "$GITHUB_ENV"
        echo "path ok: $([ "$GITHUB_ACTION_PATH" = "${{ github.action_path }}" ] && ls "$GITHUB_ACTION_PATH")"
        echo "summary of $WHO" >> "$GITHUB_STEP_SUMMARY"
    - id: fails
      shell: bash
      continue-on-error: true
      run: exit 3
    - if: success()
      uses: ./js
      with: {name: "inner ${{ inputs.who }}"}
    - if: failure()
      shell: bash
      run: echo never
END
cat >"$R/js/action.yml" <<'END'
name: js
description: JavaScript
inputs:
  name: {description: a name, required: true}
  two words: {description: with a blank, default: "on ${{ runner.os }}"}
runs: {using: node20, main: main.js, post: post.js}
END
cat >"$R/js/main.js" <<'END'
const fs = require('fs');
console.log('main', process.env.INPUT_NAME, '|', process.env.INPUT_TWO_WORDS, '|', process.cwd() === process.env.GITHUB_WORKSPACE);
fs.appendFileSync(process.env.GITHUB_STATE, `who=${process.env.INPUT_NAME}\n`);
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'out=of main\n');
console.log('::warning file=a.js,line=3,col=4::careful');
END
echo "console.log('post of', process.env.STATE_who)" >"$R/js/post.js"
cat >"$R/.github/workflows/ci.yml" <<'END'
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - id: c
        uses: ./greet
        env: {OUTER: "!"}
        with: {who: bob, old: x, odd: y}
      - run: echo "${{ steps.c.outputs.greeting }} ${{ steps.c.outputs.status }} $FROM_COMPOSITE [$OUTER] [$INPUT_WHO]"
      - id: j
        uses: ./js
        with: {Name: outer}
      - run: echo "${{ steps.j.outputs.out }}"
  own:
    runs-on: ubuntu-latest
    steps:
      - uses: $/js
        with: {name: not checked out}
      - run: ls -A | wc -l
END
git_commit "$R"
rf_mount --repo "$R"
echo >"$M/dispatch/repo/ci.yml"
n=$(readlink "$M/runs/latest")
ended "$n"
file_is "$M/runs/$n/conclusion" success
J=$M/runs/$n/jobs/a
contains 'inputs, env, GITHUB_ENV' "$(step_out "$n" a 03)" 'hello bob! failure/success bob [] []'
file_has "$J"/steps/02-*/log 'main inner bob | on Linux | true'
file_has "$J"/steps/02-*/log "##[warning]Unexpected input(s) 'odd', valid inputs are ['who', 'old']"
file_has "$J"/steps/02-*/log "##[warning]Input 'old' has been deprecated with message: use who"
file_has "$J"/steps/02-*/log 'path ok: action.yml'
file_lacks "$J"/steps/02-*/log never
file_is "$J"/steps/02-*/summary.md 'summary of bob'
file_is "$J"/steps/02-*/outputs/greeting 'hello bob!'
file_has "$J"/steps/04-*/log 'main outer | on Linux | true'
contains output "$(step_out "$n" a 05)" 'of main'
file_has "$M/runs/$n"/jobs/own/steps/01-*/log 'main not checked out'
contains 'nothing in the workspace' "$(step_out "$n" own 02)" 0
equal 'posts, the last registered first' 'post of outer,post of inner bob' "$(step_out "$n" a 06),$(step_out "$n" a 07)"
file_has "$M/runs/$n/annotations" 'a.js:3:4: warning: careful'
