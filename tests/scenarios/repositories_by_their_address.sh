# A repository that is linked by its address, not by a checkout: mirrored in the state directory, fetched when an event names it,
# with a token from a secret; pushes run the workflows that they bring, pull requests those of the default branch.
. "$(dirname "$0")/lib.sh"
need git
rf_mount
echo host >"$M/config/labels/h"
O=$T/o/r
mkdir -p "$O/.github/workflows"
printf 'on: [push, pull_request]\njobs: {a: {runs-on: h, steps: [{uses: actions/checkout@v4}, {run: "echo has $(cat file) at $(git rev-parse HEAD)"}]}}\n' >"$O/.github/workflows/ci.yml"
echo one >"$O/file"
git_commit "$O"
push() { printf '{"ref":"refs/heads/%s","after":"%s","repository":{"full_name":"o/r"}}' "$1" "$2" >"$M/events/push"; }
at() { git -C "$O" rev-parse "$1"; }
last() { readlink "$M/runs/latest"; }
ran() { # TEXT: the last run succeeded and printed that
    ended "$(last)"
    file_is "$M/runs/$(last)/conclusion" success
    file_has "$M/runs/$(last)/log" "$1"
}

say 'it is linked, and what it has is registered'
ln -s "file://$O" "$M/repos/r"
equal 'where it is' "file://$O" "$(readlink "$M/repos/r")"
file_has "$M/workflows/r/ci.yml" actions/checkout
[ -f "$STATE/mirrors/r.git/HEAD" ] || fail 'there is no bare mirror'
equal 'nothing runs' 0 "$(runs)"

say 'what is pushed later is fetched'
echo two >"$O/file"
git_commit "$O" second
push main "$(at HEAD)"
ran "has two at $(at HEAD)"

say 'a push to a branch runs what that branch has, and the default branch is shown again'
git -C "$O" checkout -q -b topic
printf 'on: push\njobs: {b: {runs-on: h, steps: [{run: echo only on topic}]}}\n' >"$O/.github/workflows/topic.yml"
git -C "$O" rm -q --cached .github/workflows/ci.yml
mv "$O/.github/workflows/ci.yml" "$T/"
ln -s /etc/passwd "$O/.github/workflows/link.yml"
git_commit "$O" topic
topic=$(at HEAD)
git -C "$O" checkout -q -f main
before=$(runs)
push topic "$topic"
ran 'only on topic'
equal 'one ran' $((before + 1)) "$(runs)"
equal 'shown' ci.yml "$(ls "$M/workflows/r")"

say 'a pull request runs the workflows of the default branch, on the commit that it brings'
git -C "$O" update-ref refs/pull/7/head "$topic"
git -C "$O" update-ref refs/pull/7/merge "$topic"
git -C "$O" branch -q -D topic
printf '{"action":"opened","number":7,"pull_request":{"number":7,"merge_commit_sha":"%s","head":{"ref":"topic","sha":"%s","repo":{"full_name":"mallory/r"}},"base":{"ref":"main","sha":"%s"}},"repository":{"full_name":"o/r"}}' \
    "$topic" "$topic" "$(at main)" >"$M/events/pull_request"
ran "has two at $topic"
lacks 'its own workflows' "$(cat "$M/events/pull_request")" topic.yml

say 'another repository is not fetched for, and one that is away starts nothing'
mv "$O" "$T/away"
before=$(runs)
printf '{"ref":"refs/heads/main","repository":{"full_name":"other/x"}}' >"$M/events/push"
file_has "$M/events/push" 'the payload is of other/x'
push main "$(git -C "$T/away" rev-parse main)"
file_has "$M/events/push" "not started: cannot fetch file://$O: "
equal 'nothing runs' "$before" "$(runs)"
mv "$T/away" "$O"

say 'after a restart, and unlinked'
rf_umount
rf_mount
equal 'still linked' "file://$O" "$(readlink "$M/repos/r")"
echo three >"$O/file"
git_commit "$O" third
push main "$(at HEAD)"
ran 'has three'
rm "$M/repos/r"
[ ! -e "$STATE/mirrors/r.git" ] || fail 'the mirror is left behind'

