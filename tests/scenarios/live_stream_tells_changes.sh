# Programs (and the live page) are told over HTTP what changes while it does: runs, jobs, logs as they are printed. The stream
# ends with its token, and its thread sleeps while nothing happens.
. "$(dirname "$0")/lib.sh"
need curl
need jq
rf_mount
echo host >"$M/config/labels/h"
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
token=$("$RUNFS" token create --scope read --name watcher "$M")
stream() { # FILE QUERY: in the background; its pid is in $!
    curl -sN -H "Authorization: Bearer $token" "$url/live?$2" >"$1" &
    children+=($!)
}
# FILE EVENT: the data of those events
data() { awk -v e="event: $2" '$0 == e { getline; print substr($0, 7) }' "$1"; }
cat >"$T/slow.yml" <<'Y'
name: Slow
on: push
jobs:
  a:
    runs-on: h
    steps:
      - {name: One, run: 'printf "first \377 \"quoted\" \\ "; until [ -e "$GO.half" ]; do sleep 0.05; done; echo "half" way; until [ -e "$GO" ]; do sleep 0.05; done; echo; echo last'}
      - {name: Two, run: 'echo "::warning file=x.c,line=3::look"'}
Y
sed -i "s|\$GO|$T/go|g" "$T/slow.yml"

# what is, then what comes
stream "$T/all" ''
rf_wait 10 grep -q '^event: ready' "$T/all"
equal 'whose token it is' 'watcher read' "$(data "$T/all" hello | jq -r '"\(.who) \(.scope)"')"
equal 'there is no run yet' '[]' "$(data "$T/all" runs)"
n=$(rf_start "$T/slow.yml")
rf_wait 10 grep -q '"status":"in_progress"' "$T/all"
job=$(curl -s --unix-socket "$T/api.sock" "http://ci/repos/runfs/workflows/actions/runs/$n/jobs" | jq '.jobs[0].id')
stream "$T/one" "run=$n&job=$job"
watching=$!
logged() { data "$1" log | jq -rj .text; }
rf_wait 10 grep -q '"text":".*first' "$T/one"
lacks 'before it was printed' "$(logged "$T/one" | tail -n 1)" last

# nothing happens: nobody works
pid=$(daemon_pid)
ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
before=$(ticks)
pause 2
[ $(($(ticks) - before)) -le 10 ] || fail "the daemon used $(($(ticks) - before)) ticks while nothing happened"

# what is printed comes at once, whatever else happens
touch "$T/go.half"
rf_wait 5 grep -q '"text":".*half way' "$T/one"
lacks 'before it was printed' "$(logged "$T/one" | tail -n 1)" last
touch "$T/go"
ended "$n"
rf_wait 10 sh -c "grep -q '\"conclusion\":\"success\"' '$T/all'"
rf_wait 10 grep -q '##\[warning\]look' "$T/one"
equal 'the log, whatever bytes it has' "$(sed 's/\xff/\xef\xbf\xbd/' "$M/runs/$n/jobs/a/log")" "$(logged "$T/one")"
rf_wait 10 sh -c "grep -q '\"file\":\"x.c\"' '$T/one'"
equal 'steps with the job' 'One,Two' "$(data "$T/one" job | tail -n 1 | jq -r '[.steps[].name] | join(",")')"
equal 'it ended well' success "$(data "$T/one" run | tail -n 1 | jq -r .conclusion)"
equal 'others are not told of' "$n" "$(data "$T/one" run | jq .id | sort -u)"

# it goes on from where it was
next=$(data "$T/one" log | jq -rs '[group_by(.step)[] | last | "\(.step).\(.next)"] | join(",")')
stream "$T/again" "run=$n&job=$job&from=$next"
rf_wait 10 grep -q '^event: ready' "$T/again"
pause 0.3
equal 'nothing is told twice' '' "$(logged "$T/again")"

# a peer that hangs up is let go at once
open_files() { find "/proc/$pid/fd" -lname 'anon_inode:\[eventfd\]' | wc -l; }
with=$(open_files)
kill "$watching"
rf_wait 5 sh -c "[ \$(find /proc/$pid/fd -lname 'anon_inode:\[eventfd\]' | wc -l) -lt $with ]"

