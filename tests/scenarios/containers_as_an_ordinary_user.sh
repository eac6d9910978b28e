# What images_of_containers.sh, jobs_in_containers.sh, docker_actions.sh and services_of_a_job.sh show holds for who is not root, too: all files of an image are theirs.
. "$(dirname "$0")/lib.sh"
need_root
command -v setpriv >/dev/null || skip 'setpriv is not installed'
need_fuse
command -v fusermount3 >/dev/null || skip 'fusermount3 is not installed'
chmod 755 "$T"
mkdir -m 777 "$T/u"
as() { (cd "$T/u" && HOME=$T/u TMPDIR=$T/u setpriv --reuid=65533 --regid=65533 --clear-groups "$@"); }
as test -x "$RUNFS" || skip 'the build directory cannot be reached by an ordinary user'
as test -r "$here/tests/scenarios/jobs_in_containers.sh" || skip 'the scenarios cannot be read by an ordinary user'
# In mounts of its own the user has a name, which fusermount3 asks for, and /dev/fuse and /dev/net/tun are theirs, as on a desktop.
{ cat /etc/passwd; echo "tester:x:65533:65533::$T/u:/bin/sh"; } >"$T/passwd"
chmod 644 "$T/passwd"
mknod -m 666 "$T/fuse" c 10 229 || skip 'no device can be made here'
mknod -m 666 "$T/tun" c 10 200
status=0
(
    export -f as
    export T BUILD here
    unshare --mount --propagation private bash -euc '
        mount --bind "$T/passwd" /etc/passwd
        mount --bind "$T/fuse" /dev/fuse
        mount --bind "$T/tun" /dev/net/tun
        as env BUILD="$BUILD" bash "$here/tests/scenarios/images_of_containers.sh"
        as env BUILD="$BUILD" bash "$here/tests/scenarios/jobs_in_containers.sh"
        as env BUILD="$BUILD" bash "$here/tests/scenarios/docker_actions.sh"
        as env BUILD="$BUILD" bash "$here/tests/scenarios/services_of_a_job.sh"
        as env BUILD="$BUILD" bash "$here/tests/scenarios/containers_of_workers.sh"'
) || status=$?
exit "$status"
