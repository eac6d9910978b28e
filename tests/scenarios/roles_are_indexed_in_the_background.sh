# The files of a role that is dropped are read in the background: looking at what it is waits for none of them,
# what is asked of its files waits for all. A file system that answers nothing holds the reading where it is.
. "$(dirname "$0")/lib.sh"
is_root || skip 'a file system in user space is mounted by root'
rf_mount
R=$M/roles
mkdir -p "$T/docs" "$T/kg" "$T/through"
for i in $(seq 30); do printf '# Page %s\n\nThe kettle boils, and then there is tea.\n' "$i" >"$T/docs/$i.md"; done
printf '# Kettle\n\nsynonyms:: boiler\n' >"$T/kg/kettle.md"
printf '# Tea\n\nsynonyms:: brew\n' >"$T/kg/tea.md"
"$BUILD/bench/passthrough" "$T/docs" "$T/through" &
children+=($!)
rf_wait 10 is_mounted "$T/through"
at_end+=('kill -CONT "${children[0]}" 2>/dev/null' 'umount -l "$T/through" 2>/dev/null')

kill -STOP "${children[0]}"
jq -n --arg d "$T/through" --arg k "$T/kg" '{name: "Cook", relevance_function: "terraphim-graph", haystacks: [{location: $d}],
    kg: {knowledge_graph_local: {input_type: "markdown", path: $k}}}' >"$T/cook.json"
timeout 20 cp "$T/cook.json" "$R/" || fail 'the drop waits for the files'
equal 'says so' 'being indexed: 0 files so far' "$(timeout 20 cat "$R/cook/index")"
equal 'what it is' 'concepts haystacks index name ontology.dot ontology.json ontology.svg relevance_function search' "$(timeout 20 ls -l "$R/cook" | awk 'NR > 1 { print $NF }' | xargs)"
equal 'its concepts' 'kettle tea' "$(timeout 20 ls "$R/cook/concepts" | xargs)"
equal 'and those of the selected role' 'kettle tea' "$(timeout 20 ls "$M/knowledge/concepts" | xargs)"
equal 'what one is called' 'kettle boiler Kettle' "$(timeout 20 cat "$R/cook/concepts/kettle/synonyms" | xargs)"
equal 'what it has' 'count definition.md documents edges name related synonyms' "$(timeout 20 ls -l "$R/cook/concepts/kettle" | awk 'NR > 1 { print $9 }' | xargs)"
equal 'a size that is not known yet' 0 "$(timeout 20 stat -c %s "$R/cook/concepts/kettle/edges")"
jq 'del(.kg) | .name = "Waiter" | .relevance_function = "bm25"' "$T/cook.json" >"$T/waiter.json"
timeout 20 cp "$T/waiter.json" "$R/" || fail 'the next drop waits for the files'
equal 'as the next one' 'concepts haystacks index name relevance_function search' "$(timeout 20 ls -l "$R/waiter" | awk 'NR > 1 { print $NF }' | xargs)"
equal 'which has no concepts' '' "$(timeout 20 ls "$R/waiter/concepts")"
timeout 20 ls "$R/cook/search/kettle" >"$T/found" &
children+=($!)
cat "$R/cook/concepts/kettle/edges" >"$T/edges" &
children+=($!)

kill -CONT "${children[0]}"
wait "${children[1]}" || fail 'the search did not wait'
wait "${children[2]}" || fail 'the edges did not wait'
children=("${children[0]}")
equal 'all that was asked' 30 "$(grep -c '^[0-9]' "$T/found")"
equal 'and counted' '30 tea' "$(cat "$T/edges")"
rf_wait 10 grep -qx indexed "$R/cook/index"
equal 'the size that it has' "$(wc -c <"$T/edges")" "$(stat -c %s "$R/cook/concepts/kettle/edges")"

# A mount that is to end waits for no file system that does not answer; the next one reads what this one did not.
rm "$R/cook.json" "$R/waiter.json"
kill -STOP "${children[0]}"
timeout 20 cp "$T/cook.json" "$R/"
equal 'is read' 'being indexed: 0 files so far' "$(timeout 20 cat "$R/cook/index")"
pid=$(daemon_pid)
timeout 60 "$RUNFS" umount "$M" || fail 'the mount did not end'
rf_wait 10 gone "$pid"
rf_mount
kill -CONT "${children[0]}"
rf_wait 20 grep -qx indexed "$R/cook/index"
equal 'found by the next one' 30 "$(ls "$R/cook/search/kettle" | grep -c '^[0-9]')"