# refusals
code() { curl -s -m 5 -o "$T/body" -w '%{http_code}' "$@"; }
auth=(-H "Authorization: Bearer $token")
equal 'without a token' 401 "$(code "$url/live")"
equal 'no number' 422 "$(code "${auth[@]}" "$url/live?run=x")"
equal 'a token that only reads' 403 "$(code "${auth[@]}" -X POST "$url/runs/$n/rerun")"
curl -sN -m 1 "${auth[@]}" "$url/live?run=99" >"$T/none" || :
equal 'a run that is not there' '{"id":99}' "$(data "$T/none" gone)"
curl -sN -m 1 "${auth[@]}" "$url/live?run=$n&job=999" >"$T/none" || :
grep -q '^event: ready' "$T/none" || fail 'a job that is not there'
# one after the other, for a stream whose peer has just gone counts until that is noticed
pids=()
for i in $(seq 70); do
    curl -sN -w '%{http_code}' --unix-socket "$T/api.sock" http://ci/live >"$T/many.$i" &
    pids+=($!)
    rf_wait 10 grep -q '^event: ready\|503$' "$T/many.$i"
    ! grep -q 'as many pages are open.*503$' "$T/many.$i" || break
done
children+=("${pids[@]}")
[ "$i" -ge 60 ] && [ "$i" -le 64 ] || fail "after $i streams"
kill "${pids[@]}" 2>/dev/null || :
rf_wait 10 sh -c "curl -sN -m 1 --unix-socket '$T/api.sock' http://ci/live | grep -q ready"

# of a log that is far ahead the end is told
workflow "$T/long.yml" 'seq -f "%060g" 400000; echo the end'
sed -i 's/ubuntu-latest/h/' "$T/long.yml"
n=$(rf_drop "$T/long.yml")
job=$(curl -s --unix-socket "$T/api.sock" "http://ci/repos/runfs/workflows/actions/runs/$n/jobs" | jq '.jobs[0].id')
stream "$T/long" "run=$n&job=$job"
all() { [ "$(wc -l <"$M/runs/$n/jobs/a/log")" = "$(($(data "$T/long" passed | jq .lines) + $(logged "$T/long" | wc -l)))" ]; }
rf_wait 20 all
[ "$(data "$T/long" passed | jq .lines)" -gt 100000 ] || fail 'it was told line by line'

# workflows, with what they ask for: one that starts nothing when it is dropped, too
cat >"$T/ask.yml" <<'Y'
name: Ask me
on: {workflow_dispatch: {inputs: {level: {required: true, description: How much}, on: {type: boolean, default: true}}}}
jobs: {a: {runs-on: h, steps: [{run: date}]}}
Y
cp "$T/ask.yml" "$M/workflows/"
list() { curl -s "${auth[@]}" "$url/live/workflows" | jq -c ".workflows[] | select(.name == \"$1\") | $2"; }
equal 'its title' '"Ask me"' "$(list ask.yml .title)"
equal 'its inputs' '[["level","string",true,"","How much"],["on","boolean",false,"true",""]]' \
    "$(list ask.yml '[.inputs[] | [.name, .type, .required, .default, .description]]')"
equal 'one that nobody starts by hand' null "$(list slow.yml .inputs)"
equal 'older runs' 1 "$(curl -s "${auth[@]}" "$url/live/runs?before=$n&status=success" | jq '.runs[0].id')"
equal 'a command' sleep "$(curl -s "${auth[@]}" "$url/live/graph" | jq -r '.nodes[] | select(.name == "sleep").name')"
equal 'by its name' sleep "$(curl -s "${auth[@]}" "$url/live/commands?name=sleep" | jq -r .name)"
equal 'none of that name' 404 "$(code "${auth[@]}" "$url/live/commands?name=snore")"
equal 'no such command' 404 "$(code "${auth[@]}" "$url/live/commands/999")"

# the token is revoked: the streams that it opened end
"$RUNFS" token revoke watcher "$M"
for pid in "${children[@]:0:1}"; do rf_wait 10 gone "$pid"; done

# the page is open to all, says nothing, and may do nothing but run its own script; programs get the API at the same place
curl -si -H 'Accept: text/html' "$url/" | tr -d '\r' >"$T/page"
head=$(sed '/^$/q' "$T/page")
contains 'a page' "$head" 'Content-Type: text/html; charset=utf-8'
contains 'its policy' "$head" "Content-Security-Policy: default-src 'none'; script-src 'sha256-"
contains 'its policy' "$head" "require-trusted-types-for 'script'"
lacks 'its policy' "$head" unsafe
contains 'nothing is guessed' "$head" 'X-Content-Type-Options: nosniff'
hash() { curl -s -H 'Accept: text/html' "$url/" | "$PYTHON" -c "import re, sys, hashlib, base64
text = re.search(r'<$1[^>]*>(.*?)</$1>', sys.stdin.read(), re.S).group(1)
print('sha256-' + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())"; }
contains 'the hash of the script' "$head" "script-src '$(hash script)'"
contains 'the hash of the style' "$head" "style-src '$(hash style)'"
lacks 'of another place' "$(sed '1,/^$/d' "$T/page" | grep -o 'src=[^ >]*\|url([^)]*' || :)" http
equal 'programs' 401 "$(code "$url/")"
