# What is changed, added, removed or renamed is found by the very next search, and an unchanged haystack is not walked.
. "$(dirname "$0")/lib.sh"
rf_mount
S=$M/knowledge/search
titles() { jq -r '[.results[].title] | sort | join(" ")' "$S/$1/results.json"; } # QUERY
role() { # LOCATION
    printf '{"name": "R", "relevance_function": "bm25", "haystacks": [{"location": "%s", "file_patterns": ["*.md"]}]}\n' "$1" >"$M/roles/r.json"
}
make_docs() {
    mkdir -p "$T/up/docs/deep/er"
    for page in one two deep/three deep/er/four; do printf '# %s\n\nkettle\n' "${page##*/}" >"$T/up/docs/$page.md"; done
}
make_docs

# WHERE-SEEN WHERE-CHANGED
changes() {
    cd "$2"
    role "$1"
    equal 'all' 'four one three two' "$(titles kettle)"
    printf '# two\n\nkettle teapot\n' >two.md
    equal 'a changed file' two "$(titles teapot)"
    touch -r one.md "$T/time"
    printf '# one\n\nketTLE\n' >one.md
    printf '# one\n\nurn    \n' >one.md
    touch -r "$T/time" one.md
    printf '# five\n\nurn\n' >deep/er/five.md
    [ -n "${3-}" ] || equal 'a changed file of the same size and time, and a new one' 'five one' "$(titles urn)"
    mkdir -p new/deeper
    printf '# six\n\nkettle\n' >new/deeper/six.md
    equal 'a new directory' 'four six three two' "$(titles kettle)"
    mv new renamed
    printf '# six\n\nkettle samovar\n' >renamed/deeper/six.md
    equal 'a renamed directory' six "$(titles samovar)"
    equal 'where it is now' "$1/renamed/deeper/six.md" "$(readlink "$S/samovar/01-six")"
    mv renamed "$T/elsewhere"
    equal 'a directory moved out' 'four three two' "$(titles kettle)"
    mv "$T/elsewhere" .
    mv elsewhere/deeper/six.md elsewhere/deeper/six.txt
    equal 'a file renamed to what is no page' 'four three two' "$(titles kettle)"
    mv elsewhere/deeper/six.txt elsewhere/deeper/seven.md
    equal 'and back' 'four six three two' "$(titles kettle)"
    rm -r elsewhere deep/er
    equal 'a removed directory' 'three two' "$(titles kettle)"
    rm two.md
    equal 'a removed file' three "$(titles kettle)"
    printf '# two\n\nkettle\n' >"$T/two"
    mv "$T/two" two.md
    equal 'a file moved in' 'three two' "$(titles kettle)"
    cd /
    mv "$T/up" "$T/old"
    mkdir -p "$2"
    printf '# only\n\nkettle\n' >"$2/only.md"
    [ -n "${3-}" ] || equal 'another directory in its place' only "$(titles kettle)"
    rm -r "$T/up"
    mv "$T/old" "$T/up"
    mv "$2" "$2.old"
    mkdir "$2"
    [ -n "${3-}" ] || equal 'an empty one' '' "$(titles kettle)"
    rmdir "$2"
    mv "$2.old" "$2"
}
changes "$T/up/docs" "$T/up/docs"

# Of what is not changed, the search opens and lists nothing.
if command -v strace >/dev/null; then
    cd "$T"
    titles kettle >/dev/null
    strace -f -y -qq -o "$T/trace" -e trace=getdents64 -p "$(daemon_pid)" &
    children+=($!)
    rf_wait 10 grep -q 'TracerPid:.[1-9]' "/proc/$(daemon_pid)/status"
    titles three >/dev/null
    lacks 'nothing is walked' "$(cat "$T/trace")" "<$T/up"
    touch "$T/up/docs/deep"
    titles three >/dev/null
    contains 'and that would be seen' "$(cat "$T/trace")" "<$T/up"
    kill -INT "${children[-1]}"
    wait "${children[-1]}" || :
    unset 'children[-1]'
fi
[ ! -e "$M/errors/roles-r.json" ]
rm "$M/roles/r.json"
equal 'no role' '' "$(titles kettle)"
rf_umount
equal 'nothing is kept of a role that is gone' 0 "$(sqlite3 "$STATE/search.db" 'SELECT count(*) FROM documents')"

# A file system that tells nothing of what is done elsewhere to its files is walked.
is_root || skip 'the rest needs root, to mount'
rm -r "$T/up"
make_docs
mkdir "$T/through"
"$BUILD/bench/passthrough" "$T/up/docs" "$T/through" &
children+=($!)
rf_wait 10 is_mounted "$T/through"
at_end+=('umount -l "$T/through"')
rf_mount
changes "$T/through" "$T/up/docs" walked
