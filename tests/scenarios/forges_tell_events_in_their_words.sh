# Webhooks of Gitea, Forgejo and Gogs start what GitHub's would: labels, reviews, releases, packages, the wiki and comments are called
# otherwise there, and a review says elsewhere what it comes to.
. "$(dirname "$0")/lib.sh"
need curl
need openssl
rf_mount
echo "$T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
echo open-sesame >"$M/config/webhook/secret"
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
on() { # NAME ON: a workflow that says what it was started by
    cat >"$T/repo/.github/workflows/$1.yml" <<Y
on: $2
jobs: {a: {runs-on: h, steps: [{run: 'echo "\${{ github.event_name }} \${{ github.event.action }} \${{ github.event.review.state }} \${{ github.event.review.body }}"'}]}}
Y
}
on labels '{issues: {types: [labeled]}, pull_request: {types: [labeled]}}'
on unlabels '{issues: {types: [unlabeled]}, pull_request: {types: [unlabeled]}}'
on synced '{pull_request: {types: [synchronize]}}'
on reviews '{pull_request_review: {types: [submitted]}}'
on comments '{issue_comment: {types: [created]}}'
on releases '{release: {types: [edited]}}'
on packages '{registry_package: {types: [published]}}'
on pages gollum
git_commit "$T/repo"
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
git -C "$T/repo" tag v1
ln -s "$T/repo" "$M/repos/r"
sha=$(git -C "$T/repo" rev-parse HEAD)
hook=0
send() { # FORGE EVENT PAYLOAD: as it comes from there; sets $hook
    hook=$((hook + 1))
    jq -c --argjson n $hook '. + {nth: $n, repository: {full_name: "o/r"}, sender: {login: "alice"}}' <<<"$3" >"$T/body"
    local mac
    mac=$(openssl dgst -sha256 -hmac open-sesame "$T/body" | awk '{print $NF}')
    local headers=(-H "X-$1-Event: $2" -H "X-$1-Delivery: d$hook" -H "X-$1-Signature: $mac")
    [ "$1" = Gogs ] || headers+=(-H "X-GitHub-Event: $2" -H "X-Gitea-Event: $2" -H "X-Gitea-Signature: $mac" -H "X-Hub-Signature-256: sha256=$mac")
    curl -sf -o "$T/answer" --unix-socket "$T/api.sock" -H 'Content-Type: application/json' --data-binary "@$T/body" "${headers[@]}" http://ci/webhook
    rf_wait 20 grep -qx done "$M/events/deliveries/$hook/state"
}
starts() { # WORKFLOW SAYS FORGE EVENT PAYLOAD: that one and no other
    local run
    send "${@:3}"
    equal "what $4 starts" "$1" "$(sed -n 's|^r/\(.*\)\.yml: run .*|\1|p' "$M/events/deliveries/$hook/verdict" | xargs)"
    run=$(ls "$M/events/deliveries/$hook/runs")
    ended "$run"
    file_has "$M/runs/$run/log" "$2"
}
pull='"number": 7, "pull_request": {"number": 7, "base": {"ref": "main"}, "head": {"ref": "x", "sha": "'$sha'"}}'
issue='"issue": {"number": 3, "title": "t"}'
label='[{"name": "bug"}]'

starts labels 'issues labeled' Gitea issues "{\"action\": \"label_updated\", $issue, \"changes\": {\"added_labels\": $label}}"
starts unlabels 'issues unlabeled' Gitea issues "{\"action\": \"label_updated\", $issue, \"changes\": {\"added_labels\": [], \"removed_labels\": $label}}"
starts unlabels 'issues unlabeled' Forgejo issues "{\"action\": \"label_cleared\", $issue}"
starts labels 'pull_request labeled' Forgejo pull_request "{\"action\": \"label_updated\", $pull}"
starts unlabels 'pull_request unlabeled' Gitea pull_request "{\"action\": \"label_cleared\", $pull}"
starts synced 'pull_request synchronize' Forgejo pull_request "{\"action\": \"synchronized\", $pull}"
gogs='"number": 8, "pull_request": {"number": 8, "base_branch": "main", "base_repo": {"full_name": "o/r"}, "head_branch": "main", "head_repo": {"full_name": "o/r"}}'
starts synced 'pull_request synchronize' Gogs pull_request "{\"action\": \"synchronized\", $gogs}"
file_is "$M/runs/$(ls "$M/events/deliveries/$hook/runs")/ref" refs/pull/8/merge
equal 'both ends of it' 'main main' "$(jq -r '.pull_request | "\(.head.ref) \(.base.ref)"' "$M/runs/$(ls "$M/events/deliveries/$hook/runs")/event.json")"
review() { echo "{\"action\": \"reviewed\", $pull, \"review\": {\"type\": \"pull_request_review_$1\", \"content\": \"so be it\"}}"; }
starts reviews 'pull_request_review submitted approved so be it' Forgejo pull_request_approved "$(review approved)"
starts reviews 'pull_request_review submitted changes_requested so be it' Gitea pull_request_rejected "$(review rejected)"
starts reviews 'pull_request_review submitted commented so be it' Gitea pull_request_comment "$(review comment)"
starts comments 'issue_comment created' Forgejo issue_comment "{\"action\": \"created\", $issue, \"is_pull\": false, \"comment\": {\"id\": 1, \"body\": \"b\"}}"
starts releases 'release edited' Gitea release '{"action": "updated", "release": {"tag_name": "v1"}}'
starts packages 'registry_package published' Forgejo package '{"action": "created", "package": {"name": "p"}}'
starts pages 'gollum' Gitea wiki '{"action": "created", "page": "Home"}'

say 'only from there: GitHub means what it says'
hook=$((hook + 1))
jq -cn --argjson n $hook "{nth: \$n, action: \"label_updated\", $issue, repository: {full_name: \"o/r\"}}" >"$T/body"
mac=$(openssl dgst -sha256 -hmac open-sesame "$T/body" | awk '{print $NF}')
curl -sf -o "$T/answer" --unix-socket "$T/api.sock" -H 'Content-Type: application/json' --data-binary "@$T/body" -H 'X-GitHub-Event: issues' \
    -H "X-Hub-Signature-256: sha256=$mac" http://ci/webhook
rf_wait 20 grep -qx done "$M/events/deliveries/$hook/state"
equal 'nothing starts' '' "$(ls "$M/events/deliveries/$hook/runs")"
