# A search finds what runs ran, what they taught, and the runs themselves, beside documents; what is gone is not found.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
S=$M/knowledge/search
found() { find "$1" -name '[0-9]*' -printf '%l\n' | sort | paste -sd ' '; } # DIRECTORY
cat >"$T/brew.yml" <<Y
name: Teatime
on: push
jobs:
  brew:
    runs-on: h
    steps:
      - run: |
          $T/kettle --boil 'earl grey'
          echo "::add-mask::darjeeling"
      - run: "$T/kettle --rinse darjeeling"
Y
printf '#!/bin/bash\n' >"$T/kettle"
chmod +x "$T/kettle"
n=$(rf_drop "$T/brew.yml")
file_is "$M/runs/$n/conclusion" success

# Commands, by their names and by how they were written.
equal 'a command' ../../commands/kettle "$(found "$S/kettle")"
equal 'by what it was given' ../../commands/kettle "$(found "$S/earl grey")"
equal 'as data' '["command"] knowledge/commands/kettle' "$(jq -r '.results[0] | "\(.tags | tojson) \(.url)"' "$S/kettle/results.json")"
contains 'an excerpt' "$(jq -r '.results[0].body' "$S/kettle/results.json")" '--boil earl grey'
file_is "$S/kettle/01-kettle/successes" 2
equal 'nothing that is masked' '' "$(found "$S/darjeeling")"

# Runs, by what they are; those that are alike: the newest first.
equal 'a run' "../../../runs/$n" "$(found "$S/teatime push success")"
equal 'as data' "[\"run\"] runs/$n" "$(jq -r '.results[0] | "\(.tags | tojson) \(.url)"' "$S/teatime/results.json")"
for _ in $(seq 11); do last=$(rf_drop "$T/brew.yml"); done
file_is "$M/runs/$last/conclusion" success
equal 'ten of many' 10 "$(jq .total "$S/teatime/results.json")"
equal 'the newest first' "runs/$last" "$(jq -r '.results[0].url' "$S/teatime/results.json")"
equal 'by its number' "../../../runs/$n" "$(found "$S/teatime $n")"
equal 'a command as before' ../../commands/kettle "$(found "$S/kettle")"
rmdir "$M/runs/$n"
equal 'a run that is deleted' '' "$(found "$S/teatime $n")"

# Lessons, once a failure came often enough, and as long as it did.
workflow "$T/spill.yml" "printf 'error: the tea%s has a leak\n' pot >&2; exit 1"
for _ in 1 2; do rf_drop "$T/spill.yml" >/dev/null; done
f=$(ls "$M/knowledge/failures")
equal 'no lesson yet' "../../failures/$f" "$(found "$S/teapot leak")"
echo 2 >"$M/config/lesson_threshold"
equal 'a lesson' "../../failures/$f ../../lessons/$f.md" "$(found "$S/teapot leak")"
contains 'is read there' "$(cat "$(find "$S/teapot leak" -lname '*/lessons/*')")" 'What happens'
echo 3 >"$M/config/lesson_threshold"
equal 'no lesson any more' "../../failures/$f" "$(found "$S/teapot leak")"

# As a role, from where its links lead, and by HTTP; after the mount, too.
printf '{"name": "Writer", "relevance_function": "bm25", "haystacks": [{"location": "%s"}]}\n' "$T/none" >"$M/roles/w.json"
mkdir "$T/none"
equal 'as a role' ../../../../knowledge/commands/kettle "$(found "$M/roles/writer/search/kettle")"
file_is "$M/roles/writer/search/kettle/01-kettle/successes" 24
equal 'a run as a role' "success" "$(cat "$M/roles/writer/search/teatime $last"/01-*/conclusion)"
rf_umount
rf_mount
equal 'kept' ../../commands/kettle "$(found "$S/kettle")"
equal 'and not what is gone' '' "$(found "$S/teatime $n")"
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
token=$("$RUNFS" token create --scope read --name t "$M")
equal 'by HTTP' 'knowledge/commands/kettle command' "$(curl -sS -H "Authorization: Bearer $token" "$url/documents/search?query=kettle" | jq -r '.results[] | "\(.url) \(.tags[])"')"
