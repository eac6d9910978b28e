# Text is dropped, a language model makes a workflow of it, a person reads and starts it. What the model says wrongly, slowly or in
# bad faith changes nothing.
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/chat.sh"
need jq
need sqlite3
rf_mount
need_sandbox
text='Please build it, and test it.'
echo "$text" >"$T/text"

# without a model a text is any text, and a page without scripts is refused as before
echo "$text" >"$M/workflows/notes.txt"
refused test -e "$M/errors/notes.txt"
refused cp "$T/text" "$M/workflows/ci.md"
file_has "$M/errors/ci.md" 'there is no script in it'

refused sh -c "echo ftp://x >'$M/config/llm/url'"
model_begin
echo word-for-it >"$M/config/llm/token"
refused cat "$M/config/llm/token"

model good
echo "$text" >"$M/workflows/ci.md"
rf_wait 20 test -e "$M/workflows/ci.yml"
proposed() { ! [ -e "$M/errors/ci.$1" ]; }
rf_wait 20 proposed md
equal 'nothing ran' 0 "$(runs)"
file_has "$M/workflows/ci.yml" '# proposed by good: read it'
equal 'what it was asked' "/v1/chat/completions Bearer word-for-it $text" \
    "$(jq -r '"\(.path) \(.authorization) \(.asked.messages[1].content)"' "$T/asked" | head -n 1)"
equal 'in which form' workflow "$(jq -r .asked.response_format.json_schema.name "$T/asked")"
"$RUNFS" lint "$M/workflows/ci.yml"
echo run >"$M/dispatch/ci.yml"
n=$(readlink "$M/runs/latest")
ended "$n"
file_is "$M/runs/$n/conclusion" success
job=$M/runs/$n/jobs/run
equal 'its steps' 'Set up, Build: all, Test, Clean up' \
    "$(cat "$job"/steps/*/name | grep -x 'Set up\|Build: all\|Test\|Clean up' | paste -sd , | sed 's/,/, /g')"
contains 'its environment' "$(cat "$job"/steps/*build*/stdout)" "building 3: '\"#"
contains 'where it worked' "$(cat "$job"/steps/*-test/stdout)" /sub
file_is "$(echo "$job"/steps/*-test/exit_code)" 4

# others speak otherwise
for m in fenced thinks stream noschema; do
    model $m
    echo "$m: $text" >"$M/workflows/ci.md"
    rf_wait 20 grep -q "proposed by $m:" "$M/workflows/ci.yml"
done
# what looks like YAML in a text stays text
model odd
echo "$text" >"$M/workflows/ci.md"
rf_wait 20 grep -q 'proposed by odd:' "$M/workflows/ci.yml"
"$RUNFS" lint "$M/workflows/ci.yml"
refused "$RUNFS" plan --event push "$M/workflows/ci.yml"
equal 'keys of its own' 'name: on: jobs:' "$(grep -o '^[a-z]*:' "$M/workflows/ci.yml" | grep -v '^env' | paste -sd ' ')"

# answers that are none: said in errors/, and what was there stays
model good
echo "$text" >"$M/workflows/ci.md"
rf_wait 20 grep -q 'proposed by good:' "$M/workflows/ci.yml"
cp "$M/workflows/ci.yml" "$T/before.yml"
wrong() { # MODEL WORDS
    model "$1"
    echo "$text" >"$M/workflows/ci.md"
    rf_wait 30 grep -qF "$2" "$M/errors/ci.md"
    cmp "$M/workflows/ci.yml" "$T/before.yml"
}
wrong unknown 'an unknown field "run"'
wrong expression 'has an expression'
wrong nosteps 'at least one step'
wrong type "a step's command is no text"
wrong variable 'a name that no variable can have'
wrong control "setup_commands has a character that nobody sees (U+001B, line 1, column 6)"
wrong hidden "a step's command has a character that nobody sees (U+202E, line 1, column 10)"
wrong badcron "trigger has a schedule that is none: '0 25 * * *'"
wrong nevercron "trigger has a schedule that never comes: '0 0 30 2 *'"
wrong long 'is too long'
wrong prose 'is no JSON object'
wrong deep 'is no JSON object'
wrong broken 'broke off'
wrong fails 'broke off: no more??? money'
wrong length 'cut off'
wrong busy 'answered 429: slow down'
wrong cut 'transfer closed'
wrong huge 'larger'
echo 1 >"$M/config/llm/timeout"
wrong slow 'POST http'
rm "$M/config/llm/timeout"
equal 'only what was asked for ran' 1 "$(runs)"

# of another's name, and of a text
workflow "$M/workflows/mine.yml" true
refused cp "$T/text" "$M/workflows/mine.txt"
file_has "$M/errors/mine.txt" 'was not made from it'
model good
echo on >"$M/config/llm/auto_run"
before=$(runs)
echo "$text" >"$M/workflows/auto.txt"
rf_wait 20 test -e "$M/dispatch/auto.yml"
rf_wait 20 sh -c "[ \"\$(find '$M/runs' -maxdepth 1 -name '[0-9]*' | wc -l)\" -gt $before ]"
ended "$(readlink "$M/runs/latest")"
file_has "$M/runs/latest/workflow" "# made from auto.txt"

# a text that is dropped again takes the place of the one before, even while that is asked
model gated
before=$(runs)
echo "old: $text" >"$M/workflows/twice.txt"
rf_wait 20 grep -qF "old: $text" "$T/asked"
echo "new: $text" >"$M/workflows/twice.txt"
touch "$T/asked.gate"
rf_wait 20 test -e "$M/dispatch/twice.yml"
echo off >"$M/config/llm/auto_run"

# a daemon that ends meanwhile does so at once, and asks again when it is back
model late
echo "held: $text" >"$M/workflows/held.txt"
rf_wait 20 grep -qF "held: $text" "$T/asked"
equal 'of two only the new one ran' $((before + 1)) "$(runs)"
echo "first: $text" >"$M/workflows/late.txt"
echo "second: $text" >"$M/workflows/late.txt"
rf_umount
lacks 'not yet' "$(cat "$T/asked")" "second: $text"
rf_mount
rf_wait 20 test -e "$M/workflows/late.yml"
test -e "$M/workflows/held.yml"
equal 'each once more' 'held: held: second: ' "$(jq -r .asked.messages[1].content "$T/asked" | grep -o '^\(held\|first\|second\): ' | paste -sd '\0')"
equal 'no words are left' '' "$(find "$M/errors" -name held.txt -o -name late.txt)"
equal 'nothing is left of it' 0 "$(sqlite3 "$STATE/runfs.db" 'SELECT count(*) FROM questions')"