say 'addresses that are none'
for to in "file://$T/none" "https://user:word@127.0.0.1:1/o/r" "https://ghp_word@127.0.0.1:1/o/r" "ssh://user:word@127.0.0.1:1/r" "http://127.0.0.1:1/o/r" "https://-oProxyCommand=x/r" "ssh://-oProxyCommand=touch $T/pwned/r" "git://127.0.0.1/r" "ext::touch $T/pwned" "https://a b/c"; do
    refused ln -s "$to" "$M/repos/x"
    [ ! -e "$STATE/mirrors/x.git" ] || fail "$to: something is left"
done
rf_wait 10 grep -q 'repos/x: refused: no password, token or user .*: write the token to secrets/REPO_TOKEN_X first' "$STATE/log"
lacks 'what was refused' "$(cat "$STATE/log" "$M/errors/repos-x")" word@
[ ! -e "$T/pwned" ] || fail 'an address ran a program'

say 'the token goes to that host, and is seen nowhere else'
"$PYTHON" "$here/tests/servers/git_http.py" "$T/o" "$T/asked" >"$T/port" 2>"$T/git.err" &
children+=($!)
rf_wait 20 test -s "$T/port"
url=http://127.0.0.1:$(cat "$T/port")
refused ln -s "$url/r" "$M/repos/private-one"
lacks 'without the secret' "$(cat "$T/asked")" TOKEN
echo s3cret-token >"$M/secrets/REPO_TOKEN_PRIVATE_ONE"
ln -s "$url/r" "$M/repos/private-one"
file_has "$M/workflows/private-one/ci.yml" actions/checkout
grep -q '^GET /r/info/refs.* TOKEN$' "$T/asked" || fail 'the token was not sent'
for form in s3cret-token "$(printf x-access-token:s3cret-token | base64)"; do
    if grep -rs "$form" "$STATE/mirrors" "$STATE/log"; then fail 'the token is written down'; fi
done

say 'and no job gets at it: it is not among its secrets, and is masked where a script has it from elsewhere'
echo plain-word >"$M/secrets/PLAIN"
cat >"$T/look.yml" <<'Y'
on: push
jobs: {a: {runs-on: h, steps: [{env: {ALL: "${{ toJSON(secrets) }}", ONE: "${{ secrets.REPO_TOKEN_PRIVATE_ONE }}"}, run: 'echo "one is [$ONE]"; echo "$ALL" | tr -dc A-Z_; echo; printf "it is %s-%s\n" s3cret token'}]}}
Y
n=$(rf_drop "$T/look.yml")
file_has "$M/runs/$n/log" 'one is []'
file_has "$M/runs/$n/log" PLAIN
file_lacks "$M/runs/$n/log" REPO_TOKEN_PRIVATE_ONE
file_has "$M/runs/$n/log" 'it is ***'
rm "$M/repos/private-one"
refused ln -s "$url/elsewhere" "$M/repos/private-one" # it is sent to another place, with the token for whoever follows
if grep -q followed "$T/asked"; then fail 'a redirection was followed'; fi

say 'what is no workflow is not looked at, however much of it there is'
many=$T/o/many
mkdir -p "$many/.github/workflows"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: echo one of many}]}}\n' >"$many/.github/workflows/ci.yml"
for ((i = 0; i < 1200; i++)); do
    echo "on: workflow_dispatch # $i" >"$many/.github/workflows/no-$i.txt"
    echo "on: workflow_dispatch # $i" >"$many/.github/workflows/zz-$i.yml"
done
head -c 2000000 /dev/zero | tr '\0' '#' >"$many/.github/workflows/large.yml"
printf '# without a newline at its end' >"$many/.github/workflows/bare.yml"
: >"$many/.github/workflows/empty.yml"
cp "$many/.github/workflows/zz-5.yml" "$many/.github/workflows/same.yml"
git_commit "$many"
ln -s "file://$many" "$M/repos/many"
equal 'as many as are registered, without what is too large' 1000 "$(ls "$STATE/mirrors/many.git/.github/workflows" | wc -l)"
file_has "$M/workflows/many/ci.yml" 'one of many'
lacks 'each is as it was committed' "$(diff -rq "$many/.github/workflows" "$STATE/mirrors/many.git/.github/workflows")" differ
[ ! -e "$STATE/mirrors/many.git/.github/workflows/no-1.txt" ] || fail 'a file is shown that is no workflow'
[ ! -e "$STATE/mirrors/many.git/.github/workflows/large.yml" ] || fail 'one is shown that is too large'
