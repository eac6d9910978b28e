# A role is dropped; its haystacks are searched by looking into a directory named as the query.
. "$(dirname "$0")/lib.sh"
rf_mount
S=$M/knowledge/search
titles() { find "$S/$1" -name '[0-9]*' -printf '%f\n' | sort | paste -sd ' '; } # QUERY
soon() { # WHAT EXPECTED QUERY: files are looked at again after a moment
    for _ in $(seq 100); do
        [ "$(titles "$3")" != "$2" ] || return 0
        pause 0.1
    done
    equal "$1" "$2" "$(titles "$3")"
}
equal 'no role finds nothing' 0 "$(jq .total "$S/pipeline/results.json")"

mkdir -p "$T/docs/deep" "$T/other"
printf '# Pipelines\n\nA pipeline starts machines for a cache.\n' >"$T/docs/a.md"
printf '# Machines\n\nNothing about the other.\n\nBut pipeline, once, among many other words that say little of it.\n' >"$T/docs/deep/b.md"
printf '#!/bin/sh\necho pipeline\n' >"$T/docs/c.sh"
printf '# Secret pipeline\n' >"$T/other/secret.md"
ln -s "$T/other" "$T/docs/out"
ln -s "$T/other/secret.md" "$T/docs/link.md"
printf 'pipeline\0binary' >"$T/docs/bin.md"
role() { # NAME RELEVANCE PATTERN
    printf '{"name": "%s", "relevance_function": "%s", "haystacks": [{"location": "%s", "file_patterns": ["%s"]}]}\n' \
        "$1" "$2" "$T/docs" "$3"
}
role Writer bm25 '*.md' >"$T/writer.json"
cp "$T/writer.json" "$M/roles/writer.json"
jq -e .haystacks "$M/roles/writer.json" >/dev/null
equal 'ranked, and only its files' '01-pipelines 02-machines' "$(titles pipeline)"
equal 'a link to the file' "$T/docs/a.md" "$(readlink "$S/pipeline/01-pipelines")"
contains 'read through the link' "$(cat "$S/pipeline/01-pipelines")" 'starts machines'
equal 'all words' 01-pipelines "$(titles 'pipeline CACHE')"
equal json "Writer Pipelines file://$T/docs/a.md true []" \
    "$(jq -r '"\(.role) \(.results[0] | "\(.title) \(.url) \(.rank > 0 and .id > 0) \(.tags)")"' "$S/pipeline cache/results.json")"

for query in '"' '*' 'title:pipeline' 'pipeline OR nothing' 'NEAR(a b)' "'; DROP TABLE documents; --" '-pipeline' '(' 'a AND' '^x'; do
    jq -e '.total >= 0' "$S/$query/results.json" >/dev/null || fail "the query $query"
done
equal 'an operator is a word' '' "$(titles 'pipeline OR machines')"

printf '# Kettles\n\nA pipeline of tea, tea, tea.\n' >"$T/docs/new.md"
soon 'a new file' 01-kettles 'tea pipeline'
printf '# Kettles\n\nA pipeline of coffee.\n' >"$T/docs/new.md"
soon 'a changed file' 01-kettles 'coffee'
soon 'what it said before' '' 'tea pipeline'
rm "$T/docs/new.md"
soon 'a file that is gone' '' coffee

role Scripter title-scorer '*.sh' >"$M/roles/scripter.json"
echo Scripter >"$M/roles/selected"
soon 'another role, other files' 01-c.sh pipeline
echo Nobody >"$M/roles/selected"
soon 'nobody finds nothing' '' pipeline
sed "s|$T/docs|$T|" "$T/writer.json" | sed 's/\*.md/README*/' >"$M/roles/writer.json"
rm "$M/roles/selected"
soon 'not the mount itself, where reading may wait for a run' '' runfs
cp "$T/writer.json" "$M/roles/"
soon 'the first again' '01-pipelines 02-machines' pipeline

# What is wrong with a role is said.
bad() { # WHAT JSON
    printf '%s' "$2" >"$T/bad.json"
    refused cp "$T/bad.json" "$M/roles/bad.json"
    contains "$1" "$(cat "$M/errors/roles-bad.json")" "$1"
}
bad 'haystacks: this is missing' '{"name": "x", "relevance_function": "bm25"}'
bad 'name: this is missing' '{"relevance_function": "bm25", "haystacks": []}'
bad 'there are title-scorer, bm25' '{"name": "x", "relevance_function": "best", "haystacks": []}'
bad 'haystacks[0].location: this is missing' '{"name": "x", "relevance_function": "bm25", "haystacks": [{}]}'
bad '(Line: 1' '{"name": '
lacks 'not there' "$(ls "$M/roles")" bad
# However many writes it comes in.
role 'In [pieces' bm25 '*.md' >"$T/pieces.json"
dd if="$T/pieces.json" of="$M/roles/pieces.json" bs=7 status=none
equal 'in pieces' "$(cat "$T/pieces.json")" "$(cat "$M/roles/pieces.json")"
role 'In [pieces' title-scorer '*.md' | dd of="$M/roles/pieces.json" bs=7 status=none
file_is "$M/roles/in-pieces/relevance_function" title-scorer
rm "$M/roles/pieces.json"
rm "$M/roles/scripter.json" "$M/roles/writer.json"
soon 'without roles' '' pipeline

# The example searches linked repositories, and nothing outside of them.
mkdir -p "$T/repo/examples"
printf '# Guide\n\nself-hosted runners\n' >"$T/repo/examples/guide.md"
ln -s "$T/other" "$T/repo/docs"
git -C "$T/repo" init -q
ln -s "$T/repo" "$M/repos/here"
cp "$(dirname "$0")/../../examples/roles/devops_cicd_config.json" "$M/roles/"
soon 'in the repository' 01-guide 'self-hosted runners'
soon 'not through a link out of it' '' secret
rf_umount
rf_mount
soon 'kept' 01-guide 'self-hosted runners'
