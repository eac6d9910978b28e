# What is checked out is hostile, and so is what is around it: submodules at paths of the host, links in the workspace and in
# the work tree, a repository of somebody else, an event that lies, and git's own environment where runfs is called by a hook.
. "$(dirname "$0")/lib.sh"
need git
R=$T/repo
mkdir -p "$R" "$T/private" "$T/outside"
echo private >"$T/private/secret"
git_commit "$T/private"
echo one >"$R/file"
git_commit "$R"
run() { # STEPS...: a workflow of these steps in the repository; ends with $code
    { printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'; printf '      - %s\n' "$@"; } >"$T/ci.yml"
    code=0
    "$RUNFS" run --state "$STATE" --workspace "$R" "${options[@]}" "$T/ci.yml" >"$T/out" 2>&1 || code=$?
}
has() { contains "$1" "$(cat "$T/out")" "$1"; }
options=()

say 'a hook of another repository calls runfs: that one is left alone'
mkdir "$T/hooked"
echo precious >"$T/hooked/f"
git_commit "$T/hooked"
before=$(git -C "$T/hooked" config -l --local; git -C "$T/hooked" log --all --format=%H; git -C "$T/hooked" status --porcelain)
export GIT_DIR=$T/hooked/.git GIT_INDEX_FILE=$T/hooked/.git/index GIT_WORK_TREE=$T/hooked
run 'uses: actions/checkout@v4' 'run: echo "has $(ls)"'
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE
equal 'exit code' 0 "$code"
has 'has file'
equal 'the other repository' "$before" "$(git -C "$T/hooked" config -l --local; git -C "$T/hooked" log --all --format=%H; git -C "$T/hooked" status --porcelain)"

say 'nothing in the tree tells where the repository is'
run 'uses: actions/checkout@v4' "run: if grep -r '$T' .git; then exit 1; fi"
equal 'exit code' 0 "$code"

say 'a commit has no program of the host run on its files: not one that the user has for attributes'
echo 'filtered filter=own' >"$R/.gitattributes"
echo 'as it is' >"$R/filtered"
git_commit "$R" filter
mkdir "$T/home"
HOME=$T/home git config --global filter.own.smudge "sh -c 'touch $T/ran; cat'"
HOME=$T/home git config --global filter.own.required true
HOME=$T/home run 'uses: actions/checkout@v4' 'run: "cat filtered; test ! -e .git/info/attributes"'
equal 'exit code' 0 "$code"
has 'as it is'
[ ! -e "$T/ran" ] || fail 'it ran'
mkdir "$T/part"
cp "$R/.gitattributes" "$R/filtered" "$T/part"
git_commit "$T/part"
git -C "$R" -c protocol.file.allow=always submodule -q add "$T/part" part
git_commit "$R" part
HOME=$T/home run '{uses: actions/checkout@v4, with: {submodules: true}}' 'run: cat part/filtered'
equal 'exit code' 0 "$code"
[ ! -e "$T/ran" ] || fail 'it ran on a submodule'
git -C "$R" rm -qf part
git -C "$R" rm -qf filtered .gitattributes
git_commit "$R" 'no filter'

say 'a submodule at a path of the host is not followed, unless the checkout has it'
git -C "$R" -c protocol.file.allow=always submodule -q add "$T/private" stolen
git -C "$R" submodule -q deinit -f stolen
rm -rf "$R/.git/modules/stolen"
git_commit "$R" submodule
run '{uses: actions/checkout@v4, with: {submodules: true}}' 'run: cat stolen/secret'
equal 'exit code' 1 "$code"
has "the submodule 'stolen' is at a path of this host ($T/private), which is not followed: run \`git submodule update --init\`"
git -C "$R" -c protocol.file.allow=always submodule -q update --init
run '{uses: actions/checkout@v4, with: {submodules: recursive}}' 'run: "cat stolen/secret; git -C stolen status --porcelain; git submodule status"'
equal 'exit code' 0 "$code"
has private
git -C "$R" rm -qf stolen
git_commit "$R" 'no submodule'

say 'nothing is written or removed through links'
ln -s "$T/outside" "$R/link"
git_commit "$R" link
rm "$R/link"
mkdir "$R/link"
echo inside >"$R/link/f"
run 'uses: actions/checkout@v4' 'run: "cat link/f; test ! -L link"'
equal 'exit code' 0 "$code"
has inside
equal 'what the link led to' '' "$(ls "$T/outside")"
echo keep >"$T/outside/keep"
options=(--label '*=host')
run "run: ln -s $T/outside there; mkdir sub; ln -s ../sub inner" '{uses: actions/checkout@v4, with: {path: there}}'
equal 'exit code' 1 "$code"
has "Repository path '"
has "/there' is not under '"
file_is "$T/outside/keep" keep
run "run: mkdir sub; ln -s sub inner" '{uses: actions/checkout@v4, with: {path: inner}}' 'run: cat sub/file'
equal 'exit code' 0 "$code"
options=()

say 'an event whose commit is none'
echo '{"ref": "refs/heads/main", "after": "--upload-pack=touch '"$T/pwned"'"}' >"$T/payload"
options=(--payload "$T/payload")
run 'uses: actions/checkout@v4' 'run: echo "at $(git rev-parse HEAD)"'
equal 'exit code' 0 "$code"
has "at $(git -C "$R" rev-parse HEAD)"
[ ! -e "$T/pwned" ] || fail 'the commit of an event became an option of git'
options=()

say 'many sparse patterns, and one that would be an option'
for i in $(seq 70); do mkdir -p "$R/d$i"; touch "$R/d$i/f"; done
git_commit "$R" 'many directories'
run "{uses: actions/checkout@v4, with: {sparse-checkout: \"$(for i in $(seq 70); do printf 'd%s\\n' "$i"; done)\"}}" 'run: echo "[$(find d* -type f | wc -l)]"'
has '[70]'
run '{uses: actions/checkout@v4, with: {sparse-checkout: "--stdin"}}'
has "sparse-checkout: '--stdin' is no pattern"

is_root || exit 0
say "the configuration of somebody else's repository names programs that root does not run"
git -C "$R" config filter.evil.clean "touch $T/pwned; cat"
git -C "$R" config core.fsmonitor "touch $T/pwned; false"
echo '* filter=evil' >"$R/.git/info/attributes"
echo changed >"$R/file"
chown -R 31337:31337 "$R"
run 'uses: actions/checkout@v4' 'run: cat file'
equal 'exit code' 0 "$code"
has 'is left out: fatal: detected dubious ownership'
has one
[ ! -e "$T/pwned" ] || fail 'a program that the repository names was run'

say 'nor does it fetch what such a repository lacks, from where and by the program that its configuration names'
git() { command git -c safe.directory='*' -C "$R" "$@"; }
git config core.repositoryformatversion 1
git config extensions.partialClone elsewhere
git config remote.elsewhere.promisor true
git config remote.elsewhere.url "ext::touch $T/pwned"
git config protocol.ext.allow always
printf '%040d\n' 1 >"$R/.git/$(git symbolic-ref HEAD)"
run 'uses: actions/checkout@v4' 'run: cat file'
equal 'exit code' 1 "$code"
[ ! -e "$T/pwned" ] || fail 'a program that the repository names was run'
