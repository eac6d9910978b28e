# A repository's webhook on GitHub that sends everything: each event that there is, as GitHub signs it, is taken and comes to an end, and
# those of a workflow's `on` start it.
# limit: 300
. "$(dirname "$0")/lib.sh"
need node
need npm
need git
MODULES=$("$here/tests/toolkit/install" 2>"$T/why") || skip "$(tail -n 1 "$T/why")"
export MODULES
rf_mount
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
printf 'on: {issues: {types: [opened]}, label: , watch: }\njobs: {a: {runs-on: h, steps: [{run: exit}]}}\n' >"$T/repo/.github/workflows/ci.yml"
git_commit "$T/repo"
git -C "$T/repo" remote add origin https://git.example.com/Codertocat/Hello-World.git
ln -s "$T/repo" "$M/repos/r"
echo 0 >"$M/config/listen"
echo 10000 >"$M/config/rate_limit"
echo "It's a Secret to Everybody" >"$M/config/webhook/secret"
rf_wait 10 grep -q '^listen: 127' "$M/status"
node "$here/tests/toolkit/deliver_all.mjs" "http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook" "It's a Secret to Everybody" >"$T/said"
equal 'what was answered' '200 pong: ping ping ping ping
202 accepted: 325' "$(cat "$T/said")"
all_ended() { [ "$(cat "$M"/events/deliveries/*/state | sort | uniq -c | xargs)" = '329 done' ]; }
rf_wait 60 all_ended
for n in $(cd "$M/runs" && ls -d [0-9]*); do ended "$n"; done
equal 'what they started' '4 issues 6 label 3 watch' "$(cat "$M"/runs/[0-9]*/event | sort | uniq -c | xargs)"
