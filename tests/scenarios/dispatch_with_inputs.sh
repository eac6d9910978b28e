# workflow_dispatch: typed inputs, defaults, refusals, key=value and JSON.
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/d.yml" <<'Y'
on:
  workflow_dispatch:
    inputs:
      who: {type: string, default: world}
      count: {type: number, required: true}
      loud: {type: boolean, default: false}
      colour: {type: choice, options: [red, green], default: red}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo "${{ inputs.who }} ${{ inputs.count + 0 == 3 }} ${{ inputs.loud == true }} ${{ inputs.colour }} ${{ github.event.inputs.loud }}"
Y
sed -i 's/inputs.count + 0 == 3/inputs.count == 3/' "$T/d.yml"
cp "$T/d.yml" "$M/workflows/"
equal 'a required input has no default: nothing ran' 0 "$(runs)"
go() { printf "$1" >"$M/dispatch/d.yml"; cat "$M/runs/$(cat "$M/dispatch/d.yml")/wait" >/dev/null; cat "$M"/runs/latest/jobs/a/steps/01-*/stdout; }
equal 'key=value' 'you true true green true' "$(go 'who=you\ncount=3\nloud=true\ncolour=green\n')"
equal 'JSON' 'world false false red false' "$(go '{"count": 4}')"
equal 'event' workflow_dispatch "$(cat "$M/runs/latest/event")"
before=$(runs)
no() { printf "$1" >"$M/dispatch/d.yml" || true; contains "refusal of $1" "$(cat "$M/errors/dispatch-d.yml")" "$2"; }
no 'who=x\n' count
no 'count=many\n' count
no 'count=1\ncolour=blue\n' colour
no 'count=1\nnope=1\n' nope
no '{"count": ' JSON
equal 'nothing ran' "$before" "$(runs)"
