# Many events at once of a repository that is linked by its address: each starts what it has to, and none is matched by the
# workflows that another one's commit brings, not even after the daemon was killed in between.
. "$(dirname "$0")/lib.sh"
need git
rf_mount
echo host >"$M/config/labels/h"
O=$T/o/r
mkdir -p "$O/.github/workflows"
printf 'on: [repository_dispatch, pull_request]\njobs: {a: {runs-on: h, steps: [{run: echo}]}}\n' >"$O/.github/workflows/ci.yml"
git_commit "$O"
ln -s "file://$O" "$M/repos/r"

say 'twenty at once: those that wait share a fetch'
fetching=$STATE/mirrors/r.git/fetching inode=$(stat -c %i "$STATE/mirrors/r.git/fetching")
fetches() { od -An -tu8 -N8 "$fetching"; }
waiting() { [ "$(grep -c -- "-> FLOCK .*:$inode " /proc/locks)" -ge 5 ]; }
before=$(fetches)
exec {lock}<"$fetching"
flock "$lock"
for ((i = 0; i < 20; i++)); do
    printf '{"event_type":"go","client_payload":{"n":%d},"repository":{"full_name":"o/r"}}' $i >"$M/events/repository_dispatch" &
    writers[i]=$!
done
rf_wait 20 waiting
flock -u "$lock"
wait "${writers[@]}"
equal 'all started' 20 "$(runs)"
[ $(($(fetches) - before)) -le 16 ] || fail 'each fetched for itself'

say 'while a branch with other workflows is pushed'
git -C "$O" checkout -q -b topic
git -C "$O" rm -q .github/workflows/ci.yml
mkdir -p "$O/.github/workflows"
printf 'on: [push, repository_dispatch]\njobs: {b: {runs-on: h, steps: [{run: echo}]}}\n' >"$O/.github/workflows/topic.yml"
git_commit "$O" topic
topic=$(git -C "$O" rev-parse HEAD)
git -C "$O" checkout -q main
for ((i = 0; i < 10; i++)); do
    printf '{"event_type":"go","repository":{"full_name":"o/r"}}' >"$M/events/repository_dispatch" &
    writers[i]=$!
    printf '{"ref":"refs/heads/topic","after":"%s","repository":{"full_name":"o/r"}}' "$topic" >"$M/events/push" &
    writers[10 + i]=$!
done
wait "${writers[@]}"
equal 'which started' '10 push
30 repository_dispatch' "$(cat "$M"/runs/[0-9]*/event | sort | uniq -c | awk '{print $1, $2}')"
equal 'by what' '30 a
10 b' "$(for n in "$M"/runs/[0-9]*; do ls "$n/jobs"; done | sort | uniq -c | awk '{print $1, $2}')"
equal 'shown' ci.yml "$(ls "$M/workflows/r")"

say 'killed while a pushed workflow waits for one that it calls'
mkfifo "$T/port"
"$PYTHON" -c '
import socket, sys, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
asked = s.accept()
open(sys.argv[1], "w").close()
time.sleep(600)' "$T/asked" >"$T/port" &
children+=($!)
read -r port <"$T/port"
echo "http://127.0.0.1:$port" >"$M/config/actions_mirror"
git -C "$O" checkout -q topic
printf 'on: push\njobs: {c: {uses: o/x/.github/workflows/w.yml@main}}\n' >"$O/.github/workflows/calls.yml"
git_commit "$O" calls
topic=$(git -C "$O" rev-parse HEAD)
git -C "$O" checkout -q main
printf '{"ref":"refs/heads/topic","after":"%s","repository":{"full_name":"o/r"}}' "$topic" >"$M/events/push" 2>/dev/null &
writer=$!
rf_wait 20 test -e "$T/asked"
contains 'shown meanwhile' "$(ls "$M/workflows/r")" calls.yml
pid=$(daemon_pid)
kill -KILL "$pid"
rf_wait 10 gone "$pid"
wait "$writer" || :
rf_mount
equal 'shown after it' ci.yml "$(ls "$M/workflows/r")"
