# A role with a directory of concepts finds what is called otherwise, and ranks by what stands together.
. "$(dirname "$0")/lib.sh"
rf_mount
titles() { find "$M/knowledge/search/$1" -name '[0-9]*' -printf '%f\n' | sort | paste -sd ' '; } # QUERY
mkdir -p "$T/kg" "$T/docs"
printf '# Machine\n\nsynonyms:: virtual machine, microVM\n' >"$T/kg/machine.md"
printf '# Snapshot\n\nsynonyms:: checkpoint\n' >"$T/kg/snapshot.md"
printf '# No concept\n\nA page without that line.\n' >"$T/kg/page.md"
printf '# One\n\nThe MicroVM, here alone.\n' >"$T/docs/1.md"
printf '# Two\n\nA checkpoint of a virtual\nmachine.\n' >"$T/docs/2.md"
printf '# Three\n\nA machine and its snapshot.\n' >"$T/docs/3.md"
printf '# Four\n\nThe machinery of the microVMs.\n' >"$T/docs/4.md"
cat >"$M/roles/r.json" <<J
{"name": "R", "relevance_function": "terraphim-graph", "haystacks": [{"location": "$T/docs"}],
 "kg": {"automata_path": null, "knowledge_graph_local": {"input_type": "markdown", "path": "$T/kg"}}}
J
# As often as it is named, in how many files it is (3), and in how many of them with the other (2). Two says it twice.
equal 'by a synonym, as whole words' '01-two 02-three 03-one' "$(titles MICROVM)"
equal 'ranks' '7 6 4' "$(jq -r '[.results[].rank | floor] | join(" ")' "$M/knowledge/search/microvm/results.json")"
equal 'by another concept' '01-three 02-two' "$(titles checkpoint)"
equal 'a word that is no concept' 01-one "$(titles alone)"
printf '# Alone\n\nsynonyms:: machinery\n' >"$T/kg/alone.md"
contains 'a new concept' "$(titles alone)" four
rm -r "$T/kg"
equal 'without concepts' 01-three "$(titles 'machine snapshot')"
