# An ordinary user makes an image, as root does, and jobs run in virtual machines of it: with network, limits, snapshots and rollback.
# Their qemu has no capability, so it could not change the filter of its network either.
if [ -z "${RF_PRIVATE-}" ] && [ "$(id -u)" = 0 ]; then # what it mounts over /etc/passwd and devices is for it alone
    exec env RF_PRIVATE=1 unshare --mount --propagation private bash "$0"
fi
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need_root # to become somebody else
need newuidmap
need fusermount3
need_fuse
# The user has a name, which fusermount3 asks for, and /dev/fuse and /dev/net/tun are theirs, as on a desktop.
{ cat /etc/passwd; echo "tester:x:31337:31337::$T/user/home:/bin/sh"; } >"$T/passwd"
chmod 644 "$T/passwd"
mknod -m 666 "$T/fuse" c 10 229 && mknod -m 666 "$T/tun" c 10 200 || skip 'no device can be made here'
mount --bind "$T/passwd" /etc/passwd
mount --bind "$T/fuse" /dev/fuse
[ ! -e /dev/net/tun ] || mount --bind "$T/tun" /dev/net/tun
echo tester:300000:65536 >"$T/subids" # as adduser would give them
chmod 644 "$T/subids"
for f in /etc/subuid /etc/subgid; do [ -e "$f" ] && mount --bind "$T/subids" "$f" || skip "there is no $f"; done
vm_tiny_image
as_user runfs doctor >"$T/doctor" || :
grep -q '^ok *qemu' "$T/doctor" || skip "$(grep qemu "$T/doctor")"
M=$T/user/mnt STATE=$T/user/home/state
chmod 755 "$T"/vm-deb
chmod 644 "$T"/vm-deb/* "$T/vm-root.tar"
as_user runfs image build own --state "$STATE" --from "$T/vm-root.tar" --kernel "$(echo "$T"/vm-deb/*.deb)" 2>"$T/err" || fail "$(cat "$T/err")"
contains 'whose its files are' "$(debugfs -R 'stat /usr/bin/bash' "$STATE/images/own/rootfs.ext4" 2>/dev/null)" 'User:     0   Group:     0'
as_user runfs mount --state "$STATE" "$M" || fail "runfs mount ended with $?"
mounts+=("$M")
as_user sh -c "echo 'qemu:own memory=256M pids=50' >'$M/config/labels/vm'"

printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: "uname -r; echo K=v >>$GITHUB_ENV"}, {run: "echo $K; exit 4"}]}}\n' >"$T/user/w.yml"
as_user sh -c "cp '$T/user/w.yml' '$M/workflows/'; cat '$M/runs/latest/wait'" >"$T/out"
file_is "$T/out" failure
as_user sh -c "cat '$M'/runs/latest/jobs/a/steps/*/stdout" >"$T/out"
file_has "$T/out" cloud-amd64
equal 'from step to step' v "$(tail -n 1 "$T/out")"

V=$M/vms/mine
as_user sh -c "echo vm >'$V.label'; mkdir '$V'; echo 'echo one >/kept' >'$V/exec'; mkdir '$V/snapshots/clean'; echo 'echo two >/kept' >'$V/exec'
    echo 'rollback clean' >'$V/ctl'; echo 'cat /kept' >'$V/exec'; cat '$V/last/stdout' '$V/limits'" >"$T/out"
equal 'after a rollback' one "$(head -n 1 "$T/out")"
file_has "$T/out" 'pids 50: a control group in the machine'

# qemu is that user and has no right more
tether=$(vm_tethers)
qemu=$(pgrep -P "$tether")
equal 'whose it is' 31337 "$(awk '/^Uid:/ {print $2}' "/proc/$qemu/status")"
for set in Inh Prm Eff Bnd Amb; do equal "Cap$set" 0000000000000000 "$(awk "/^Cap$set:/ {print \$2}" "/proc/$qemu/status")"; done
equal 'no way to some' 1 "$(awk '/^NoNewPrivs:/ {print $2}' "/proc/$qemu/status")"
for who in user net; do
    [ "$(readlink "/proc/$qemu/ns/$who")" != "$(readlink /proc/self/ns/$who)" ] || fail "its $who is the host's"
done
if grep -q 'network nat' "$T/out"; then
    nft=$(command -v nft)
    beside() { as_user nsenter -t "$qemu" -U -n --preserve-credentials "$@"; } # as root of its user namespace
    contains 'the filter' "$(beside "$nft" list ruleset)" 169.254.0.0
    refused beside setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$nft" flush ruleset # with what qemu has
    contains 'it still stands' "$(beside "$nft" list ruleset)" 169.254.0.0
    beside "$nft" flush ruleset
    lacks 'that was why' "$(beside "$nft" list ruleset)" 169.254.0.0
fi
as_user rmdir "$V"

# the next daemon has what was booted, too
I=$M/vms/images/own/templates
is_kept() { as_user grep -q ', kept since ' "$I"; }
rf_wait 60 is_kept
as_user runfs umount "$M"
as_user runfs mount --state "$STATE" "$M" || fail "runfs mount ended with $?"
contains 'what is kept' "$(as_user cat "$I")" ', not loaded'
as_user sh -c "echo vm >'$V.label'; mkdir '$V'"
contains 'what it is of' "$(as_user cat "$I")" ', loaded in '
as_user rmdir "$V"
none_left() { [ -z "$(vm_tethers)" ]; }
rf_wait 10 none_left
as_user runfs umount "$M"
