# ln -s links a checkout: its workflows are there, are dispatched with its ref and commit, and follow it.
. "$(dirname "$0")/lib.sh"
command -v git >/dev/null || skip 'git is not installed'
rf_mount
mkdir -p "$T/proj/.github/workflows"
cat >"$T/proj/.github/workflows/ci.yml" <<'Y'
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo "$GITHUB_REF_NAME $GITHUB_SHA $GITHUB_REPOSITORY"
Y
git -C "$T/proj" init -q -b trunk
git -C "$T/proj" add -A
git -C "$T/proj" -c user.name=a -c user.email=a@example.com commit -qm one
ln -s "$T/proj" "$M/repos/proj"
equal link "$T/proj" "$(readlink "$M/repos/proj")"
cmp "$T/proj/.github/workflows/ci.yml" "$M/workflows/proj/ci.yml"
refused cp "$T/proj/.github/workflows/ci.yml" "$M/workflows/proj/new.yml"
refused rm "$M/workflows/proj/ci.yml"
echo >"$M/dispatch/proj/ci.yml"
n=$(cat "$M/dispatch/proj/ci.yml")
equal conclusion success "$(cat "$M/runs/$n/wait")"
contains 'where it is' "$(cat "$M"/runs/$n/jobs/a/steps/01-*/stdout)" "trunk $(git -C "$T/proj" rev-parse HEAD) local/proj"
cp "$T/proj/.github/workflows/ci.yml" "$T/proj/.github/workflows/two.yml"
[ -e "$M/workflows/proj/two.yml" ] || fail 'a new file is not seen'
refused ln -s ../proj "$M/repos/again" # it would be looked for below the mount
file_has "$M/errors/repos-again" "repos/again: '../proj' is neither the absolute path of a directory nor an address"
ln -s "$T/proj" "$M/repos/again"
[ ! -e "$M/errors/repos-again" ] || fail 'the reason stays although the link is there'
rm "$M/repos/again"
refused ln -s "$T/nowhere" "$M/repos/nowhere"
rm "$M/repos/proj"
refused test -e "$M/workflows/proj"
equal 'its runs stay' success "$(cat "$M/runs/$n/conclusion")"
