# The house: what every source file looks like, and what is not in the repository.
. "$(dirname "$0")/lib.sh"
cd "$here"
git rev-parse --git-dir >/dev/null 2>&1 || skip 'not a git checkout'
mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t texts < <(git ls-files | grep -vE '^tests/fuzz/corpus/|\.(bin|gz)$')
equal 'trailing blanks' '' "$(grep -nE '[[:blank:]]+$' -- "${texts[@]}" | grep -v '\.md:' | head -n 5 || :)"
equal 'files too long to fit in one head' '' "$(awk 'FNR == 801 && FILENAME !~ /^tests\// { print FILENAME }' "${sources[@]}")"
equal 'sources that do not begin with a comment that says what they are for' '' "$(awk 'FNR == 1 && !/^\/\*/ { print FILENAME }' "${sources[@]}")"
mapfile -t scripts < <(git ls-files 'tests/scenarios/*.sh')
equal 'empty files' '' "$(find "${sources[@]}" "${scripts[@]}" -empty)"
equal 'scenarios that do not begin with a comment that says what they show' '' "$(awk 'FNR == 1 && !/^# / { print FILENAME }' "${scripts[@]}")"
for f in "${scripts[@]}"; do bash -n "$f" || fail "$f"; done
equal 'numbers of issues in names' '' "$(git ls-files | grep -iE 'issue[-_]?[0-9]|(^|/)[0-9]+[-_]' || :)"
equal 'what is built is not kept' '' "$(git ls-files | grep -E '\.(o|a|d|so|gcda|gcno)$|^build' || :)"
equal 'notes to oneself' '' "$(git ls-files | grep -iE '^(NOTE|TODO)' || :)"
if command -v clang-format >/dev/null; then
    clang-format --dry-run -Werror "${sources[@]}" 2>"$T/format" || fail "make fmt would change: $(grep -o '^[^:]*:[0-9]*' "$T/format" | head -n 5 | xargs)"
fi
# every subcommand documents its exit codes, and none prints its help on standard error
subcommands=$("$RUNFS" -h | sed -n 's/^  \([a-z-]*\) .*/\1/p')
[ "$(wc -w <<<"$subcommands")" -gt 10 ] || fail "runfs -h lists: $subcommands"
for c in $subcommands; do
    exits 0 "$RUNFS" $c -h
    grep -qiE 'exit (status|code)' "$T/out" || fail "runfs $c -h says nothing about exit codes"
    equal "runfs $c -h on standard error" '' "$(cat "$T/err")"
    exits 2 "$RUNFS" $c --no-such-option </dev/null
    equal "runfs $c --no-such-option on standard output" '' "$(cat "$T/out")"
done
