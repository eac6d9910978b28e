# Every example that needs no options is dropped into the mount, where it ends and says what its last lines say; one that
# GitHub would refuse is refused at close.
. "$(dirname "$0")/lib.sh"
. "$here/tests/corpus.bash"
rf_mount
need_sandbox
for f in "$examples"/workflows/*.yml; do
    name=${f##*/}
    expected=${said[$f expect]-}
    [ -n "$expected" ] || fail "$name does not say how it ends"
    if [ "$expected" = refused ]; then
        refused cp "$f" "$M/workflows/"
        each_says "$f" lint error "$(cat "$M/errors/$name")"
        continue
    fi
    [ "$expected" != network ] && [ -z "${said[$f run]-}${said[$f repository]-}${said[$f later]-}" ] || continue
    for program in ${said[$f needs]-}; do command -v "$program" >/dev/null || continue 2; done
    n=$(rf_drop "$f")
    equal "$name" "$expected" "$(<"$M/runs/$n/conclusion")"
    log=$(corpus_output <"$M/runs/$n/log")
    each_says "$f" log log "$log"
    none_says "$f" lacks log "$log"
done
