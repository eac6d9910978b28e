# `uses: owner/name/path@ref` comes from the mirror, is kept by commit and works without it afterwards; pre, main and post
# run in GitHub's order, posts after a failure too; what cannot be resolved is told in GitHub's words.
. "$(dirname "$0")/lib.sh"
need node
need git
A=$T/src
mkdir -p "$A/sub" "$A/nested" "$T/mirror/acme"
for n in . sub; do
    cat >"$A/$n/action.yml" <<'END'
name: steps
description: tells its stages
inputs:
  name: {description: a name, default: none}
  fail: {description: whether main fails, default: 'false'}
runs:
  using: node16
  pre: pre.js
  pre-if: runner.os == 'Linux'
  main: main.js
  post: post.js
  post-if: success() || failure()
END
    echo "console.log('pre', process.env.INPUT_NAME); require('fs').appendFileSync(process.env.GITHUB_STATE, 'from=pre\n')" >"$A/$n/pre.js"
    echo "console.log('main', process.env.INPUT_NAME, process.env.STATE_from, process.env.GITHUB_ACTION_REPOSITORY, process.env.GITHUB_ACTION_REF); process.exit(process.env.INPUT_FAIL === 'true' ? 7 : 0)" >"$A/$n/main.js"
    echo "console.log('post', process.env.INPUT_NAME, process.env.STATE_from)" >"$A/$n/post.js"
done
cat >"$A/nested/action.yml" <<'END'
name: nested
description: a composite of another repository
runs:
  using: composite
  steps:
    - uses: acme/steps/sub@main
      with: {name: nested}
    - run: echo "nested in ${{ github.action_repository }}@${{ github.action_ref }}"
      shell: sh
END
git_commit "$A"
git -C "$A" tag v1
git clone -q --bare "$A" "$T/mirror/acme/steps.git"
sha=$(git -C "$A" rev-parse HEAD)
rf_mount
need_sandbox
echo "$T/mirror" >"$M/config/actions_mirror"

cat >"$T/ci.yml" <<END
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo first
      - uses: acme/steps@v1
        with: {name: one}
      - uses: acme/steps/sub@$sha
        with: {name: two, fail: true}
      - if: always()
        uses: acme/steps/nested@main
      - run: echo never
END
n=$(rf_drop "$T/ci.yml")
J=$M/runs/$n/jobs/a
file_is "$M/runs/$n/conclusion" failure
file_is "$M/runs/$n/exit_code" 7
file_is "$J"/steps/03-*/conclusion failure
equal 'pre before all' 'pre one,pre two,pre nested' "$(cat "$J"/steps/00-pre-run-acme-steps-v1/stdout),$(cat "$J"/steps/00-pre-run-acme-steps-sub-${sha:0:8}*/stdout),$(cat "$J"/steps/00-pre-run-acme-steps-sub-main/stdout)"
contains 'main sees what pre kept' "$(step_out "$n" a 02)" 'main one pre acme/steps v1'
contains main "$(step_out "$n" a 03)" "main two pre acme/steps $sha"
contains 'nested composite' "$(step_out "$n" a 04)" 'nested in acme/steps@main'
file_is "$J"/steps/05-*/conclusion skipped
equal 'posts' 'post nested pre,post two pre,post one pre' "$(step_out "$n" a 06),$(step_out "$n" a 07),$(step_out "$n" a 08)"
file_has "$J"/steps/00-set-up-job/log "Download action repository 'acme/steps@v1' (SHA:$sha)"

say 'a mirror that is gone is not asked for what is known'
mv "$T/mirror/acme" "$T/mirror/gone"
n=$(rf_drop "$T/ci.yml")
contains 'from what was kept' "$(step_out "$n" a 02)" 'main one'
mv "$T/mirror/gone" "$T/mirror/acme"

refuses() { # USES WORDS: the job fails before its first step, and says why
    printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ran\n      - uses: %s\n' "$1" >"$T/bad.yml"
    n=$(rf_drop "$T/bad.yml")
    file_is "$M/runs/$n/conclusion" failure
    file_has "$M/runs/$n/jobs/a/steps/00-set-up-job/log" "$2"
    equal 'no step ran' '' "$(cat "$M/runs/$n"/jobs/a/steps/01-*/stdout)"
}
refuses acme/steps@v9 'Unable to resolve action `acme/steps@v9`, unable to find version `v9`'
refuses "acme/steps@${sha:0:8}" "the provided ref \`${sha:0:8}\` is the shortened version of a commit SHA, which is not supported. Please use the full commit SHA \`$sha\` instead."
refuses https://gitea.com/acme/steps@v1 'an action is named {org}/{repo}[/path]@ref, and config/actions_mirror'
refuses acme/other@v1 'Unable to resolve action acme/other, repository not found'
refuses acme/steps/nowhere@v1 "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under"
