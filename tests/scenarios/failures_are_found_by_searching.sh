# What steps failed with is found by searching, as any role and without one: by its error, its command, its place, and its cure.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
S=$M/knowledge/search
titles() { find "$1" -name '[0-9]*' -printf '%f\n' | sort | paste -sd ' '; } # DIRECTORY
failures() { find "$1" -lname '*/failures/*' -printf '%f\n' | cut -d- -f2-; } # DIRECTORY; commands and runs may be found, too
cat >"$T/ci.yml" <<Y
on: push
jobs:
  build:
    runs-on: h
    steps:
      - name: Compile it
        run: $T/brew -j2
Y
cat >"$T/brew" <<Y
#!/bin/bash
echo "src/main.c:\$RANDOM:5: error: kettle.h: no such file" >&2
[ -e $T/kettle.h ]
Y
chmod +x "$T/brew"
equal 'nothing yet' '' "$(titles "$S/kettle.h")"
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" failure
f=$(ls "$M/knowledge/failures")
one=$(titles "$S/kettle.h")
contains 'its title' "$one" 01-main.c
equal 'a link to the failure' "../../failures/$f" "$(readlink "$S/kettle.h/$one")"
file_is "$S/kettle.h/$one/count" 1
equal 'by its command' "${one#*-}" "$(failures "$S/brew")"
equal 'by its place' "${one#*-}" "$(failures "$S/Compile build")"
equal 'as data' "[\"failure\"] knowledge/failures/$f" "$(jq -r '.results[0] | "\(.tags) \(.url)"' "$S/kettle.h error/results.json")"

# Beside files, as each role.
mkdir "$T/docs"
printf '# Kettles\n\nThe header is kettle.h, and there is much to be said of that, at length.\n' >"$T/docs/kettles.md"
printf '{"name": "Writer", "relevance_function": "bm25", "haystacks": [{"location": "%s"}]}\n' "$T/docs" >"$M/roles/w.json"
equal 'beside files' "01-${one#*-} 02-kettles" "$(titles "$S/kettle.h")"
equal 'as a role' "../../../../knowledge/failures/$f" "$(readlink "$M/roles/writer/search/kettle.h/$one")"
file_is "$M/roles/writer/search/kettle.h/$one/count" 1

# What mends it is found, too; met again, it is the same.
sed -i 's/brew -j2/brew --teapot/' "$T/ci.yml"
touch "$T/kettle.h"
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
equal 'by its cure' "${one#*-}" "$(failures "$S/teapot")"
rm "$T/kettle.h"
rf_drop "$T/ci.yml" >/dev/null
equal 'the same again' "${one#*-}" "$(failures "$S/teapot")"
file_is "$S/kettle.h error/$one/count" 2
rf_umount
rm "$STATE/search.db"
rf_mount
equal 'kept' "${one#*-}" "$(failures "$S/teapot")"
workflow "$T/other.yml" 'echo "error: the urn is empty" >&2; exit 1'
rf_drop "$T/other.yml" >/dev/null
contains 'another' "$(titles "$S/urn")" urn

# By HTTP, where there is no mount to look into.
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
token=$("$RUNFS" token create --scope read --name t "$M")
equal 'by HTTP' "knowledge/failures/$f" "$(curl -sS -H "Authorization: Bearer $token" "$url/documents/search?query=teapot" | jq -r '.results[] | select(.tags == ["failure"]).url')"
