# Webhooks of GitHub and Gitea: signed, each delivered once, kept in events/deliveries; forged, replayed and oversized ones
# are refused and change nothing.
. "$(dirname "$0")/lib.sh"
need curl
need openssl
rf_mount
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook
mkdir -p "$T/repo/.github/workflows"
cat >"$T/repo/.github/workflows/ci.yml" <<'Y'
on: {push: {branches: [main]}, pull_request: }
jobs: {a: {runs-on: h, steps: [{run: 'echo "by ${{ github.event.pusher.name }} ${{ github.event.action }}"'}]}}
Y
git_commit "$T/repo"
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
echo host >"$M/config/labels/h"
ln -s "$T/repo" "$M/repos/r"
sha=$(git -C "$T/repo" rev-parse HEAD)
hmac() { openssl dgst -sha256 -hmac "$1" -r "$2" | { read -r sum _ && echo "$sum"; }; } # SECRET FILE
type=application/json
post() { curl -s -H "Content-Type: $type" -o "$T/body" -w '%{http_code}' --data-binary "@$T/$1" "${@:2}" "$url"; } # FILE OPTION...
push() { printf '{"ref":"refs/heads/%s","after":"%s","repository":{"full_name":"o/r"},"pusher":{"name":"%s"}}' "$1" "$sha" "$2"; }
signed() { # SECRET FILE EVENT ID OPTION...
    post "$2" -H "X-Hub-Signature-256: sha256=$(hmac "$1" "$T/$2")" -H "X-GitHub-Event: $3" -H "X-GitHub-Delivery: $4" "${@:5}"
}
delivered() { rf_wait 20 grep -qx done "$M/events/deliveries/$1/state"; }

push main alice >"$T/one"
equal 'no secret is set' 403 "$(signed open-sesame one push d1)"
echo open-sesame >"$M/config/webhook/secret"
equal 'not signed' 401 "$(post one -H 'X-GitHub-Event: push')"
equal 'forged' 403 "$(signed another-secret one push d1)"
equal 'cut short' 403 "$(post one -H 'X-GitHub-Event: push' -H "X-Hub-Signature-256: sha256=$(hmac open-sesame "$T/one" | cut -c1-10)")"
push main mallory >"$T/other"
equal 'the signature of another payload' 403 "$(post other -H 'X-GitHub-Event: push' -H "X-Hub-Signature-256: sha256=$(hmac open-sesame "$T/one")")"
head -c 26300000 /dev/zero >"$T/large"
equal 'too large' 413 "$(signed open-sesame large push d1)"
echo '{"ref": ' >"$T/broken"
equal 'no JSON' 400 "$(signed open-sesame broken push d1)"
equal 'none of these is kept' '' "$(ls "$M/events/deliveries")"
equal 'none of these ran' 0 "$(runs)"

equal 'a push' 202 "$(signed open-sesame one push d1 -H "Proxy-Authorization: Basic c2VjcmV0")"
equal 'is answered in JSON' accepted "$(jq -r .message "$T/body")"
delivered 1
file_is "$M/events/deliveries/1/verdict" 'r/ci.yml: run 1: push: branch main matches branches: main'
equal 'its run' "$(ls -d "$M/runs/1")" "$(realpath "$M/events/deliveries/1/runs/1")"
ended 1
file_has "$M/runs/1/log" 'by alice'
file_is "$M/runs/1/sha" "$sha"
file_is "$M/events/deliveries/1/delivery" d1
file_has "$M/events/deliveries/1/headers" 'X-GitHub-Event: push'
file_lacks "$M/events/deliveries/1/headers" Authorization
cmp "$T/one" "$M/events/deliveries/1/payload.json" || fail 'the payload is another'

# again, by its id
equal 'again' 200 "$(signed open-sesame one push d1)"
equal 'says so' 'delivered before: nothing was done' "$(jq -r .message "$T/body")"
equal 'ran once' 1 "$(runs)"

# what does not match, what there is not, ping
push dev alice >"$T/dev"
equal 'another branch' 202 "$(signed open-sesame dev push d3)"
delivered 2
file_is "$M/events/deliveries/2/verdict" 'r/ci.yml: not started: push: branch dev matches none of branches: main'
push dev bob >"$T/installation"
equal 'an event that starts nothing' 202 "$(signed open-sesame installation installation d4)"
delivered 3
file_has "$M/events/deliveries/3/verdict" "there is no event 'installation'"
echo '{"zen": "Keep it logically awesome."}' >"$T/ping"
equal 'ping' 200 "$(signed open-sesame ping ping d5)"

# a form, a secret that is being changed, Gitea's headers and words
echo "payload=$(jq -sRr @uri <"$T/other")" >"$T/form"
truncate -s -1 "$T/form"
printf 'the-next-secret\nopen-sesame\n' >"$M/config/webhook/secret"
type=application/x-www-form-urlencoded
equal 'a form, signed with the new secret' 202 "$(signed the-next-secret form push d6)"
type=application/json
delivered 5
n=$(ls "$M/events/deliveries/5/runs")
ended "$n"
file_has "$M/runs/$n/log" 'by mallory'
printf '{"action":"synchronized","number":7,"repository":{"full_name":"o/r"},"pull_request":{"number":7,"base":{"ref":"main"},"head":{"ref":"x","sha":"%s"}}}' "$sha" >"$T/pr"
equal 'Gitea' 202 "$(post pr -H "X-Gitea-Signature: $(hmac open-sesame "$T/pr")" -H 'X-Gitea-Event: pull_request' -H 'X-Gitea-Delivery: g1')"
delivered 6
n=$(ls "$M/events/deliveries/6/runs")
ended "$n"
file_has "$M/runs/$n/log" 'synchronize'
echo the-next-secret >"$M/config/webhook/secret"
push main bob >"$T/three"
equal 'the old secret is gone' 403 "$(signed open-sesame three push d7)"
refused cat "$M/config/webhook/secret"
if grep -rs the-next-secret "$M"; then fail 'the secret can be read'; fi

# many in a row
for i in $(seq 100); do
    push "b$i" carol >"$T/p"
    curl -s -o /dev/null -w '%{http_code}\n' --unix-socket "$T/api.sock" --data-binary "@$T/p" -H 'Content-Type: application/json' -H 'X-GitHub-Event: push' \
        -H "X-Hub-Signature-256: sha256=$(hmac the-next-secret "$T/p")" -H "X-GitHub-Delivery: many$i" http://ci/webhook
done | sort | uniq -c >"$T/answers"
equal 'their answers' '100 202' "$(xargs <"$T/answers")"
delivered 106

# what was accepted is delivered after a restart
push main dave >"$T/last"
equal 'the last' 202 "$(signed the-next-secret last push z1)"
pid=$(daemon_pid)
kill -KILL "$pid"
rf_umount 2>/dev/null || umount -l "$M"
rf_wait 10 gone "$pid"
rf_mount
rf_wait 20 grep -qxE 'done|interrupted' "$M/events/deliveries/107/state"
if grep -qx interrupted "$M/events/deliveries/107/state"; then
    rf_wait 10 grep -q '^listen: 127' "$M/status"
    url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook
    equal 'delivered again' 202 "$(signed the-next-secret last push z1)"
    delivered 107
fi
[ -n "$(ls "$M/events/deliveries/107/runs")" ] || fail 'the last delivery is lost'
