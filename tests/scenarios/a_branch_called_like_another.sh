# Whoever may push branches calls one like another's whole name, or like a commit: who asks for those over HTTP hears of what
# they name all the same. One whose name JSON cannot hold is left out of the pages.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need git
rf_mount
mkdir "$T/repo"
git_commit "$T/repo"
good=$(git -C "$T/repo" rev-parse HEAD)
git -C "$T/repo" checkout -qb theirs
git_commit "$T/repo" second
theirs=$(git -C "$T/repo" rev-parse HEAD)
git -C "$T/repo" checkout -q main
for name in refs/heads/main refs/heads/refs/tags/v1 "$good"; do git -C "$T/repo" update-ref "refs/heads/$name" "$theirs"; done
git -C "$T/repo" tag v1
git -C "$T/repo" update-ref "refs/heads/$(printf 'b\377')" "$theirs"
ln -s "$T/repo" "$M/repos/r"
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
base=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/repos/local/r
echo "header = \"Authorization: Bearer $("$RUNFS" token create --scope read "$M")\"" >"$T/token"
ask() { curl -sf -K "$T/token" "$base/$1" || fail "not answered: $1"; }

for name in main heads/main refs/heads/main "$good" v1 tags/v1 refs/tags/v1; do
    equal "$name" "$good" "$(ask "commits/$name" | jq -r .sha)"
done
for name in heads/main tags/v1; do equal "git/ref/$name" "$good" "$(ask "git/ref/$name" | jq -r .object.sha)"; done
equal 'what only a branch is called' "$theirs" "$(ask commits/theirs | jq -r .sha)"

all=$(git -C "$T/repo" for-each-ref --format='%(refname:lstrip=2)' refs/heads | grep -av '^b')
equal 'page by page' "$all" "$(for page in 1 2 3 4 5 6; do ask "branches?per_page=1&page=$page" | jq -r '.[].name'; done)"
