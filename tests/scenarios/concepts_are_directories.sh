# The concepts of a role are directories: what they are called, the files that name them, and what stands with them.
. "$(dirname "$0")/lib.sh"
rf_mount
C=$M/knowledge/concepts
mkdir -p "$T/kg" "$T/docs"
equal 'without a role' '' "$(ls "$C")"
printf '# Machine\n\nWhat jobs run in.\n\nsynonyms:: virtual machine, microVM\n' >"$T/kg/machine.md"
printf '# Snapshot\n\nsynonyms:: checkpoint\n' >"$T/kg/snapshot.md"
printf '# Kettle\n\nsynonyms:: teapot\n' >"$T/kg/kettle.md"
printf '# Kettle\n\nsynonyms:: boiler\n' >"$T/kg/other.md"
printf '# No concept\n\nA page without that line.\n' >"$T/kg/page.md"
printf '# One\n\nThe MicroVM, here alone.\n' >"$T/docs/1.md"
printf '# Two\n\nA checkpoint of a virtual machine, and of one more machine.\n' >"$T/docs/2.md"
printf '# Three\n\nA machine, a snapshot.\n' >"$T/docs/3.md"
printf '# Four\n\nA machine with a teapot and a checkpoint.\n' >"$T/docs/4.md"
printf 'echo machine\n' >"$T/docs/5.sh"
cat >"$M/roles/r.json" <<J
{"name": "R", "relevance_function": "bm25", "haystacks": [{"location": "$T/docs", "file_patterns": ["*.md"]}],
 "kg": {"automata_path": null, "knowledge_graph_local": {"input_type": "markdown", "path": "$T/kg"}}}
J
equal 'a directory each' 'kettle kettle-2 machine snapshot' "$(ls "$C" | paste -sd ' ')"
equal 'its name' Machine "$(cat "$C/machine/name")"
equal 'what it is called' 'machine|virtual machine|microVM|Machine' "$(paste -sd '|' "$C/machine/synonyms")"
equal 'its page' "$T/kg/machine.md" "$(readlink "$C/machine/definition.md")"
file_has "$C/machine/definition.md" 'What jobs run in.'
equal 'how many files' 4 "$(cat "$C/machine/count")"
equal 'what stands with it' '3 snapshot|1 kettle' "$(paste -sd '|' "$C/machine/edges" | sed 's/kettle-2/kettle/')"
equal 'and that with it' '3 machine|1 kettle' "$(paste -sd '|' "$C/snapshot/edges")"
equal 'as links' 'kettle snapshot' "$(ls "$C/machine/related" | paste -sd ' ')"
equal 'that lead there' Snapshot "$(cat "$C/machine/related/snapshot/related/machine/related/snapshot/name")"
# How often it is named (a virtual machine is one, too), and what it stands with: 3 + 4 + 3, 1 + 4 + 3 + 1, 1 + 4 + 3, 1 + 4
equal 'its files, ranked' '01-two 02-four 03-three 04-one' "$(ls "$C/machine/documents" | paste -sd ' ')"
file_has "$C/machine/documents/01-two" 'one more machine'
refused cat "$C/machine/documents/05-five"
refused ls "$C/nothing"
equal 'by grep' 'machine/synonyms snapshot/synonyms' "$(cd "$C" && grep -lrE 'microVM|checkpoint' . | sed 's/^..//' | sort | paste -sd ' ')"
equal 'as data' '1 1 3 of 4' "$(jq -r '([.edges[].documents] | sort | map(tostring) | join(" ")) + " of " + (.nodes[] | select(.name == "Machine").documents | tostring)' "$M/roles/r/ontology.json")"
file_has "$M/roles/r/ontology.dot" 'label="Machine\n4"'
equal 'its edges' '1 1 3' "$(grep -o -- '-- .*label="[0-9]*"' "$M/roles/r/ontology.dot" | grep -o '"[0-9]*"' | tr -d '"' | sort | paste -sd ' ')"
if command -v dot >/dev/null; then
    "$PYTHON" - "$M/roles/r/ontology.svg" <<'P'
import sys, xml.etree.ElementTree as tree
text = ' '.join(t for e in tree.parse(sys.argv[1]).getroot().iter() for t in e.itertext())
assert all(name in text for name in ('Machine', 'Snapshot', 'Kettle')), text
P
    equal 'its size' "$(stat -c %s "$M/roles/r/ontology.svg")" "$(wc -c <"$M/roles/r/ontology.svg")"
fi
# Of each role, whichever is selected; the links lead to where they do from there.
R=$M/roles/r/concepts
equal 'in its own directory' "$(ls "$C" | paste -sd ' ')" "$(ls "$R" | paste -sd ' ')"
equal 'the same' '' "$(diff -r --no-dereference "$C/machine" "$R/machine" 2>&1)"
equal 'that lead there' Snapshot "$(cat "$R/machine/related/snapshot/related/machine/related/snapshot/name")"
sed 's/"R"/"Other"/; s/\*\.md/1.md/' "$M/roles/r.json" >"$T/other.json"
cp "$T/other.json" "$M/roles/"
equal 'another role of the same concepts, and fewer files' '1 01-one 4' \
    "$(cat "$M/roles/other/concepts/machine/count") $(ls "$M/roles/other/concepts/machine/documents") $(cat "$R/machine/count")"
equal 'beside the selected one' 4 "$(cat "$C/machine/count")"
refused ls "$M/roles/other/concepts/machine/related/snapshot"
rm "$M/roles/other.json"
refused ls "$M/roles/other/concepts"
# A failure that names one is among its files.
echo host >"$M/config/labels/h"
printf 'on: push\njobs:\n  a:\n    runs-on: h\n    steps:\n      - run: |\n          echo "error: boiler: no such thing" >&2\n          exit 1\n' >"$T/ci.yml"
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" failure
for boiler in "$C"/kettle-2 "$R"/kettle-2; do
    file_is "$boiler/count" 1
    file_is "$boiler"/documents/01-*/count 1
done
rmdir "$M/runs/$n"
# What changes on disk is seen.
printf '# Four\n\nNothing of it.\n' >"$T/docs/4.md"
equal 'a file that changed' '3 2 snapshot' "$(cat "$C/machine/count") $(cat "$C/machine/edges")"
rm "$T/docs/2.md"
equal 'a file that is gone' '01-three 02-one' "$(ls "$C/machine/documents" | paste -sd ' ')"
printf '# Urn\n\nsynonyms:: alone\n' >"$T/kg/urn.md"
equal 'a new concept' '1 machine' "$(cat "$C/urn/edges")"
rm "$T/kg/other.md"
equal 'one that is gone' 'kettle machine snapshot urn' "$(ls "$C" | paste -sd ' ')"
printf '{"name": "S", "relevance_function": "bm25", "haystacks": [{"location": "%s"}]}\n' "$T/docs" >"$M/roles/s.json"
echo S >"$M/roles/selected"
equal 'a role without concepts' '' "$(ls "$C" "$M/roles/s/concepts" | grep -v :)"
equal 'which is selected' 'kettle machine snapshot urn' "$(ls "$R" | paste -sd ' ')"
refused cat "$M/roles/s/graph.dot"
refused cat "$C/machine/name"
