# Everything works for an ordinary user too.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip 'needs root to become an ordinary user'
command -v setpriv >/dev/null || skip 'setpriv is not installed'
chmod 755 "$T"
mkdir -m 777 "$T/u"
as() { (cd "$T/u" && HOME=$T/u TMPDIR=$T/u setpriv --reuid=65533 --regid=65533 --clear-groups "$@"); }
as test -x "$RUNFS" || skip 'the build directory cannot be reached by an ordinary user'
workflow "$T/u/w.yml" 'id -u; echo "$HOME"; touch /home/runner/x && echo wrote; ls /root 2>/dev/null | head -1'
chmod 644 "$T/u/w.yml"
out=$(as "$RUNFS" run --state "$T/u/state" "$T/u/w.yml") || fail "$out"
contains 'ran' "$out" 'wrote'
contains 'home' "$out" '/home/runner'
as "$RUNFS" doctor || true
