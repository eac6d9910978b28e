# actions/checkout copies the repository that the workflow belongs to: its commit with its .git, any ref and depth, below a
# path, with submodules; of a work tree given to `runfs run` also what is not committed; a plain folder as it is.
. "$(dirname "$0")/lib.sh"
need git
R=$T/repo
mkdir -p "$R/.github/workflows" "$T/lib"
echo library >"$T/lib/lib.txt"
git_commit "$T/lib"
echo one >"$R/file"
git_commit "$R" one
git -C "$R" tag v1
git -C "$R" -c protocol.file.allow=always submodule -q add "$T/lib" lib
echo two >"$R/file"
git_commit "$R" two
git -C "$R" branch -q other
head=$(git -C "$R" rev-parse HEAD)
run() { # STEPS...: a workflow of these steps in the repository
    { printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'; printf '      - %s\n' "$@"; } >"$T/ci.yml"
    rf_run --workspace "$R" "$T/ci.yml"
}
has() { contains "$1" "$(cat "$T/out")" "$2"; }

run '{uses: actions/checkout@v4, id: c}' 'run: echo "$(cat file) $(git log --format=%s) $(git status --porcelain) [$(git rev-parse --abbrev-ref HEAD)] $(ls lib)"' \
    'run: echo "out ${{ steps.c.outputs.ref }} ${{ steps.c.outputs.commit }}"' 'run: "[ $(stat -c %a .) = 755 ] && git config remote.origin.url"'
has 'the commit, shallow, clean, on its branch' "two two  [main] "
has outputs "out refs/heads/main $head"
run '{uses: actions/checkout@v4, with: {fetch-depth: 0, path: sub/dir}}' 'run: echo "$(git -C sub/dir log --format=%s | paste -sd,) $(git -C sub/dir tag) $(git -C sub/dir branch -r | tr -d " " | paste -sd,)"'
has 'all history below a path' 'two,one v1 origin/main,origin/other'
run '{uses: actions/checkout@v4, with: {ref: v1}}' 'run: echo "$(cat file) $(git describe --tags)"'
has 'a tag' 'one v1'
run '{uses: actions/checkout@v4, with: {ref: other}}' 'run: echo "at $(git rev-parse --abbrev-ref HEAD)"'
has 'a branch' 'at other'
run "{uses: actions/checkout@v4, with: {ref: $head}}" 'run: echo "at $(git rev-parse HEAD) $(git rev-parse --abbrev-ref HEAD)"'
has 'a commit' "at $head HEAD"
run '{uses: actions/checkout@v4, with: {submodules: recursive}}' 'run: cat lib/lib.txt'
has 'submodules' library
run '{uses: actions/checkout@v4, with: {sparse-checkout: .github, sparse-checkout-cone-mode: false}}' 'run: ls; echo "[$(ls | wc -l)]"'
has 'sparse' '[0]'
run 'run: touch left; mkdir -p d; touch d/x' 'uses: actions/checkout@v4' 'run: echo "[$(ls | paste -sd,)]"' 'run: touch new' '{uses: actions/checkout@v4, with: {clean: false}}' 'run: echo "kept [$(ls new)]"' 'uses: actions/checkout@v4' 'run: echo "clean [$(ls)]" | tr "\n" ,'
has 'what is no repository is emptied' '[file,lib]'
has 'clean: false keeps' 'kept [new]'
has 'clean removes' 'clean [file,lib]'

say 'what is not committed comes along, unless a ref is given'
echo three >"$R/file"
echo new >"$R/untracked"
rm "$R/.gitmodules"
echo ignored.o >"$R/.gitignore"
touch "$R/ignored.o"
run 'uses: actions/checkout@v4' 'run: echo "[$(cat file untracked | paste -sd,)] [$(ls -A | paste -sd,)]"'
has 'changed and new' '[three,new]'
has 'without what is ignored or deleted' '[.git,.gitignore,file,lib,untracked]'
rf_run --workspace "$R" --ref refs/heads/main "$T/ci.yml" || :
contains 'the commit alone' "$(cat "$T/out")" '[.git,.gitmodules,file,lib]'

say 'a plain folder'
mkdir "$T/plain"
echo plain >"$T/plain/p"
printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: cat p\n' >"$T/p.yml"
rf_run --workspace "$T/plain" "$T/p.yml"
has 'as it is' plain

say 'without a repository, with words on what to do'
exits 1 "$RUNFS" run "$T/p.yml"
contains 'no repository' "$(cat "$T/out")" 'There is no repository to check out'
refuse() { printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - {uses: actions/checkout@v4, with: {%s}}\n' "$1" >"$T/p.yml"; exits 1 "$RUNFS" run --workspace "$R" "$T/p.yml"; contains "$1" "$(cat "$T/out")" "$2"; }
refuse 'path: ../up' "Repository path '../up' is not under"
refuse 'ref: nowhere' "A branch or tag with the name 'nowhere' could not be found"
refuse 'repository: not/there' 'there'
