# A program that looks through a linked repository by GitHub's API finds its commits, tags, folders and files as git has them, and what
# differs between two commits; nothing that the repository's configuration names is run for it.
. "$(dirname "$0")/lib.sh"
need git
need curl
need jq
rf_mount
R=$T/repo
mkdir -p "$R/.github/workflows" "$R/src/a b"
workflow "$R/.github/workflows/ci.yml" 'echo committed'
echo '# Hello' >"$R/README.md"
echo one >"$R/src/a b/ü.txt"
head -c 2000000 /dev/zero >"$R/large.bin"
ln -s src/a "$R/link"
export TZ=Asia/Kolkata
git_commit "$R" 'the first'
git -C "$R" tag v1.9
git -C "$R" checkout -q -b side
echo two >>"$R/src/a b/ü.txt"
git_commit "$R" 'on a side'
git -C "$R" checkout -q main
git -C "$R" mv README.md readme.rst
git_commit "$R" 'another name'
git -C "$R" -c user.name=merger -c user.email=merger@example.com merge -q --no-ff -m 'both' side
git -C "$R" -c user.name=tester -c user.email=tester@example.com tag -a -m 'a word' v1.10
git -C "$R" remote add origin https://git.example.com/o/r.git
# what looks at differences and signatures would run these
git -C "$R" config diff.external "touch $T/was-run"
git -C "$R" config log.showSignature true
git -C "$R" config gpg.program "$T/was-run"
ln -s "$R" "$M/repos/r"
echo "$T/sock" >"$M/config/listen"
rf_wait 10 test -S "$T/sock"
ask() { curl -s -g --unix-socket "$T/sock" "${@:2}" "http://runfs/repos/o/r${1:+/$1}"; }
id() { git -C "$R" rev-parse "$1"; }
status() { ask "$1" -o "$T/body" -w '%{http_code}'; }

equal 'commits, newest first' "$(git -C "$R" log --format='%H %s %P' | sed 's, $,,')" \
    "$(ask commits | jq -r '.[] | "\(.sha) \(.commit.message) \(.parents | map(.sha) | join(" "))"' | sed 's, $,,')"
equal 'when, in UTC' "$(TZ=UTC git -C "$R" log -1 --date=format-local:%FT%TZ --format=%ad)" "$(ask commits | jq -r '.[0].commit.author.date')"
equal 'two by two' "$(git -C "$R" log -2 --skip=2 --format=%s)" "$(ask 'commits?per_page=2&page=2' | jq -r '.[].commit.message')"
contains 'there are more' "$(ask 'commits?per_page=2' -D - -o /dev/null)" 'per_page=2&page=2>; rel="next"'
lacks 'and then no more' "$(ask 'commits?per_page=2&page=2' -D - -o /dev/null)" 'rel="next"'
equal 'of a branch' 'on a side' "$(ask 'commits?sha=side' | jq -r '.[0].commit.message')"
equal 'of a file' 'on a side the first' "$(ask 'commits?path=src/a%20b' | jq -r '[.[].commit.message] | join(" ")')"
equal 'of somebody' both "$(ask 'commits?author=merger@example.com' | jq -r '.[].commit.message')"
equal 'since tomorrow' '[]' "$(ask "commits?since=$(date -u -d tomorrow +%FT%TZ)")"
equal 'of no branch' 404 "$(status 'commits?sha=none')"
equal 'nor of what is an option' 404 "$(status 'commits?sha=--output=x')"

equal 'what a commit changed' 'README.md readme.rst renamed 0' "$(ask "commits/$(id main^)" | jq -r '.files[] | "\(.previous_filename) \(.filename) \(.status) \(.changes)"')"
equal 'how much' '1 0 1' "$(ask commits/side | jq -r '.stats | "\(.additions) \(.deletions) \(.total)"')"
contains 'as a diff' "$(ask commits/side -H 'Accept: application/vnd.github.diff')" '+two'
equal 'a commit of git' "$(id main:)" "$(ask "git/commits/$(id main)" | jq -r .tree.sha)"
equal 'branches at it' side "$(ask "commits/$(id side)/branches-where-head" | jq -r '.[].name')"

equal 'tags by version, each at its commit' "v1.10 $(id main)
v1.9 $(id v1.9)" "$(ask tags | jq -r '.[] | "\(.name) \(.commit.sha)"')"
equal 'refs that begin so' 'refs/tags/v1.10 refs/tags/v1.9' "$(ask git/matching-refs/tags/v1 | jq -r '[.[].ref] | join(" ")')"
equal 'all of them' 4 "$(ask git/matching-refs | jq length)"

