# All of vms_by_hand.sh works for who is not root, too.
. "$(dirname "$0")/lib.sh"
need_root
command -v setpriv >/dev/null || skip 'setpriv is not installed'
need_fuse
command -v fusermount3 >/dev/null || skip 'fusermount3 is not installed'
chmod 755 "$T"
mkdir -m 777 "$T/u"
as() { (cd "$T/u" && HOME=$T/u TMPDIR=$T/u setpriv --reuid=65533 --regid=65533 --clear-groups "$@"); }
as test -x "$RUNFS" || skip 'the build directory cannot be reached by an ordinary user'
as test -r "$here/tests/scenarios/vms_by_hand.sh" || skip 'the scenarios cannot be read by an ordinary user'
status=0
as env BUILD="$BUILD" bash "$here/tests/scenarios/vms_by_hand.sh" || status=$?
exit "$status"
