# The pictures that graphviz draws are ready when somebody looks: what runs teach is drawn once nothing new has come
# for a moment, and what a role's files say of its concepts once they are indexed. Looking then draws nothing.
. "$(dirname "$0")/lib.sh"
mkdir "$T/bin" "$T/notes" "$T/kg"
cat >"$T/bin/dot" <<Y
#!/bin/bash
read -r kind _ <"\$2" && echo "\$kind" >>"$T/drawn"
echo "<svg><!-- \$(wc -c <"\$2") --></svg>"
Y
chmod +x "$T/bin/dot"
: >"$T/drawn"
PATH=$T/bin:$PATH rf_mount
echo host >"$M/config/labels/ubuntu-latest"
drawn() { [ "$(grep -c "$1" "$T/drawn")" = "$2" ]; }
looked() { # FILE: its size is that of what it holds
    ls -l "$(dirname "$1")" >/dev/null
    equal "size of $1" "$(stat -c %s "$1")" "$(wc -c <"$1")"
}

workflow "$T/w.yml" 'make all || :; make check || :'
rf_drop "$T/w.yml" >/dev/null
rf_wait 20 drawn digraph 1
looked "$M/knowledge/graph.svg"
equal 'drawn for who looked' 'digraph' "$(cat "$T/drawn")"

workflow "$T/w.yml" 'make all || :; make install || :'
rf_drop "$T/w.yml" >/dev/null
rf_wait 20 drawn digraph 2
looked "$M/knowledge/graph.svg"
drawn digraph 2 || fail "drawn again for who looked: $(cat "$T/drawn")"

printf '# Oven\n\nsynonyms:: stove\n' >"$T/kg/oven.md"
printf '# Flour\n\nsynonyms:: wheat\n' >"$T/kg/flour.md"
echo 'Heat the stove, sieve the flour.' >"$T/notes/bread.md"
cat >"$T/cook.json" <<Y
{"name": "Cook", "relevance_function": "bm25", "haystacks": [{"location": "$T/notes"}],
 "kg": {"knowledge_graph_local": {"input_type": "markdown", "path": "$T/kg"}}}
Y
cp "$T/cook.json" "$M/roles/"
rf_wait 20 drawn '^graph$' 1
looked "$M/roles/cook/ontology.svg"
drawn '^graph$' 1 || fail "drawn again for who looked: $(cat "$T/drawn")"

# after another start, too
rf_umount
PATH=$T/bin:$PATH rf_mount
rf_wait 20 drawn digraph 3
looked "$M/knowledge/graph.svg"
drawn digraph 3 || fail "drawn again for who looked: $(cat "$T/drawn")"
