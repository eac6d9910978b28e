# For scenarios of what senders of webhooks are told: a mount that takes webhooks of o/r, and a server on loopback that
# stands for GitHub's API. Source it behind lib.sh, then: words_begin, github_begin, deliver EVENT PAYLOAD.
# shellcheck shell=bash

G=$T/github        # what the server has: faults, requests, state.json
token=ghp_0123456789-very-secret

github_begin() { # [PORT]: starts it (again); sets $port and $github (its pid)
    mkdir -p "$G"
    echo $token >"$G/token"
    : >"$T/port"
    "$PYTHON" "$here/tests/servers/github.py" "$G" "$@" >"$T/port" 2>"$T/github.err" &
    github=$!
    children+=("$github")
    rf_wait 20 test -s "$T/port"
    port=$(cat "$T/port")
}
github_end() {
    kill -KILL "$github"
    wait "$github" 2>/dev/null || :
}

listening() {
    rf_wait 10 grep -q '^listen: 127' "$M/status"
    hook_url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/webhook
}
words_begin() { # REPORT: mounts, links o/r with the workflow ci.yml on standard input, asks for these words
    need curl
    need openssl
    mkdir -p "$T/repo/.github/workflows"
    cat >"$T/repo/.github/workflows/ci.yml"
    git_commit "$T/repo"
    git -C "$T/repo" remote add origin https://git.example.com/o/r.git
    sha=$(git -C "$T/repo" rev-parse HEAD)
    rf_mount
    echo 0 >"$M/config/listen"
    echo open-sesame >"$M/config/webhook/secret"
    echo host >"$M/config/labels/h"
    ln -s "$T/repo" "$M/repos/r"
    listening
    echo "http://127.0.0.1:$port/" >"$M/config/github/api_url"
    echo $token >"$M/secrets/GITHUB_TOKEN"
    echo "$1" >"$M/config/github/report"
}

# Deliveries are numbered in $hook from 1; $run is the first run of the last one.
hook=0
send() { # EVENT PAYLOAD: a delivery that is accepted
    hook=$((hook + 1))
    printf '%s' "$2" >"$T/payload"
    equal 'accepted' 202 "$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' --data-binary "@$T/payload" \
        -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac open-sesame "$T/payload" | awk '{print $NF}')" \
        -H "X-GitHub-Event: $1" -H "X-GitHub-Delivery: d$hook" "$hook_url")"
}
deliver() { # EVENT PAYLOAD: and its run has ended
    send "$@"
    delivered
}
delivered() {
    rf_wait 20 grep -qx done "$M/events/deliveries/$hook/state"
    run=$(ls "$M/events/deliveries/$hook/runs" | head -n 1)
    ended "$run"
}
push() { jq -cn --arg sha "$sha" --arg who "${1:-alice}" '{ref: "refs/heads/main", after: $sha, repository: {full_name: "o/r"}, pusher: {name: $who}}'; }
pull() { # NUMBER [ACTION]
    jq -cn --arg sha "$sha" --argjson n "$1" --arg action "${2:-opened}" --argjson nth "$hook" '{nth: $nth, action: $action, number: $n, repository: {full_name: "o/r"},
        pull_request: {number: $n, base: {ref: "main"}, head: {ref: "topic", sha: $sha}}}'
}
words() { cat "$M/events/deliveries/${1:-$hook}/words"; } # [DELIVERY]
all_said() { words "$@" >"$T/words.now" && [ -s "$T/words.now" ] && ! grep -q 'to be said' "$T/words.now"; }
asked() { [ "$(wc -l <"$G/requests")" -ge "$1" ]; } # N: so many requests came
has() { jq -r "$1" "$G/state.json"; }               # JQ: of what the server has
