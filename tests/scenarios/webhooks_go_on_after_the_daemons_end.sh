# A delivery that the daemon's end cuts off, or its death, is gone on with by the next one: nothing is lost, nothing starts twice.
. "$(dirname "$0")/lib.sh"
need git
need curl
need openssl
need sqlite3
O=$T/o/r
mkdir -p "$O/.github/workflows"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: echo}]}}\n' | tee "$O/.github/workflows/a.yml" >"$O/.github/workflows/b.yml"
git_commit "$O"
"$PYTHON" "$here/tests/servers/git_http.py" "$T/o" "$T/asked" >"$T/port" 2>"$T/git.err" &
children+=($!)
rf_wait 20 test -s "$T/port"
rf_mount
echo host >"$M/config/labels/h"
echo "0 $T/api.sock" >"$M/config/listen"
echo s3cret-token >"$M/secrets/REPO_TOKEN_R"
echo open-sesame >"$M/config/webhook/secret"
ln -s "http://127.0.0.1:$(cat "$T/port")/r" "$M/repos/r"
printf '{"ref":"refs/heads/main","after":"%s","repository":{"full_name":"o/r"}}' "$(git -C "$O" rev-parse HEAD)" >"$T/push"
D=$M/events/deliveries/1
is_asked() { [ "$(wc -l <"$T/asked")" -gt "$before" ]; }
deliver() { # prints the status
    rf_wait 10 grep -q '^listen: 127' "$M/status"
    curl -s -o "$T/body" -w '%{http_code}' --data-binary "@$T/push" -H 'Content-Type: application/json' \
        -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac open-sesame "$T/push" | awk '{print $NF}')" \
        -H 'X-GitHub-Event: push' -H 'X-GitHub-Delivery: d1' "http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook"
}

touch "$T/asked.drip"
before=$(wc -l <"$T/asked")
equal 'taken' 202 "$(deliver)"
rf_wait 20 is_asked
rf_umount # which does not wait for the server
before=$(wc -l <"$T/asked")
rf_mount
rf_wait 20 is_asked
file_is "$D/state" running
pid=$(daemon_pid)
kill -KILL "$pid"
rf_wait 10 gone "$pid"
rm "$T/asked.drip"
rf_mount
rf_wait 20 grep -q done "$D/state"
of_run() { sed -n "s/: run $1: .*//p" "$D/verdict"; }
first=$(of_run 1) second=$(of_run 2)
equal 'what came of it' 'r/a.yml r/b.yml' "$(printf '%s\n' "$first" "$second" | sort | xargs)"
equal 'both ran' 2 "$(runs)"
equal 'told' '1 2' "$(cd "$D/runs" && echo *)"
equal 'known' 200 "$(deliver)"

# it died when it had started one of them
rf_umount
sqlite3 "$STATE"/*.db "DELETE FROM hook_runs WHERE run_id = 2; UPDATE hooks SET state = 'running', verdict = ''"
rf_mount
rf_wait 20 grep -q done "$D/state"
contains 'the one' "$(cat "$D/verdict")" "$first: run 1: it was started before runfs ended"
contains 'and the other' "$(cat "$D/verdict")" "$second: run 3: push"

# one that ends every daemon does not do so for ever
rf_umount
sqlite3 "$STATE"/*.db "UPDATE hooks SET state = 'resumed', verdict = ''"
rf_mount
rf_wait 20 grep -q interrupted "$D/state"
file_has "$D/verdict" 'let its sender deliver it again'
equal 'which he may' 202 "$(deliver)"
rf_wait 20 grep -q done "$D/state"
equal 'all there was' 3 "$(runs)"
