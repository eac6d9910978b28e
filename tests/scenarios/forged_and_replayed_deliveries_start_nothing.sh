# Whoever has seen a delivery, or can write to a webhook's address, starts nothing with it: signatures that are forged in every way,
# deliveries sent again, as another event or as a form, and a push that hides a form in its message. Where deliveries are known by
# their payloads (config/webhook_known_by), not even under other ids.
. "$(dirname "$0")/lib.sh"
need curl
need openssl
rf_mount
echo host >"$M/config/labels/h"
for event in push workflow_dispatch release; do printf 'on: %s\njobs: {a: {runs-on: h, steps: [{run: echo by %s}]}}\n' $event $event >"$T/$event.yml"; rf_drop "$T/$event.yml" >/dev/null; done
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook
echo open-sesame >"$M/config/webhook/secret"
first=$(runs)
hmac() { openssl dgst -sha256 -hmac "$1" "$2" | awk '{print $NF}'; }
type=application/json
post() { curl -s -o "$T/body" -w '%{http_code}' -H "Content-Type: $type" --data-binary "@$T/$1" "${@:2}" "$url"; } # FILE OPTION...
printf '{"ref":"refs/heads/main","repository":{"full_name":"o/r"},"head_commit":{"message":"&payload=%%7B%%22ref%%22%%3A%%22refs%%2Fheads%%2Fevil%%22%%7D&"}}' >"$T/one"
right=$(hmac open-sesame "$T/one")

say forged
while IFS='|' read -r what status header; do
    equal "$what" "$status" "$(post one -H 'X-GitHub-Event: push' ${header:+-H "$header"})"
done <<X
without a signature|401|
of nothing|403|X-Hub-Signature-256: sha256=
of the older kind|401|X-Hub-Signature: sha1=$(openssl dgst -sha1 -hmac open-sesame "$T/one" | awk '{print $NF}')
of another kind by name|403|X-Hub-Signature-256: sha1=$right
a digest without a secret|403|X-Hub-Signature-256: sha256=$(sha256sum "$T/one" | cut -d' ' -f1)
by an empty secret|403|X-Hub-Signature-256: sha256=$(hmac '' "$T/one")
by a part of the secret|403|X-Hub-Signature-256: sha256=$(hmac open-sesam "$T/one")
by the secret and its newline|403|X-Hub-Signature-256: sha256=$(hmac $'open-sesame\n' "$T/one")
cut short|403|X-Hub-Signature-256: sha256=${right%?}
too long|403|X-Hub-Signature-256: sha256=${right}0
the last digit another|403|X-Hub-Signature-256: sha256=${right%?}$([ "${right: -1}" = 0 ] && echo 1 || echo 0)
all zeros|403|X-Hub-Signature-256: sha256=$(printf '%064d' 0)
X
equal 'a good one behind a bad one' 403 "$(post one -H 'X-GitHub-Event: push' -H 'X-Hub-Signature-256: sha256=0' -H "X-Gitea-Signature: $right")"
{ cat "$T/one"; echo; } >"$T/longer"
equal 'one byte more' 403 "$(post longer -H 'X-GitHub-Event: push' -H "X-Hub-Signature-256: sha256=$right")"
equal 'nothing is kept' '' "$(ls "$M/events/deliveries")"

say replayed
echo payload >"$M/config/webhook_known_by"
refused sh -c "echo name >'$M/config/webhook_known_by'"
signed=(-H "X-Hub-Signature-256: sha256=$right")
equal 'the delivery itself' 202 "$(post one "${signed[@]}" -H 'X-GitHub-Event: push' -H 'X-GitHub-Delivery: d1')"
rf_wait 20 grep -qx done "$M/events/deliveries/1/state"
equal 'it ran' $((first + 1)) "$(runs)"
ended "$(ls "$M/events/deliveries/1/runs")"
while IFS='|' read -r what event id type; do
    equal "$what" 200 "$(post one "${signed[@]}" -H "X-GitHub-Event: $event" -H "X-GitHub-Delivery: $id")"
    contains "$what" "$(cat "$T/body")" 'delivered before'
done <<X
as it was|push|d1|application/json
under another name|push|d2|application/json
without a name|push||application/json
under a name that is too long|push|$(printf 'd%.0s' {1..500})|application/json
as another event|release|d3|application/json
as another event of the same name|workflow_dispatch|d1|application/json
as a ping|ping|d4|application/json
as a form that its message hides|push|d5|application/x-www-form-urlencoded
X
type=application/json
equal "through Gitea's headers" 200 "$(post one -H "X-Gitea-Signature: $right" -H 'X-Gitea-Event: push' -H 'X-Gitea-Delivery: g1')"
printf 'payload=%s' "$(jq -sRr @uri <"$T/one")" >"$T/form"
type=application/x-www-form-urlencoded
equal 'as a form that is signed' 200 "$(post form -H "X-Hub-Signature-256: sha256=$(hmac open-sesame "$T/form")" -H 'X-GitHub-Event: push')"
type=application/json
echo id >"$M/config/webhook_known_by"
while IFS='|' read -r what event id; do
    equal "$what" 200 "$(post one "${signed[@]}" -H "X-GitHub-Event: $event" -H "X-GitHub-Delivery: $id")"
done <<X
by its id|push|d1
without an id|push|
as another event|release|d6
as a ping|ping|d7
X
echo payload >"$M/config/webhook_known_by"
rf_umount
rf_mount
rf_wait 10 grep -q '^listen: 127' "$M/status"
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook
equal 'after a restart' 200 "$(post one "${signed[@]}" -H 'X-GitHub-Event: push' -H 'X-GitHub-Delivery: d9')"
equal 'one delivery is kept' 1 "$(ls "$M/events/deliveries")"
equal 'and none of them ran' $((first + 1)) "$(runs)"
