# Every script of tests/attacks tries to leave a virtual machine, in which it is root of a kernel of its own: whatever it gets there,
# nothing of the host is read or changed, nothing of the host is contacted, and the daemon goes on.
# limit: 600
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_image attacks python3 awk chmod cp cut dd df dirname dmesg du env find gcc grep head hostname id ip ipcs kill ln mkfifo mknod mount mv nft \
    nsenter printf ps readlink rm sed seq setcap setpriv setsid sort stat tee timeout touch tr true truncate tty umount unshare wc xargs yes
rf_mount
"$here/tests/run-attacks" vm "$M" "$STATE" attacks >"$T/said" 2>&1 || fail "$(cat "$T/said")"
echo 'qemu:attacks memory=256M cpu=1' >"$M/config/labels/ubuntu-latest"
workflow "$T/after.yml" 'echo still here'
n=$(rf_drop "$T/after.yml")
file_is "$M/runs/$n/conclusion" success
none_left() { [ -z "$(vm_tethers)" ]; }
rf_wait 20 none_left
