# README.md: the session it opens with prints what it says, and the tree it shows is the one that is mounted.
. "$(dirname "$0")/lib.sh"
rf_mount
# the block that starts with the line "/": the tree
awk '/^```/ { inside = 0 } /^\/ / { inside = 1 } inside' "$here/README.md" >"$T/printed"
diff "$T/printed" "$M/README" >"$T/diff" || fail "the tree in README.md is not the mounted one:
$(head -n 10 "$T/diff")"
# the first block: commands after "$ ", what they print below them
awk '/^```/ { n++; next } n == 1' "$here/README.md" >"$T/session"
[ "$(grep -c '^\$ ' "$T/session")" -ge 5 ] || fail 'there is no session'
ln -s "$M" "$T/ci"
cd "$here"
export HOME=$T
while IFS= read -r line; do
    case $line in
    '$ runfs mount'* | '$ runfs umount'*) echo "$line" ;;
    '$ '*)
        echo "$line"
        bash -c "${line#\$ }" 2>&1 || :
        ;;
    esac
done <"$T/session" >"$T/happened"
diff "$T/session" "$T/happened" >"$T/diff" || fail "the session in README.md goes otherwise:
$(cat "$T/diff")"
timeout 30 cat "$M/runs/latest/wait" >/dev/null
# every path of the sources that it names is there
grep -oE '\b(core|fs|tests|examples|include)/[a-z_/.]*[a-z]\b' "$here/README.md" | sort -u | while read -r path; do
    [ -e "$here/$path" ] || fail "README.md names $path, which is not there"
done
