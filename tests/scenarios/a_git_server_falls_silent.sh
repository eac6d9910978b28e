# A git server that says nothing any more is given up, once for all events that wait for it; and neither it nor one that says
# something for ever keeps the daemon from ending.
# waits
. "$(dirname "$0")/lib.sh"
need git
need curl
need openssl
O=$T/o/r
mkdir -p "$O/.github/workflows"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: echo}]}}\n' >"$O/.github/workflows/ci.yml"
git_commit "$O"
"$PYTHON" "$here/tests/servers/git_http.py" "$T/o" "$T/asked" >"$T/port" 2>"$T/git.err" &
children+=($!)
rf_wait 20 test -s "$T/port"
rf_mount
echo "0 $T/api.sock" >"$M/config/listen"
echo s3cret-token >"$M/secrets/REPO_TOKEN_R"
echo open-sesame >"$M/config/webhook/secret"
ln -s "http://127.0.0.1:$(cat "$T/port")/r" "$M/repos/r"
printf '{"ref":"refs/heads/main","after":"%s","repository":{"full_name":"o/r"}}' "$(git -C "$O" rev-parse HEAD)" >"$T/push"
asked() { wc -l <"$T/asked"; }
is_asked() { [ "$(asked)" -gt "$before" ]; }

say 'one that is silent is asked once for three events'
touch "$T/asked.silent"
before=$(asked)
for i in 1 2 3; do
    cp "$T/push" "$M/events/push" &
    writers[i]=$!
done
wait "${writers[@]}"
file_has "$M/events/push" 'not started: cannot fetch http://127.0.0.1:'
equal 'asked' $((before + 1)) "$(asked)"
equal 'nothing runs' 0 "$(runs)"
rm "$T/asked.silent"
cp "$T/push" "$M/events/push"
equal 'once it speaks again' 1 "$(runs)"

say 'while a webhook waits for one that sends a few bytes a second, it is unmounted'
touch "$T/asked.drip"
rf_wait 10 grep -q '^listen: 127' "$M/status"
before=$(asked)
equal 'taken' 202 "$(curl -s -o "$T/body" -w '%{http_code}' --data-binary "@$T/push" -H 'Content-Type: application/json' \
    -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac open-sesame "$T/push" | awk '{print $NF}')" \
    -H 'X-GitHub-Event: push' -H 'X-GitHub-Delivery: d1' "http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook")"
rf_wait 20 is_asked
rf_umount

say 'while who wrote an event waits for it, the daemon is told to end'
before=$(asked)
rf_mount # the webhook's fetch goes on, and may be the one that the writer waits for too
cp "$T/push" "$M/events/push" 2>"$T/err" &
writer=$!
rf_wait 20 is_asked
pid=$(daemon_pid)
kill -TERM "$pid"
rf_wait 20 gone "$pid"
wait "$writer" || :
