# In a checkout of Forgejo's or Gitea's `runfs run`, `plan` and `lint` take their folders, their contexts and variables, and their
# called workflows; which folder counts is what they say: .forgejo before .gitea before .github, but GitHub's for a repository
# that comes from there. What lies in .github/workflows is GitHub's, as ever.
. "$(dirname "$0")/lib.sh"
need git
R=$T/r
mkdir -p "$R"/.{github,gitea,forgejo}/workflows "$R/.forgejo/actions/greet"
git -C "$T" init -q -b main r
git -C "$R" remote add origin https://git.example.com:3000/sub/o/r.git
run() { exits "$1" env -C "$R" "$RUNFS" run --state "$STATE" --label '*=host' "${@:2}"; }
does() { grep -Fqx -- "$1" "$T/out" || fail "no line '$1' in: $(cat "$T/out")"; } # LINE: of what ran

cat >"$R/.forgejo/workflows/ci.yml" <<'Y'
on: push
enable-email-notifications: true
env: {WHO: "${{ forgejo.actor }}"}
jobs:
  a:
    name: of ${{ forge.repository }}
    if: gitea.event_name == 'push' && FORGEJO.ref_name == 'main'
    runs-on: docker
    outputs: {said: "${{ steps.s.outputs.said }}"}
    steps:
      - uses: https://code.example.com/actions/checkout@v4
      - id: s
        run: echo "said=$WHO at $FORGEJO_REF_NAME" >>"$FORGEJO_OUTPUT"
      - uses: ./.forgejo/actions/greet
        with: {to: "${{ forge.repository_owner }}"}
      - run: |
          echo "$FORGEJO_ACTIONS $GITEA_ACTIONS $GITHUB_ACTIONS $FORGEJO_SHA"
          echo "$FORGEJO_SERVER_URL ${{ forgejo.api_url }}"
          echo "$FORGEJO_WORKFLOW_REF"
          echo "token ${FORGEJO_TOKEN-is not} here by itself, ${{ forgejo.token && secrets.GITEA_TOKEN == forgejo.token && 'but' || 'nor' }} there"
          test "$(cat "$FORGEJO_EVENT_PATH")" = "$(cat "$GITHUB_EVENT_PATH")"
  b:
    needs: a
    runs-on: docker
    uses: ./.forgejo/workflows/called.yml
    with: {said: "${{ needs.a.outputs.said }}"}
Y
cat >"$R/.forgejo/workflows/called.yml" <<'Y'
on: {workflow_call: {inputs: {said: {type: string, required: true}}}}
jobs: {c: {runs-on: docker, steps: [{run: 'echo "${{ inputs.said }} for ${{ forgejo.repository }}"'}]}}
Y
cat >"$R/.forgejo/actions/greet/action.yml" <<'Y'
inputs: {to: {default: nobody}}
runs:
  using: composite
  steps: [{shell: sh, run: 'echo "hello ${{ inputs.to }} from ${{ forgejo.repository }}, ${FORGEJO_ACTION_PATH##*/}"'}]
Y
workflow "$R/.gitea/workflows/ci.yml" 'echo "of gitea ${{ gitea.repository }} $GITEA_REF_NAME $GITEA_ACTIONS ${FORGEJO_ACTIONS-none}"'
workflow "$R/.github/workflows/ci.yml" 'echo "of github ${GITEA_ACTIONS-none}"'
git_commit "$R"
sha=$(git -C "$R" rev-parse HEAD)

say 'the folder of Forgejo'
run 0 --secret FORGEJO_TOKEN=abcdef-very-secret --actor alice
does "true true true $sha"
does 'https://git.example.com:3000/sub https://git.example.com:3000/sub/api/v1'
does "o/r/.forgejo/workflows/ci.yml@refs/heads/main"
does 'token is not here by itself, but there'
does 'hello o from o/r, greet'
does 'alice at main for o/r'
contains 'the name' "$(cat "$T/out")" 'of o/r'
lacks 'the token' "$(cat "$T/out" "$T/err")" abcdef-very-secret
exits 0 env -C "$R" "$RUNFS" plan
contains 'the plan' "$(cat "$T/out")" .forgejo/workflows/ci.yml
lacks 'the plan' "$(cat "$T/out")" .gitea
exits 0 env -C "$R" "$RUNFS" lint
exits 0 "$RUNFS" lint "$R/.forgejo/actions/greet/action.yml"

