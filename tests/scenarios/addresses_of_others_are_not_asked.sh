# Payloads of webhooks and workflows are full of addresses, and whoever writes them would have the host ask its own services, the
# metadata of its cloud, its files, or run a program: nothing of a payload is asked, and of a repository only what is elsewhere.
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/github.sh"
need git
trap_begin() { # NAME [LOCATION]: sets $place
    "$PYTHON" "$here/tests/servers/trap.py" "$T/$1" "${@:2}" >"$T/$1.port" &
    children+=($!)
    rf_wait 20 test -s "$T/$1.port"
    place=127.0.0.1:$(cat "$T/$1.port")
}
trap_begin came
trapped=$place
port=${place#*:}
words_begin 'status comment' <<'Y'
on: [push, pull_request, release, deployment]
jobs: {a: {runs-on: h, steps: [{uses: actions/checkout@v4}, {run: 'git log -1 --format=%H'}]}}
Y
echo off >"$M/config/github/report"

say 'addresses in payloads'
n=0
for to in "http://$trapped/o/r.git" "http://$trapped@127.0.0.1:$port/" "file://$T/canary" "ssh://-oProxyCommand=touch%20$T/pwned/o/r" "-oProxyCommand=touch $T/pwned" \
    "--upload-pack=touch $T/pwned" "ext::sh -c touch% $T/pwned" http://169.254.169.254/latest/meta-data/ "git://$trapped/o/r" "$T/repo/../canary"; do
    n=$((n + 1))
    while IFS=$'\t' read -r event body; do send "$event" "$body"; done < <(jq -nr --arg u "$to" --arg s "$sha" --argjson n $n '
        [{html_url: 0, url: 0, clone_url: 0, git_url: 0, ssh_url: 0, svn_url: 0, mirror_url: 0, statuses_url: 0, contents_url: 0, archive_url: 0, hooks_url: 0, commits_url: 0, comments_url: 0} | keys[]]
        | map({(.): $u}) | add as $urls
        | $urls + {ref: "refs/heads/main", after: $s, before: $u, compare: $u, number: $n, action: "opened",
            repository: ($urls + {full_name: "o/r", default_branch: "main"}), sender: ($urls + {login: "mallory", avatar_url: $u}),
            head_commit: {id: $s, url: $u}, commits: [{id: $s, url: $u, added: [$u]}],
            pull_request: ($urls + {number: $n, merge_commit_sha: $s, head: {ref: $u, sha: $s, repo: ($urls + {full_name: "mallory/r"})}, base: {ref: "main", sha: $u, repo: ($urls + {full_name: "o/r"})}}),
            release: ($urls + {tag_name: $u, tarball_url: $u, target_commitish: $u}), deployment: ($urls + {ref: $u, sha: $s, environment: $u}), installation: $urls}
        | ("push", "pull_request", "release", "deployment") as $e | "\($e)\t\(. + {event: $e} | tojson)"')
done
for name in "http://$trapped/o/r" ../../etc "--upload-pack=touch $T/pwned" "o/r;touch $T/pwned" "o/r/../../x"; do
    send push "$(jq -nc --arg n "$name" --arg s "$sha" '{ref: "refs/heads/main", after: $s, repository: {full_name: $n, clone_url: $n}}')"
done
for ref in "refs/heads/--upload-pack=touch $T/pwned" "--output=$T/pwned" "refs/heads/../../../../$T/pwned" 'refs/heads/x;touch pwned' $'refs/heads/a\nb'; do
    send push "$(jq -nc --arg r "$ref" --arg s "$sha" '{ref: $r, after: $r, before: $r, repository: {full_name: "o/r"}}')"
done
rf_wait 60 grep -qx done "$M/events/deliveries/$hook/state"
for n in "$M"/runs/[0-9]*; do ended "${n##*/}"; done
[ "$(runs)" -gt 10 ] || fail 'the payloads started nothing'
[ ! -e "$T/came" ] || fail "an address of a payload was asked: $(cat "$T/came")"
[ -z "$(find / -xdev -maxdepth 1 -name 'pwned*')" ] && [ ! -e "$T/pwned" ] || fail 'a payload ran a program'

say 'word back goes to one address, whatever it answers'
trap_begin teller "http://$trapped/"
echo "http://$place/" >"$M/config/github/api_url"
echo status >"$M/config/github/report"
send push "$(jq -nc --arg s "$sha" --arg u "http://$trapped/" '{ref: "refs/heads/main", after: $s, repository: {full_name: "o/r", statuses_url: $u, url: $u}, number: "last"}')"
rf_wait 30 test -s "$T/teller"
rf_wait 30 grep -q 302 "$M/events/deliveries/$hook/words"
[ ! -e "$T/came" ] || fail "a redirection was followed: $(cat "$T/came")"
echo off >"$M/config/github/report"

say 'addresses of submodules'
git init -q "$T/elsewhere"
git_commit "$T/elsewhere"
git init -q -b main "$T/outer"
git -C "$T/outer" -c protocol.file.allow=always submodule -q add "$T/elsewhere" inner
git -C "$T/outer" submodule -q deinit -f inner
rm -rf "$T/outer/.git/modules"
for to in "http://$trapped/o/r.git" "http://localhost:$port/o/r" "http://example.com@$trapped/o/r" "http://2130706433:$port/o/r" "http://0x7f.1:$port/o/r" "http://0:$port/" "http://[::1]:$port/" \
    "http://[::ffff:127.0.0.1]:$port/" http://169.254.169.254/latest "git://$trapped/o/r" "ssh://git@$trapped/o/r" "git@localhost:o/r.git" "ext::touch $T/pwned" "file://$T/elsewhere"; do
    git -C "$T/outer" config -f .gitmodules submodule.inner.url "$to"
    git_commit "$T/outer"
    printf 'on: push\njobs: {a: {runs-on: h, steps: [{uses: actions/checkout@v4, with: {submodules: true}}]}}\n' >"$T/sub.yml"
    exits 1 "$RUNFS" run --state "$T/own" --label h=host --workspace "$T/outer" "$T/sub.yml"
    [ ! -e "$T/came" ] || fail "$to was asked: $(cat "$T/came")"
    grep -qE "the submodule 'inner' is at a path|submodule 'inner': (.* is this host, or what answers to it alone|'.*' is no address that begins|the host .* is not known)" "$T/out" ||
        fail "$to: $(cat "$T/out")"
done
[ ! -e "$T/pwned" ] || fail 'a submodule ran a program'

say 'addresses of actions and workflows'
for use in "http://$trapped/o/r@v1" "$trapped/r@v1" "o/r@--upload-pack=touch" "../../../$T/elsewhere@main" "-oProxyCommand=x/r@v1" "https://github.com@$trapped/r@v1"; do
    jq -nc --arg u "$use" '{on: "push", jobs: {a: {"runs-on": "h", steps: [{uses: $u}]}}}' >"$T/use.yml"
    if "$RUNFS" run --state "$T/own" --label h=host "$T/use.yml" >"$T/out" 2>&1; then fail "uses: $use ran"; fi
    jq -nc --arg u "${use%@*}/.github/workflows/x.yml@${use#*@}" '{on: "push", jobs: {a: {uses: $u}}}' >"$T/use.yml"
    if "$RUNFS" run --state "$T/own" --label h=host "$T/use.yml" >"$T/out" 2>&1; then fail "the workflow $use ran"; fi
done
for with in "{repository: 'http://$trapped/r'}" "{repository: '--upload-pack=touch/x'}" "{ref: '--upload-pack=touch'}" "{path: ../../../../x}"; do
    printf 'on: push\njobs: {a: {runs-on: h, steps: [{uses: actions/checkout@v4, with: %s}]}}\n' "$with" >"$T/use.yml"
    if timeout 60 "$RUNFS" run --state "$T/own" --label h=host --workspace "$T/repo" "$T/use.yml" >"$T/out" 2>&1; then fail "checkout with $with worked"; fi
done
printf "on: push\njobs: {a: {runs-on: h, steps: [{uses: actions/checkout@v4, with: {repository: o/r, github-server-url: 'http://$trapped'}}]}}\n" >"$T/use.yml"
exits 0 "$RUNFS" run --state "$T/own" --label h=host --workspace "$T/repo" "$T/use.yml" # its own is taken from where it is
[ ! -e "$T/came" ] || fail "an address of a workflow was asked: $(cat "$T/came")"
[ ! -e "$T/pwned" ] || fail 'a workflow ran a program on the host'
