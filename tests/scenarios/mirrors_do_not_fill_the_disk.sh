# A repository that is linked by its address has so much room and no more: one that is larger is not linked, and what is pushed beyond
# it is neither kept nor run, until there is more room.
. "$(dirname "$0")/lib.sh"
need git
rf_mount
echo host >"$M/config/labels/h"
O=$T/o/r
mkdir -p "$O/.github/workflows"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: echo ran}]}}\n' >"$O/.github/workflows/ci.yml"
git_commit "$O"
small=$(git -C "$O" rev-parse HEAD)
add() { # MiB that nothing makes smaller
    head -c "$1M" /dev/urandom >"$O/large-$1"
    git_commit "$O" "$1 MiB"
}
push() { printf '{"ref":"refs/heads/main","after":"%s","repository":{"full_name":"o/r"}}' "$(git -C "$O" rev-parse HEAD)" >"$M/events/push"; }
kept() { du -sk "$STATE/mirrors/r.git/objects" | cut -f1; }
half_written() { find "$STATE/mirrors/r.git/objects" -name 'tmp_*'; }

for no in 0 -1 x 1.5 ''; do refused sh -c "echo '$no' >'$M/config/mirror_size_mib'"; done
echo 2 >"$M/config/mirror_size_mib"

say 'one that is too large is not linked'
add 3
refused ln -s "file://$O" "$M/repos/r"
rf_wait 10 grep -q 'repos/r: refused: .*a mirror may have 2 MiB.*config/mirror_size_mib' "$STATE/log"
[ ! -e "$STATE/mirrors/r.git" ] || fail 'something is left of it'

say 'one that fits is, and what fits is fetched'
git -C "$O" reset -q --hard "$small"
git -C "$O" reflog expire --expire=now --all
ln -s "file://$O" "$M/repos/r"
add 1
push
ended "$(readlink "$M/runs/latest")"
equal 'ran' 1 "$(runs)"

say 'what does not fit any more starts nothing, however often, and is not kept'
before=$(kept)
add 2
for i in 1 2 3; do
    push
    file_has "$M/events/push" 'a mirror may have 2 MiB, and there is more: config/mirror_size_mib says how many'
done
equal 'ran' 1 "$(runs)"
equal 'half written' '' "$(half_written)"
equal 'kept' "$before" "$(kept)"

say 'a pull request neither'
git -C "$O" update-ref refs/pull/7/head HEAD
git -C "$O" reset -q --hard HEAD~1
printf '{"action":"opened","number":7,"pull_request":{"number":7,"head":{"ref":"x","sha":"%s"},"base":{"ref":"main"}},"repository":{"full_name":"o/r"}}' \
    "$(git -C "$O" rev-parse refs/pull/7/head)" >"$M/events/pull_request"
file_has "$M/events/pull_request" 'a mirror may have 2 MiB'
equal 'half written' '' "$(half_written)"

say 'with more room it is fetched'
echo 10 >"$M/config/mirror_size_mib"
git -C "$O" reset -q --hard refs/pull/7/head
push
equal 'ran' 2 "$(runs)"
ended "$(readlink "$M/runs/latest")"
[ "$(kept)" -gt 3000 ] || fail "only $(kept) KiB are kept"

say 'one that is full says so'
echo 1 >"$M/config/mirror_size_mib"
push
file_has "$M/events/push" 'a mirror may have 1 MiB, and there is more'