git -C "$R" branch other main^
equal 'between two' 'diverged 1 1 1' "$(ask compare/side...other | jq -r '"\(.status) \(.ahead_by) \(.behind_by) \(.total_commits)"')"
equal 'ahead, oldest first' 'ahead on a side,another name,both' "$(ask compare/v1.9...main | jq -r '"\(.status) \([.commits[].commit.message] | sort_by(. == "both") | join(","))"')"
equal 'which files' 'readme.rst src/a b/ü.txt' "$(ask compare/v1.9...main | jq -r '[.files[].filename] | join(" ")')"
equal 'the same' identical "$(ask compare/main...main | jq -r .status)"
equal 'with what is not there' 404 "$(status compare/main...none)"

equal 'the root' "$(git -C "$R" ls-tree --name-only main)" "$(ask contents/ | jq -r '.[].path')"
equal 'what they are' 'dir dir file file symlink' "$(ask contents | jq -r '[.[].type] | sort | join(" ")')"
equal 'as an object' 'dir src a b' "$(ask contents/src -H 'Accept: application/vnd.github.object' | jq -r '"\(.type) \(.path) \(.entries[].name)"')"
equal 'a file' 'one
two' "$(ask 'contents/src/a%20b/%C3%BC.txt' | jq -r .content | base64 -d)"
equal 'as it was' one "$(ask 'contents/src/a%20b/%C3%BC.txt?ref=v1.9' -H 'Accept: application/vnd.github.raw')"
curl -s --unix-socket "$T/sock" "$(ask 'contents/src/a%20b/%C3%BC.txt' | jq -r .download_url)" >"$T/body"
equal 'by its download' "$(git -C "$R" hash-object "$R/src/a b/ü.txt")" "$(git hash-object "$T/body")"
equal 'by the address of a change' one "$(curl -s --unix-socket "$T/sock" "$(ask commits/v1.9 | jq -r '.files[] | select(.filename | endswith("txt")).contents_url')" |
    jq -r .content | base64 -d)"
equal 'a large one has no content in JSON' 'none 2000000 ' "$(ask contents/large.bin | jq -r '"\(.encoding) \(.size) \(.content)"')"
equal 'but as it is' 2000000 "$(ask contents/large.bin -H 'Accept: application/vnd.github.raw+json' | wc -c)"
equal 'a link' src/a "$(ask contents/link | jq -r .target)"
equal 'what is not there' 404 "$(status contents/none)"
equal 'nor at a commit that is not' 'No commit found for the ref none' "$(ask 'contents/link?ref=none' | jq -r .message)"
equal 'nor above' 404 "$(status 'contents/..%2f..%2fetc/passwd')"
equal 'the README' readme.rst "$(ask readme | jq -r .path)"
equal 'as it was called' README.md "$(ask 'readme?ref=v1.9' | jq -r .path)"

echo 'on: push' >"$R/.github/workflows/ci.yml"
printf 'jobs: {a: {runs-on: ubuntu-latest, steps: [{run: echo edited}]}}\n' >>"$R/.github/workflows/ci.yml"
rf_wait 10 grep -q edited "$M/workflows/r/ci.yml"
contains 'a workflow as it is registered' "$(ask contents/.github/workflows/ci.yml -H 'Accept: application/vnd.github.raw')" edited
contains 'and as it is committed' "$(ask 'contents/.github/workflows/ci.yml?ref=main' -H 'Accept: application/vnd.github.raw')" committed

equal 'a tree' "$(git -C "$R" ls-tree --name-only main)" "$(ask git/trees/main | jq -r '.tree[].path')"
equal 'with all below' "$(git -C "$R" -c core.quotePath=false ls-tree -r -t --name-only main)" "$(ask 'git/trees/main?recursive=1' | jq -r '.tree[].path')"
equal 'a tree by its id' "$(id main:src)" "$(ask "git/trees/$(id main:src)" | jq -r .sha)"
equal 'no tree' 404 "$(status git/trees/none)"
equal 'a blob' '# Hello' "$(ask "git/blobs/$(id v1.9:README.md)" | jq -r .content | base64 -d)"
equal 'no blob is a tree' 404 "$(status "git/blobs/$(id main:src)")"

etag=$(ask commits -D - -o /dev/null | tr -d '\r' | sed -n 's/^ETag: //p')
equal 'not changed' 304 "$(ask commits -H "If-None-Match: $etag" -o /dev/null -w '%{http_code}')"
by_number() { curl -s --unix-socket "$T/sock" "http://runfs/repositories/$1" | jq -r .full_name; }
equal 'by its number' 'o/r null' "$(by_number "$(ask '' | jq .id)") $(by_number 99)"
gone=$(curl -s --unix-socket "$T/sock" http://runfs/repos/runfs/workflows/commits | jq -r .message)
equal 'what was dropped has no commits' 'Git Repository is empty.' "$gone"
[ ! -e "$T/was-run" ] || fail 'a program of the repository was run'
