# Whoever opens a pull request from a fork has his commits run, but is given no secret and no variable: not by what runs them
# first, by an environment, or when it is run again. One from a branch of the repository itself has them.
. "$(dirname "$0")/lib.sh"
need git
need curl
rf_mount
echo host >"$M/config/labels/h"
O=$T/o/r
mkdir -p "$O/.github/workflows"
cat >"$O/.github/workflows/ci.yml" <<'Y'
on: [pull_request, pull_request_target, pull_request_review]
jobs:
  a: {runs-on: h, steps: [{uses: actions/checkout@v4}, {env: {KEY: '${{ secrets.KEY }}', WHERE: "${{ vars.WHERE || 'nowhere' }}"}, run: ./build}]}
  b: {runs-on: h, environment: prod, steps: [{uses: actions/checkout@v4}, {env: {KEY: '${{ secrets.KEY }}', WHERE: "${{ vars.WHERE || 'nowhere' }}"}, run: ./build}]}
Y
printf '#!/bin/sh\necho nothing to see\n' >"$O/build"
chmod +x "$O/build"
git_commit "$O"
git -C "$O" checkout -q -b topic
printf '#!/bin/sh\necho "got [$(printf %%s "$KEY" | rev)] $WHERE"\n' >"$O/build"
git_commit "$O" evil
topic=$(git -C "$O" rev-parse HEAD)
git -C "$O" checkout -q main
git -C "$O" update-ref refs/pull/7/head "$topic"
git -C "$O" update-ref refs/pull/7/merge "$topic"
ln -s "file://$O" "$M/repos/r"
echo drowssap-eht >"$M/secrets/KEY"
echo here >"$M/vars/WHERE"
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
post() { curl -sf --unix-socket "$T/api.sock" "$@" >/dev/null; }
post -X POST http://x/repos/o/r/environments/prod/variables -d '{"name":"WHERE","value":"there"}'
pull() { # EVENT HEAD_REPO: a payload, "null" or JSON
    printf '{"action":"%s","number":7,"pull_request":{"number":7,"merge_commit_sha":"%s","head":{"ref":"topic","sha":"%s","repo":%s},"base":{"ref":"main","sha":"%s","repo":{"full_name":"o/r"}}},"repository":{"full_name":"o/r"}}' \
        "${3:-opened}" "$topic" "$topic" "$2" "$(git -C "$O" rev-parse main)" >"$M/events/$1"
    n=$(readlink "$M/runs/latest")
    ended "$n"
    file_is "$M/runs/$n/conclusion" success
}

say 'of a fork, and of one that is gone'
for repo in '{"full_name":"mallory/r","fork":true}' null; do
    pull pull_request "$repo"
    file_has "$M/runs/$n/jobs/a/log" 'got [] nowhere'
    file_has "$M/runs/$n/jobs/b/log" 'got [] nowhere'
done
pull pull_request_review '{"full_name":"mallory/r"}' submitted
file_has "$M/runs/$n/jobs/a/log" 'got [] nowhere'

say 'run again'
echo rerun >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/attempt" 2
file_has "$M/runs/$n/jobs/a/log" 'got [] nowhere'

say 'of the repository itself, and on the base'
pull pull_request '{"full_name":"O/r"}'
file_has "$M/runs/$n/jobs/a/log" 'got [the-password] here'
file_has "$M/runs/$n/jobs/b/log" 'got [the-password] there'
pull pull_request_target '{"full_name":"mallory/r"}'
file_has "$M/runs/$n/jobs/a/log" 'nothing to see'
