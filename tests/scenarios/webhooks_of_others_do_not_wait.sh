# A git server that sends a few bytes a second holds the webhooks of its own repository, which stay in order, and of no other.
. "$(dirname "$0")/lib.sh"
need git
need curl
need openssl
rf_mount
echo host >"$M/config/labels/h"
echo 4 >"$M/config/slots"
for name in slow quick; do
    mkdir -p "$T/o/$name/.github/workflows"
    printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: echo}]}}\n' >"$T/o/$name/.github/workflows/ci.yml"
    git_commit "$T/o/$name"
done
"$PYTHON" "$here/tests/servers/git_http.py" "$T/o" "$T/asked" >"$T/port" 2>"$T/git.err" &
children+=($!)
rf_wait 20 test -s "$T/port"
echo s3cret-token >"$M/secrets/REPO_TOKEN_SLOW"
ln -s "http://127.0.0.1:$(cat "$T/port")/slow" "$M/repos/slow"
ln -s "file://$T/o/quick" "$M/repos/quick"
echo open-sesame >"$M/config/webhook/secret"
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
address=$(awk '/^listen: 127/ {print $2}' "$M/status")
send() { # REPOSITORY NUMBER: the last commit is pushed
    printf '{"ref":"refs/heads/main","after":"%s","number":%d,"repository":{"full_name":"o/%s"}}' "$(git -C "$T/o/$1" rev-parse HEAD)" "$2" "$1" >"$T/push"
    equal 'taken' 202 "$(curl -s -o "$T/body" -w '%{http_code}' --data-binary "@$T/push" -H 'Content-Type: application/json' \
        -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac open-sesame "$T/push" | awk '{print $NF}')" \
        -H 'X-GitHub-Event: push' -H "X-GitHub-Delivery: d$2" "http://$address/webhook")"
}
D=$M/events/deliveries

touch "$T/asked.drip"
before=$(wc -l <"$T/asked")
send slow 1
is_asked() { [ "$(wc -l <"$T/asked")" -gt "$before" ]; }
rf_wait 20 is_asked
send slow 2
send quick 3
rf_wait 20 grep -q 'quick/ci.yml: run' "$D/3/verdict"
equal 'one run' 1 "$(runs)"
for n in 1 2; do equal "the slow one's $n" '' "$(cat "$D/$n/verdict")"; done

say 'a second of the same repository comes behind the first'
rm "$T/asked.drip"
rf_umount
rf_mount
rf_wait 60 grep -q 'slow/ci.yml: run' "$D/2/verdict"
file_has "$D/1/verdict" 'slow/ci.yml: run'
run_of() { sed -n 's|^slow/ci.yml: run \([0-9]*\):.*|\1|p' "$D/$1/verdict"; }
first=$(run_of 1) second=$(run_of 2)
[ "$first" -lt "$second" ] || fail "run $second came before run $first"
