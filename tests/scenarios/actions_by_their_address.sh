# Workflows of Gitea and Forgejo name actions and called workflows by their address: they come from that host, or from
# HOST/OWNER/NAME of a directory of repositories; two hosts' actions of one name are two; the host itself is not asked.
. "$(dirname "$0")/lib.sh"
need git
need jq
R=$T/r
says() { # DIR TEXT: an action that says so, in a repository with a tag v1
    mkdir -p "$1"/{sub,say} "$1/.forgejo/workflows"
    printf 'runs: {using: composite, steps: [{shell: sh, run: "echo %s: ${{ forgejo.action_repository }} $FORGEJO_ACTION_REPOSITORY"}]}\n' "$2" >"$1/action.yml"
    cp "$1/action.yml" "$1/say/"
    printf 'runs: {using: composite, steps: [{uses: $/say}]}\n' >"$1/sub/action.yml"
    printf 'on: workflow_call\njobs: {x: {uses: ./.forgejo/workflows/inner.yml}}\n' >"$1/.forgejo/workflows/outer.yml"
    printf 'on: workflow_call\njobs: {y: {runs-on: docker, steps: [{run: "echo called of %s: ${{ job.workflow_repository }}"}]}}\n' "$2" >"$1/.forgejo/workflows/inner.yml"
    git_commit "$1"
    git -C "$1" tag v1
}
says "$T/mirror/code.example.com/acme/greet" 'at code'
says "$T/mirror/git.example.com_3000/acme/greet" 'at git'
says "$T/mirror/acme/greet" 'at GitHub'
git clone -q --bare "$T/mirror/acme/greet" "$T/mirror/acme/bare.git"
mkdir -p "$R/.forgejo/workflows"
cat >"$R/.forgejo/workflows/ci.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: docker
    steps:
      - uses: https://code.example.com/acme/greet@v1
      - uses: https://git.example.com:3000/acme/greet/sub@v1
      - uses: acme/greet@v1
      - uses: https://github.com/acme/greet@v1
      - uses: https://elsewhere.example.com/acme/bare@v1
      - uses: https://elsewhere.example.com/actions/checkout@v4
      - run: ls
  b:
    uses: https://code.example.com/acme/greet/.forgejo/workflows/outer.yml@v1
Y
echo here >"$R/a-file"
git_commit "$R"
run() { exits "$1" env -C "$R" "$RUNFS" run --state "$STATE" --label '*=host' "${@:2}"; }
does() { grep -Fqx -- "$1" "$T/out" || fail "no line '$1' in: $(cat "$T/out")"; }
run 0 --actions-mirror "$T/mirror"
does 'at code: acme/greet acme/greet'
does 'at git: acme/greet acme/greet'
equal 'two are of GitHub' 2 "$(grep -cx 'at GitHub: acme/greet acme/greet' "$T/out")"
does 'a-file'
does 'called of at code: acme/greet'
contains 'who asked for it' "$(cat "$T/out")" "Download action repository 'https://git.example.com:3000/acme/greet@v1' (SHA:"

fails() { # USES WORDS [STATUS]
    printf 'on: push\njobs: {a: {runs-on: docker, steps: [{run: "echo ran"}, {uses: "%s"}]}}\n' "$1" >"$R/.forgejo/workflows/ci.yml"
    run "${3:-1}"
    contains "$1" "$(cat "$T/out" "$T/err")" "$2"
    if grep -qx ran "$T/out"; then fail "$1: a step ran"; fi
}
fails https://127.0.0.1:1/acme/other@v1 'is this host, or what answers to it alone, which is not asked'
fails http://169.254.169.254/acme/other@v1 'is this host, or what answers to it alone, which is not asked'
fails https://code.example.com/acme@v1 'Expected format {org}/{repo}[/path]@ref'
fails 'https://a;b/acme/x@v1' 'is no repository of the form owner/name'
fails https://u:p@h/acme/x@v1 "Expected format {org}/{repo}[/path]@ref. Actual 'https://u:p@h/acme/x@v1'" 65
fails ssh://code.example.com/acme/x@v1 'Expected format {org}/{repo}[/path]@ref'
fails https://code.example.com/../x@v1 'is no repository of the form owner/name'

say 'not from .github/workflows'
mkdir -p "$R/.github"
mv "$R/.forgejo/workflows" "$R/.github/workflows"
printf 'on: push\njobs: {a: {runs-on: docker, steps: [{uses: "https://code.example.com/acme/greet@v1"}]}}\n' >"$R/.github/workflows/ci.yml"
run 1 --actions-mirror "$T/mirror"
contains 'why' "$(cat "$T/out")" "'https://code.example.com/acme/greet@v1': an action is named {org}/{repo}[/path]@ref"

say 'from a host'
is_root || exit 0
unshare -n true 2>/dev/null || exit 0
mkdir -p "$T/www/acme" "$R/.gitea/workflows"
git clone -q --bare "$T/mirror/code.example.com/acme/greet" "$T/www/acme/greet"
git -C "$T/www/acme/greet" update-server-info
rm -r "$R/.github"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{uses: "http://10.9.9.9:3000/acme/greet@v1"}]}}\n' >"$R/.gitea/workflows/ci.yml"
cat >"$T/within.sh" <<'S'
ip link set lo up && ip address add 10.9.9.9/32 dev lo || exit 77
"$PYTHON" -m http.server --bind 10.9.9.9 --directory "$1" 3000 >/dev/null 2>&1 &
server=$!
trap 'kill $server; wait $server 2>/dev/null' EXIT
for i in $(seq 300); do "$PYTHON" -c 'import socket; socket.create_connection(("10.9.9.9", 3000))' 2>/dev/null && break; done
cd "$2" && "$RUNFS" run --state "$3" --label '*=host'
S
export RUNFS PYTHON
exits 0 unshare -n bash "$T/within.sh" "$T/www" "$R" "$STATE"
does 'at code: acme/greet'
