# Where there are more commands than a picture has room for, it shows what fails, and what that stands between,
# before what merely runs often.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/ubuntu-latest"
mkdir "$T/bin"
for name in $(seq -f 'tool-%.0f' 90) before broken; do
    printf '#!/bin/sh\n[ "${0##*/}" != broken ]\n' >"$T/bin/$name"
    chmod +x "$T/bin/$name"
done
cat >"$T/often.yml" <<Y
on: push
jobs: { a: { runs-on: ubuntu-latest, steps: [ { run: 'echo $T/bin >>"\$GITHUB_PATH"' }, { run: '$(seq -f 'tool-%.0f; ' 90 | xargs)' } ] } }
Y
sed "s/run: 'tool-1;.*' }/run: 'before; broken' }/" "$T/often.yml" >"$T/once.yml"
rf_drop "$T/once.yml" >/dev/null
rf_drop "$T/often.yml" >/dev/null
n=$(rf_drop "$T/often.yml")
file_is "$M/runs/$n/conclusion" success
G=$M/knowledge/graph.json
equal 'commands there are' 93 "$(ls "$M/knowledge/commands" | wc -l)"
equal 'and are shown' 60 "$(jq '.nodes | length' "$G")"
equal 'what failed, and what came before' 'before broken' "$(jq -r '.nodes[].slug' "$G" | grep '^b' | sort | xargs)"
equal 'how that went' 1 "$(jq '. as $g | .edges[] | select(.to == ($g.nodes[] | select(.slug == "broken").id) and .from == ($g.nodes[] | select(.slug == "before").id)) | .failures' "$G")"
