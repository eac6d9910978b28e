# roles/R/search answers as role R, whichever role is selected; what a role is stands beside it.
. "$(dirname "$0")/lib.sh"
rf_mount
R=$M/roles
titles() { find "$1" -name '[0-9]*' -printf '%f\n' | sort | paste -sd ' '; } # DIRECTORY
mkdir -p "$T/docs" "$T/code"
printf '# Kettles\n\nA pipeline of tea.\n' >"$T/docs/a.md"
printf '#!/bin/sh\necho pipeline\n' >"$T/code/run.sh"
role() { # NAME DIRECTORY PATTERN
    jq -n --arg n "$1" --arg d "$T/$2" --arg p "$3" '{name: $n, shortname: ($n | .[:2]), relevance_function: "bm25",
        llm_system_prompt: "Be brief.", extra: (if $n == "Coder" then {} else {kettle: ["tea", $n]} end), haystacks: [{location: $d, file_patterns: [$p]}]}'
}
role 'The Writer' docs '*.md' >"$T/writer"
role Coder code '*.sh' >"$T/coder"
jq -n --slurpfile w "$T/writer" --slurpfile c "$T/coder" '{roles: {"The Writer": $w[0], Coder: $c[0]}}' >"$T/both.json"; cp "$T/both.json" "$R/"
equal 'a directory each' 'both.json coder the-writer' "$(ls "$R" | paste -sd ' ')"
equal 'what it is' "The Writer|bm25|$T/docs|*.md" "$(cd "$R/the-writer" && cat name relevance_function haystacks/1/location haystacks/1/file_patterns | paste -sd '|')"
equal 'what it says besides' '{"kettle":["tea","The Writer"]}' "$(jq -c . "$R/the-writer/extra.json")"
refused cat "$R/coder/extra.json"
lacks 'nothing, and no file of it' "$(ls "$R/coder")" extra
equal 'as the one' 01-kettles "$(titles "$R/the-writer/search/pipeline")"
equal 'as the other' 01-run.sh "$(titles "$R/coder/search/pipeline")"
equal 'a link to the file' "$T/code/run.sh" "$(readlink "$R/coder/search/pipeline/01-run.sh")"
echo Coder >"$R/selected"
equal 'the selected one' 01-run.sh "$(titles "$M/knowledge/search/pipeline")"
equal 'the other all the same' 'The Writer Kettles' "$(jq -r '"\(.role) \(.results[0].title)"' "$R/the-writer/search/pipeline/results.json")"

# Of two names that would be one directory each has its own; a name that is there twice is there once.
role 'the writer' code '*.sh' >"$T/two.json"
role Coder docs '*.md' >"$T/again.json"
cp "$T/two.json" "$T/again.json" "$R/"
equal 'told apart' 'again.json both.json coder selected the-writer the-writer-2 two.json' "$(ls "$R" | paste -sd ' ')"
equal 'its own' 01-run.sh "$(titles "$R/the-writer-2/search/pipeline")"
equal 'still the first' 01-run.sh "$(titles "$R/coder/search/pipeline")"
refused ls "$R/nobody/search/pipeline"
refused mkdir "$R/new"
refused rmdir "$R/coder"
rm "$R/both.json"
refused ls "$R/the-writer-2/search/pipeline"
equal 'gone with its file' 'again.json coder selected the-writer two.json' "$(ls "$R" | paste -sd ' ')"
equal 'what is left' 01-kettles "$(titles "$R/coder/search/pipeline")"
