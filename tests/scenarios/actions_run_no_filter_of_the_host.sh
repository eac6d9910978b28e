# The files of an action are as they were committed: a filter that the user of the daemon has for attributes is not run on them.
. "$(dirname "$0")/lib.sh"
need git
mkdir -p "$T/mirror/o/act" "$T/home"
A=$T/mirror/o/act
printf 'runs: {using: composite, steps: [{run: "cat $GITHUB_ACTION_PATH/filtered", shell: sh}]}\n' >"$A/action.yml"
echo 'filtered filter=own' >"$A/.gitattributes"
echo 'as it is' >"$A/filtered"
git_commit "$A"
git -C "$A" tag v1
export HOME=$T/home
git config --global filter.own.smudge "sh -c 'touch $T/ran; cat'"
rf_mount
echo host >"$M/config/labels/h"
echo "$T/mirror" >"$M/config/actions_mirror"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{uses: o/act@v1}]}}\n' >"$T/ci.yml"
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
file_has "$M/runs/$n/log" 'as it is'
[ ! -e "$T/ran" ] || fail 'it ran'
