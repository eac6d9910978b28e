# What runs with the secrets of the repository, on pull_request_target or after a run of a pull request, does not check out the
# code of a fork: not by its commits, its ref or its repository; unless the step says that it is meant. Of a branch of the
# repository itself it is as ever.
. "$(dirname "$0")/lib.sh"
need git
rf_mount
echo host >"$M/config/labels/h"
O=$T/o/r
mkdir -p "$O/.github/workflows"
cat >"$O/.github/workflows/ci.yml" <<'Y'
on: [pull_request, pull_request_target]
jobs:
  a:
    runs-on: h
    steps:
      - uses: actions/checkout@v4
      - {id: head, continue-on-error: true, uses: actions/checkout@v7, with: {ref: '${{ github.event.pull_request.head.sha }}'}}
      - {id: merge, continue-on-error: true, uses: actions/checkout@v4, with: {ref: refs/pull/7/merge}}
      - {id: fork, continue-on-error: true, uses: actions/checkout@v4, with: {repository: '${{ github.event.pull_request.head.repo.full_name }}'}}
      - {id: meant, continue-on-error: true, uses: actions/checkout@v4, with: {ref: '${{ github.event.pull_request.head.sha }}', allow-unsafe-pr-checkout: true}}
      - run: echo "${{ steps.head.outcome }} ${{ steps.merge.outcome }} ${{ steps.fork.outcome }} ${{ steps.meant.outcome }} $(cat f)"
Y
echo base >"$O/f"
git_commit "$O"
git -C "$O" checkout -q -b topic
echo topic >"$O/f"
git_commit "$O" topic
topic=$(git -C "$O" rev-parse HEAD)
git -C "$O" checkout -q main
git -C "$O" update-ref refs/pull/7/head "$topic"
git -C "$O" update-ref refs/pull/7/merge "$topic"
ln -s "file://$O" "$M/repos/r"
pull() { # EVENT HEAD_REPO: a payload
    printf '{"action":"opened","number":7,"pull_request":{"number":7,"merge_commit_sha":"%s","head":{"ref":"topic","sha":"%s","repo":%s},"base":{"ref":"main","sha":"%s","repo":{"full_name":"o/r"}}},"repository":{"full_name":"o/r"}}' \
        "$topic" "$topic" "$2" "$(git -C "$O" rev-parse main)" >"$M/events/$1"
    n=$(readlink "$M/runs/latest")
    ended "$n"
}
pull pull_request_target '{"full_name":"mallory/r"}'
equal 'of a fork' 'failure failure failure success topic' "$(step_out "$n" a 06)"
for step in 02 03 04; do
    file_has "$M/runs/$n"/jobs/a/steps/$step-*/log "Refusing to check out fork pull request code from a 'pull_request_target' workflow"
done
pull pull_request_target '{"full_name":"O/R"}'
contains 'of the repository itself' "$(step_out "$n" a 06)" 'success success'
pull pull_request '{"full_name":"mallory/r"}'
contains 'without secrets' "$(step_out "$n" a 06)" 'success success'
