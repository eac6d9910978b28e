# runfs itself on the kernel of Debian 12, in a virtual machine: there overlays are mounted by a string of options, file systems in
# memory have no user attributes, Landlock knows no sockets yet, and control groups are of version 2.
# limit: 600
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need_root
need qemu-system-x86_64
need insmod
vm_kernel
root=$T/vm-root
mkdir -p "$root/usr/bin" "$root/inside"
dpkg-deb --fsys-tarfile "$T"/vm-deb/*.deb | tar -x -C "$T" --wildcards '*/fuse.ko'
find "$T/lib" -name fuse.ko -exec cp {} "$root/inside/" \;
cp "$RUNFS" "$BUILD/runfs-agent" "$root/usr/bin/"

# a root on a real file system, as hosts have one; an overlay, as virtual machines of runfs have one, cannot be mounted with other ids
cat >"$root/inside/enter" <<'END'
set -e
PATH=/usr/bin
insmod /inside/fuse.ko
mkdir -p /disk
mount /dev/vdb /disk
mkdir -p /disk/root
for d in bin lib lib64 etc inside usr; do cp -a "/$d" /disk/root/; done
cd /disk/root
mkdir -p dev proc sys run tmp var/tmp root old
exec unshare -m bash -c '
set -e
mount --make-rprivate /
mount --bind /disk/root /disk/root
cd /disk/root
for m in dev proc sys; do mount --rbind "/$m" "$m"; done
pivot_root . old
umount -l /old
exec bash /inside/session'
END
cat >"$root/inside/session" <<'END'
export PATH=/usr/bin HOME=/root
mkdir -p /m
echo '+memory +pids +cpu' >/sys/fs/cgroup/cgroup.subtree_control
alone() { # SCOPE COMMAND...: in a group with nothing else in it, as systemd-run makes one
    mkdir "/sys/fs/cgroup/$1"
    bash -c 'echo $$ >"/sys/fs/cgroup/$1/cgroup.procs"; shift; exec "$@"' sh "$@"
}
alone first.scope runfs doctor | grep -E '(sandbox|memory|pids|cpu|disk) '
alone second.scope runfs mount /m --state /state
echo 'sandbox network=none' >/m/config/labels/box
echo on >/m/config/snapshots

cat >/kept.yml <<'Y'
on: push
jobs:
  a:
    runs-on: box
    steps:
      - run: mkdir -p d/e; echo one >d/e/f
      - run: mv d moved; echo two >>moved/e/f
      - run: cat moved/e/f; exit 3
Y
cp /kept.yml /m/workflows/
cat /m/runs/1/wait >/dev/null
echo "job $(cat /m/runs/1/jobs/a/conclusion) $(cat /m/runs/1/exit_code)"
cat /m/runs/1/jobs/a/steps/03-*/stdout
sed 's/; exit 3/; echo mended/' /kept.yml >/m/workflows/.new && mv /m/workflows/.new /m/workflows/kept.yml
cat /m/runs/2/wait >/dev/null
echo "again $(cat /m/runs/2/jobs/a/conclusion)"

mkdir /m/vms/mine
do_there() { echo "$1" >/m/vms/mine/exec; cat /m/vms/mine/last/stdout; }
do_there 'echo before >kept; mkdir -p deep/er'
mkdir /m/vms/mine/snapshots/good
do_there 'rm -r deep; echo after >kept; cat kept'
echo 'rollback good' >/m/vms/mine/ctl
do_there 'cat kept; ls'
rmdir /m/vms/mine

end_of() { # LABEL SCRIPT
    echo "$1" >/m/config/labels/small
    printf 'on: push\njobs: {a: {runs-on: small, steps: [{run: "%s"}]}}\n' "$2" >/small.yml
    cp /small.yml /m/workflows/
    cat /m/runs/latest/wait >/dev/null
    grep '##\[error\]The' /m/runs/latest/log
}
end_of 'sandbox network=none memory=32M' 'head -c 200M /dev/zero | tail -c 150M >/dev/null; sleep 20'
end_of 'sandbox network=none pids=30' 'for i in $(seq 60); do sleep 20 & done; wait'
echo 'sandbox network=none memory=64M cpu=1' >/m/config/labels/box
echo box >/m/vms/limited.label
mkdir /m/vms/limited
grep -E '^(memory|cpu)' /m/vms/limited/limits
rmdir /m/vms/limited
runfs umount /m
echo ended
END
vm_image deb true chmod cp find grep head insmod mount mv pivot_root rm rmdir sed seq tail tr umount unshare
rf_mount
echo 'qemu:deb memory=1G cpu=1 network=none' >"$M/config/labels/vm"
echo vm >"$M/vms/inside.label"
mkdir "$M/vms/inside"
echo 'bash /inside/enter 2>&1' >"$M/vms/inside/exec"
out=$(cat "$M/vms/inside/last/stdout")
rmdir "$M/vms/inside"
contains 'the kernel' "$out" 'ok   sandbox'
contains 'groups' "$out" 'ok   memory       control group, version 2'
contains 'disks' "$out" 'no   disk         not in force: needs Linux 6.6'
equal 'what it did there' 'job failure 3
one
two
again success
after
before
deep
kept
##[error]The step ran out of memory (limit 32M).
##[error]The step started too many processes (limit 30).
memory 64M: control group, version 2
cpu 1: control group, version 2
ended' "$(sed '/^ok \|^no /d' <<<"$out")"
