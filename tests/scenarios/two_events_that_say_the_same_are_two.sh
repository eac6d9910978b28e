# A deployment that is asked for twice in the same words is two deployments: by two deliveries of a webhook with ids of their own,
# by two calls of the API, and by two writes into events/. What is delivered again under its id is still one, whoever sends it.
. "$(dirname "$0")/lib.sh"
need curl
need openssl
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/deploy.yml" <<'Y'
on: {repository_dispatch: {types: [deploy]}}
jobs: {a: {runs-on: h, steps: [{run: 'echo to ${{ github.event.client_payload.to }}'}]}}
Y
cp "$T/deploy.yml" "$M/workflows/"
first=$(runs)
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook
echo open-sesame >"$M/config/webhook/secret"
echo -n '{"action":"deploy","branch":"main","client_payload":{"to":"production"},"repository":{"full_name":"o/r"}}' >"$T/payload"
signature=sha256=$(openssl dgst -sha256 -hmac open-sesame "$T/payload" | awk '{print $NF}')
n=0
post() { # HEADER-OF-THE-ID ID
    n=$((n + 1))
    curl -s -o "$T/body-$n" -w '%{http_code}' -H 'Content-Type: application/json' -H 'X-GitHub-Event: repository_dispatch' \
        -H "X-Hub-Signature-256: $signature" -H "$1: $2" --data-binary "@$T/payload" "$url"
}
started() { equal "$1" "$2" $(($(runs) - first)); } # WHAT HOW-MANY

for id in X-GitHub-Delivery X-Gitea-Delivery X-Forgejo-Delivery X-Gogs-Delivery; do
    equal "$id" 202 "$(post $id "one of $id")"
    equal "$id, another" 202 "$(post $id "two of $id")"
    equal "$id, once more" 200 "$(post $id "two of $id")"
done
rf_wait 20 test -e "$M/events/deliveries/8"
for d in 1 2 3 4 5 6 7 8; do rf_wait 20 grep -qx done "$M/events/deliveries/$d/state"; done
equal 'kept' 8 "$(find "$M/events/deliveries" -mindepth 1 -maxdepth 1 | wc -l)"
started 'by deliveries' 8
for d in 1 2 3 4 5 6 7 8; do
    run=$(ls "$M/events/deliveries/$d/runs")
    ended "$run"
    file_has "$M/runs/$run/log" 'to production'
done

call() {
    curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/api.sock" -X POST -H 'Accept: application/vnd.github+json' \
        -d '{"event_type":"deploy","client_payload":{"to":"staging"}}' http://ci/repos/runfs/workflows/dispatches
}
equal 'a call' 204 "$(call)"
equal 'the same once more' 204 "$(call)"
started 'by the API' 10
for i in 1 2; do echo '{"action":"deploy","client_payload":{"to":"staging"}}' >"$M/events/repository_dispatch"; done
started 'by files' 12
ended "$(readlink "$M/runs/latest")"
