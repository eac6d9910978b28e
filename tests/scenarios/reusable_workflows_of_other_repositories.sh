# `uses: owner/name/.github/workflows/x.yml@ref` comes from the mirror; what that calls with ./ is of its repository, at
# its ref; a rerun needs neither. Its jobs know where they come from, and $/ is an action from there.
. "$(dirname "$0")/lib.sh"
need git
A=$T/src/.github/workflows
mkdir -p "$A" "$T/mirror/acme"
cat >"$A/x.yml" <<'Y'
on:
  workflow_call:
    outputs: {v: {value: "${{ jobs.deep.outputs.v }}"}}
jobs:
  deep: {uses: ./.github/workflows/deep.yml}
Y
cat >"$A/deep.yml" <<'Y'
on:
  workflow_call:
    outputs: {v: {value: "${{ jobs.j.outputs.v }}"}}
jobs:
  j:
    runs-on: h
    outputs: {v: one}
    steps:
      - run: echo "${{ github.repository }} ${{ github.workflow }}"
      - run: |
          echo "${{ job.workflow_repository }} ${{ job.workflow_file_path }} ${{ job.workflow_ref }}"
          echo "${{ job.workflow_sha }} ${{ job.status }} ${{ job.check_run_id > 0 }}"
      - uses: $/hello
Y
mkdir "$T/src/hello"
echo 'runs: {using: composite, steps: [{shell: bash, run: echo "hello of flows one"}]}' >"$T/src/hello/action.yml"
git -C "$T/src" init -q -b main
git -C "$T/src" add .
git -C "$T/src" -c user.name=a -c user.email=a@b commit -qm one
git -C "$T/src" tag v1
sed -i 's/v: one/v: two/' "$A/deep.yml"
sed -i 's/flows one/flows two/' "$T/src/hello/action.yml"
git -C "$T/src" -c user.name=a -c user.email=a@b commit -qam two
git clone -q --bare "$T/src" "$T/mirror/acme/flows.git"
rf_mount
echo host >"$M/config/labels/h"
echo "$T/mirror" >"$M/config/actions_mirror"
cat >"$T/ci.yml" <<'Y'
name: Mine
on: push
jobs:
  old: {uses: acme/flows/.github/workflows/x.yml@v1}
  new: {uses: acme/flows/.github/workflows/x.yml@main}
  after:
    needs: [old, new]
    runs-on: h
    steps:
      - run: echo "${{ needs.old.outputs.v }} ${{ needs.new.outputs.v }}"
      - run: |
          echo "${{ job.workflow_repository }} ${{ job.workflow_file_path }} ${{ job.workflow_ref == github.workflow_ref }}"
          echo "${{ job.workflow_sha == github.workflow_sha }}"
Y
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
equal 'outputs' 'one two' "$(step_out "$n" after 01)"
equal 'where it runs' 'local/ci Mine' "$(step_out "$n" old.deep.j 01)"
v1=$(git -C "$T/src" rev-parse v1)
equal 'what it comes from' "acme/flows .github/workflows/deep.yml acme/flows/.github/workflows/deep.yml@v1
$v1 success true" "$(step_out "$n" old.deep.j 02)"
equal 'and by itself' 'local/ci .github/workflows/ci.yml true
true' "$(step_out "$n" after 02)"
equal 'an action from there' 'hello of flows one' "$(step_out "$n" old.deep.j 03)"
equal 'at its ref' 'hello of flows two' "$(step_out "$n" new.deep.j 03)"
rm -rf "$T/mirror/acme"
echo rerun >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" success
sed -i 's,acme/flows,acme/other,' "$T/ci.yml"
refused cp "$T/ci.yml" "$M/workflows/"
file_has "$M/errors/ci.yml" 'ci.yml (Line: 4, Col: 15): Unable to find reusable workflow'
file_has "$M/errors/ci.yml" 'acme/other'
