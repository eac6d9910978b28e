# A workflow that was dropped belongs to no repository: its checkout takes the one that is linked, if there is one only.
. "$(dirname "$0")/lib.sh"
need git
for name in one two; do
    mkdir "$T/$name"
    echo "$name" >"$T/$name/file"
    git_commit "$T/$name"
done
rf_mount
need_sandbox
printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: cat file; git log --format=%%s\n' >"$T/ci.yml"
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" failure
file_has "$M/runs/$n/log" 'There is no repository to check out'
ln -s "$T/one" "$M/repos/one"
n=$(rf_drop "$T/ci.yml")
equal 'the only one' 'one
first' "$(step_out "$n" a 02)"
ln -s "$T/two" "$M/repos/two"
n=$(rf_drop "$T/ci.yml")
file_has "$M/runs/$n/log" 'There is no repository to check out'