say 'a file by its name is of the folder that it lies in'
run 0 .gitea/workflows/ci.yml
does 'of gitea o/r main true none'
run 0 .github/workflows/ci.yml
does 'of github none'

say 'a repository of GitHub has .github/workflows, and without that whatever it has'
git -C "$R" remote set-url origin git@github.com:o/r.git
run 0
does 'of github none'
mv "$R/.github/workflows/ci.yml" "$T/kept.yml"
run 0 --secret GITHUB_TOKEN=abcdef-very-secret
does 'token is not here by itself, but there'
mv "$T/kept.yml" "$R/.github/workflows/ci.yml"
git -C "$R" remote set-url origin https://git.example.com/o/r.git

say 'without .forgejo it is that of Gitea; an empty directory is none'
rm -r "$R/.forgejo"
mkdir -p "$R/.forgejo/workflows"
run 0
does 'of gitea o/r main true none'
rm -r "$R/.gitea"
run 0
does 'of github none'

say 'none of their words in .github/workflows, nor a misspelt one anywhere'
echo 'on: push
enable-email-notifications: true
jobs:
  a: {runs-on: h, steps: [{run: "echo ${{ gitea.ref }} ${{ forge.ref }}"}]}
  b: {runs-on: h, uses: ./.gitea/workflows/x.yml}' >"$R/.github/workflows/ci.yml"
exits 1 "$RUNFS" lint "$R/.github/workflows/ci.yml"
contains 'a key' "$(cat "$T/out")" "(Line: 2, Col: 1): Unexpected value 'enable-email-notifications'"
contains 'a context' "$(cat "$T/out")" "Unrecognized named-value: 'gitea'"
contains 'another' "$(cat "$T/out")" "Unrecognized named-value: 'forge'"
contains 'runs-on beside uses' "$(cat "$T/out")" "(Line: 5, Col: 19): Unexpected value 'uses'"
echo 'on: push
jobs: {b: {uses: ./.gitea/workflows/x.yml}}' >"$R/.github/workflows/ci.yml"
exits 1 "$RUNFS" lint "$R/.github/workflows/ci.yml"
contains 'a call' "$(cat "$T/out")" "must be rooted in '.github/workflows'"
mkdir -p "$R/.gitea/workflows"
echo 'on: push
jobs: {a: {runs-on: h, steps: [{run: "echo ${{ gitae.ref }}"}]}}' >"$R/.gitea/workflows/ci.yml"
exits 1 "$RUNFS" lint "$R/.gitea/workflows/ci.yml"
contains 'a misspelt one' "$(cat "$T/out")" "Unrecognized named-value: 'gitae'"

say 'a file that lies in nobody'\''s folder is taken as whoever takes it'
workflow "$T/loose.yml" 'echo "$GITEA_ACTIONS at ${{ gitea.ref_name }}"'
sed -i 's/^on: push/on: {schedule: [{cron: "@daily"}], push: }/' "$T/loose.yml"
exits 0 "$RUNFS" lint "$T/loose.yml"
run 0 --workspace . "$T/loose.yml"
does 'true at main'
exits 0 "$RUNFS" eval --contexts '{"github": {"ref": "r"}}' 'format('\''{0} {1} {2}'\'', gitea.ref, forgejo.ref, Forge.ref)'
contains 'eval' "$(cat "$T/out")" '"value":"r r r"'
exits 1 "$RUNFS" eval --contexts '{"env": {}}' gitea.ref
contains 'eval without github' "$(cat "$T/out")" "Unrecognized named-value: 'gitea'"
exits 0 "$RUNFS" eval --contexts '{"github": {"ref": "r"}, "gitea": {"ref": "own"}}' gitea.ref
contains 'eval with one of that name' "$(cat "$T/out")" '"value":"own"'
