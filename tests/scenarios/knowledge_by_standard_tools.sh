# What runs taught is read with sort, ls, cat and sed, as examples/knowledge.sh does; the graph of commands is a picture and data.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
mkdir "$T/bin"
printf '#!/bin/sh\ncase $1 in test) [ ! -e %s/broken ] || { echo "FAIL src/app.test.js:12: expected 200, got 500" >&2; exit 1; };; esac\n' "$T" >"$T/bin/npm"
chmod +x "$T/bin/npm"
cat >"$T/ci.yml" <<Y
on: workflow_dispatch
jobs:
  test:
    runs-on: h
    env: {PATH: "$T/bin:/usr/bin:/bin"}
    steps:
      - run: npm ci
      - run: npm test
      - run: npm run build && tar -cf /dev/null /etc/hostname
Y
rf_drop "$T/ci.yml" >/dev/null
touch "$T/broken"
for i in 2 3 4; do
    echo >"$M/dispatch/ci.yml"
    ended "$(cat "$M/dispatch/ci.yml")"
done
rm "$T/broken"
echo >"$M/dispatch/ci.yml"
ended "$(cat "$M/dispatch/ci.yml")"

cp "$here/examples/roles/devops_cicd_config.json" "$M/roles/"
"$here/examples/knowledge.sh" "$M" >"$T/told" || fail "$(cat "$T/told")"
file_has "$T/told" '3 0.400 npm test'
file_has "$T/told" '5 1.000 2 3 npm-test'
file_has "$T/told" 'app.test.js:N: expected N, got N: runs 2 3 4'
file_has "$T/told" 'it comes and goes by itself'
file_has "$T/told" '01-fail-app.test.js-n-expected-n-got-n'
contains 'of another command' "$("$here/examples/knowledge.sh" "$M" ci.yml npm-test)" '# what follows `npm test`: '
file_has "$T/told" 'success: 0.'

jq -e '[.nodes[].slug] | index("npm-ci") != null' "$M/knowledge/graph.json" >/dev/null || fail 'a node is missing'
equal 'an edge' 3 "$(jq '. as $g | .edges[] | select(.from == ($g.nodes[] | select(.slug == "npm-ci").id) and .to == ($g.nodes[] | select(.slug == "npm-test").id)) | .failures' "$M/knowledge/graph.json")"
file_has "$M/knowledge/graph.dot" 'digraph commands {'
equal 'around one' 'npm-test 3' "$(jq -r '. as $g | .edges[] | select(.from == ($g.nodes[] | select(.slug == "npm-ci").id)) | . as $e | "\($g.nodes[] | select(.id == $e.to).slug) \(.failures)"' "$M/knowledge/commands/npm-ci/graph.json")"
file_has "$M/knowledge/commands/npm-ci/graph.dot" 'npm test'
file_lacks "$M/knowledge/commands/npm-ci/graph.dot" 'tar'
if command -v dot >/dev/null; then
    dot -Tsvg "$M/knowledge/graph.dot" >/dev/null || fail 'graphviz does not take it'
    "$PYTHON" - "$M/knowledge/graph.svg" <<'P'
import sys, xml.etree.ElementTree as tree
text = ' '.join(t for e in tree.parse(sys.argv[1]).getroot().iter() for t in e.itertext())
assert 'npm test' in text and '5 runs, 3 failed' in text, text
P
    equal 'its size' "$(stat -c %s "$M/knowledge/graph.svg")" "$(wc -c <"$M/knowledge/graph.svg")"
    cp "$M/knowledge/graph.svg" "${GRAPH:-/dev/null}"
fi

# A command's own picture needs no graphviz: what it followed is on its left, what followed it on its right.
svg=$M/knowledge/commands/npm-test/graph.svg
places() { # SVG: the columns of the boxes, and what is in them
    "$PYTHON" - "$1" <<'P'
import sys, xml.etree.ElementTree as tree
root, ns = tree.parse(sys.argv[1]).getroot(), '{http://www.w3.org/2000/svg}'
boxes = [(int(g.find(ns + 'rect').get('x')), g.find(ns + 'title').text, g.findall(ns + 'text')[1].text) for g in root.iter(ns + 'g')]
width, height = int(root.get('width')), int(root.get('height'))
assert all(0 <= int(r.get('x')) <= width - 190 and 0 <= int(r.get('y')) <= height - 40 for r in root.iter(ns + 'rect'))
columns = sorted({x for x, _, _ in boxes})
print(*('%d %s: %s' % (columns.index(x), name, runs) for x, name, runs in sorted(boxes)), sep='|')
P
}
equal 'left to right' '0 npm ci: 5 runs|1 npm test: 5 runs, 3 failed|2 npm run build: 2 runs' "$(places "$svg")"
equal 'its size' "$(stat -c %s "$svg")" "$(wc -c <"$svg")"
equal 'without what came before' '0 npm ci: 5 runs|1 npm test: 5 runs, 3 failed' "$(places "$M/knowledge/commands/npm-ci/graph.svg")"
printf '#!/bin/sh\n' >"$T/bin/hub" # one between many, some with names that are no XML
chmod +x "$T/bin/hub"
for i in $(seq 20); do
    ln -s hub "$T/bin/before$i"
    ln -s hub "$T/bin/af<&>ter$i"
done
{
    printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: "'
    for i in $(seq 20); do printf "before%s; hub; 'af<&>ter%s'; " "$i" "$i"; done
    printf '", env: {PATH: "%s:/usr/bin:/bin"}}]}}\n' "$T/bin"
} >"$T/many.yml"
rf_drop "$T/many.yml" >/dev/null
many=$(places "$M/knowledge/commands/hub/graph.svg")
equal 'sixteen of them on each side' '16 1 16' "$(tr '|' '\n' <<<"$many" | cut -c 1 | uniq -c | awk '{print $1}' | paste -sd ' ')"
contains 'their names' "$many" 'af<&>ter'

# What came of a command in a condition or in the middle of a pipeline nobody knows: that is no failure.
ln -s hub "$T/bin/maybe"
printf 'on: push\njobs: {a: {runs-on: h, env: {PATH: "%s:/usr/bin:/bin"}, steps: [{run: "hub; maybe | cat"}]}}\n' "$T/bin" >"$T/maybe.yml"
rf_drop "$T/maybe.yml" >/dev/null
equal 'neither succeeded nor failed' '0 0 1' "$(jq -r '. as $g | .edges[] | select(.to == ($g.nodes[] | select(.slug == "maybe").id)) | "\(.successes) \(.failures) \(.unknown)"' "$M/knowledge/graph.json")"
equal 'grey' 1 "$(grep -c ' -> .*label="1", color="#8c959f"' "$M/knowledge/commands/maybe/graph.dot")"
equal 'drawn so' '0 hub: 21 runs|1 maybe: 1 run|2 cat: 1 run' "$(places "$M/knowledge/commands/maybe/graph.svg")"
lacks 'and not red' "$(cat "$M/knowledge/commands/maybe/graph.svg")" '#cf222e'
