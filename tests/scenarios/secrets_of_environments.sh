# Secrets and variables of environments, set by gh: a job of that environment has them in place of those that all have, in no other.
. "$(dirname "$0")/lib.sh"
need gh
need git
rf_mount
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
step='printf "%s [%s] [%s] %s\n" "$NAME" "$KEY" "${KEY:+$(printf %s "$KEY" | sha256sum | cut -c1-8)}" "$WHERE"'
cat >"$T/repo/.github/workflows/ci.yml" <<Y
on: workflow_dispatch
env: {KEY: '\${{ secrets.KEY }}', WHERE: '\${{ vars.WHERE }}'}
jobs:
  none: {runs-on: h, steps: [{run: '$step', env: {NAME: none, KEY: '\${{ secrets.KEY }}', WHERE: '\${{ vars.WHERE }}'}}, {run: 'echo "all: \$ALL"', env: {ALL: "\${{ join(fromJSON(toJSON(vars)).*, ',') }}"}}]}
  prod: {runs-on: h, environment: Production, steps: [{run: '$step', env: {NAME: prod, KEY: '\${{ secrets.KEY }}', WHERE: '\${{ vars.WHERE }}'}}]}
  staging: {runs-on: h, environment: {name: staging, url: 'https://s.example.com'}, steps: [{run: '$step', env: {NAME: staging, KEY: '\${{ secrets.KEY }}', WHERE: '\${{ vars.WHERE }}'}}]}
Y
git_commit "$T/repo"
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
ln -s "$T/repo" "$M/repos/r"
echo "$T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
export HOME=$T
cd "$T/repo"
eval "$("$RUNFS" gh-setup "$M")"
export GH_REPO=o/r
sum() { printf %s "$1" | sha256sum | cut -c1-8; }
said() { # JOB: what its step printed
    step_out "$n" "$1" 01
}
dispatch() {
    echo >"$M/dispatch/r/ci.yml"
    n=$(readlink "$M/runs/latest")
    ended "$n"
}

gh secret set KEY --body 'the key of all'
gh api -X POST repos/o/r/actions/variables -f name=WHERE -f value=everywhere >/dev/null
gh secret set KEY --env production --body 'the key of production'
gh api -X POST repos/o/r/environments/production/variables -f name=WHERE -f value=there >/dev/null
gh secret set OTHER --env staging --body 'another key'
dispatch
equal 'without an environment' "none [***] [$(sum 'the key of all')] everywhere" "$(said none)"
equal 'no more than those' 'all: everywhere' "$(step_out "$n" none 02)"
equal 'production, whatever its capitals' "prod [***] [$(sum 'the key of production')] there" "$(said prod)"
equal 'staging has the others still' "staging [***] [$(sum 'the key of all')] everywhere" "$(said staging)"
if grep -rs 'the key of' "$M/runs" "$STATE/logs"; then fail 'a secret is shown'; fi

equal 'those of all' KEY "$(gh secret list | cut -f1)"
equal 'those of production' KEY "$(gh secret list --env production | cut -f1)"
equal 'those of staging' OTHER "$(gh secret list --env staging | cut -f1)"
equal 'in the mount are those of all' KEY "$(ls "$M/secrets")"
equal 'variables, too' WHERE "$(ls "$M/vars")"
equal 'a variable' there "$(gh api repos/o/r/environments/Production/variables/WHERE --jq .value)"
equal 'by the number of the repository, as later gh asks' there "$(gh api repositories/1/environments/production/variables --jq '.variables[0].value')"
gh api -X PATCH repos/o/r/environments/production/variables/WHERE -f value=elsewhere >/dev/null
gh secret delete KEY --env production
dispatch
equal 'changed and deleted' "prod [***] [$(sum 'the key of all')] elsewhere" "$(said prod)"
equal 'of all it is there' KEY "$(gh secret list | cut -f1)"
refused gh api repos/o/r/environments/production/secrets/KEY
refused gh api -X POST repos/o/r/actions/variables -f name=production/SNEAKED -f value=x
refused gh api -X POST repos/o/r/environments/production/variables -f name=staging/SNEAKED -f value=x
refused gh api -X POST repos/o/r/environments/production/variables -f name=1x -f value=x
refused gh api -X POST "repos/o/r/environments/$(printf 'x%.0s' {1..256})/variables" -f name=X -f value=x
