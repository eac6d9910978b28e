# Without a connection `runfs run` takes actions of other repositories from a directory: bare repositories or checkouts, for
# this run only. Where it has none the failure names the cure; an action of GitHub's may be named by its address, as in
# Gitea's workflows.
. "$(dirname "$0")/lib.sh"
need git
need node
mkdir -p "$T/mirror/acme/greet" "$T/src" "$T/r/.github/workflows"
printf 'runs: {using: node20, main: m.js, post: p.js}\ninputs: {who: {default: nobody}}\n' >"$T/mirror/acme/greet/action.yml"
echo 'console.log("hello", process.env.INPUT_WHO)' >"$T/mirror/acme/greet/m.js"
echo 'console.log("bye", process.env.INPUT_WHO)' >"$T/mirror/acme/greet/p.js"
git_commit "$T/mirror/acme/greet"
git -C "$T/mirror/acme/greet" tag v1
printf 'runs: {using: composite, steps: [{run: "echo from a bare one", shell: sh}]}\n' >"$T/src/action.yml"
git_commit "$T/src"
git -C "$T/src" branch stable
git clone -q --bare "$T/src" "$T/mirror/acme/bare.git"
cat >"$T/r/.github/workflows/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: https://github.com/actions/checkout@v4
      - uses: acme/greet@v1
        with: {who: you}
      - uses: https://github.com/acme/bare@stable
      - run: echo "checked out $(ls)"
END
echo '*.o' >"$T/r/notes"
git_commit "$T/r"
run() { exits "$1" env https_proxy=http://127.0.0.1:1 "$RUNFS" run --state "$STATE" --label '*=host' "${@:2}"; }

cd "$T"
run 0 --actions-mirror mirror r
for line in 'hello you' 'bye you' 'from a bare one' 'checked out notes'; do
    grep -Fqx -- "$line" "$T/out" || fail "no line '$line' in: $(cat "$T/out")"
done
run 1 --actions-mirror "$T/none" r
contains 'no such place' "$(cat "$T/err")" "actions_mirror is a directory that holds OWNER/NAME.git, or a URL that OWNER/NAME is added to, not '$T/none'"

say 'what was fetched once needs no place to come from'
run 0 r
rm -r "$STATE"

say 'neither: what to do'
run 1 r
contains 'who asked' "$(cat "$T/out")" 'Unable to resolve action `acme/greet@v1`: '
contains 'the cure' "$(cat "$T/out")" 'a directory with acme/greet.git or a checkout acme/greet that config/actions_mirror names, or `runfs run --actions-mirror`'

workflow "$T/elsewhere.yml" true
sed -i 's|- run: .|- uses: https://gitea.com/acme/greet@v1|; /^          true/d' "$T/elsewhere.yml"
run 1 --actions-mirror mirror elsewhere.yml
contains 'from elsewhere' "$(cat "$T/out")" "'https://gitea.com/acme/greet@v1': an action is named {org}/{repo}[/path]@ref"

say 'a shell that is not there'
workflow "$T/shell.yml" true
sed -i 's|- run:|- shell: no-such-shell {0}\n        run:|' "$T/shell.yml"
run 127 shell.yml
contains 'which, and what to do' "$(cat "$T/out")" 'cannot start no-such-shell: No such file or directory. Install it in a step before, or'
