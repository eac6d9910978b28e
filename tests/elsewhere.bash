# Machines that are not of this host's kernel, for scenarios and benches: an image of a few programs for virtual machines, and
# hosts with an sshd each. Sourced after scenarios/lib.sh.
# shellcheck shell=bash disable=SC2154,SC2034

# The package of the kernel of virtual machines: $T/vm-deb/*.deb, fetched once for all that run together. It is the one of Debian without
# the modules that no machine here loads, and not compressed: to unpack that for each image would take seconds. As it came it is
# $KERNEL_PACKAGE.
vm_kernel() {
    local kept=${TESTS_SHARED:-$T}/kernel
    mkdir -p "$T/vm-deb" "$kept"
    (
        flock 9
        [ -e "$kept/small" ] || vm_kernel_fetch "$kept"
    ) 9>"$kept/lock" >/dev/null 2>&1 || skip 'apt cannot fetch the kernel linux-image-cloud-amd64 here'
    KERNEL_PACKAGE=$(echo "$kept"/*.deb)
    ln -sf "$kept"/small/*.deb "$T/vm-deb/"
}
vm_kernel_fetch() ( # DIR; its status is all that is looked at
    cd "$1" &&
        apt-get -q download "$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2; exit}')" &&
        mkdir -p tree && dpkg-deb -e ./*.deb tree/DEBIAN &&
        dpkg-deb --fsys-tarfile ./*.deb |
        tar -C tree -x --wildcards './boot/vmlinuz-*' '*/virtio*.ko' '*failover.ko' '*/overlay.ko' '*/fuse.ko' &&
        mkdir small.new &&
        dpkg-deb --root-owner-group -Znone -b tree small.new &&
        rm -r tree && mv small.new small
)
# [SHAPE]: image `tiny`, of the programs that scenarios use most. It and what it is of, $T/vm-root.tar, are made once for all that run
# together, and so is what machines of the shape that most of them want begin as copies of, and of SHAPE.
vm_tiny_image() {
    local kept=${TESTS_SHARED:-$T}/tiny
    need_root
    need qemu-system-x86_64
    vm_kernel
    mkdir -p "$kept"
    exec 9>"$kept/lock"
    flock 9
    if [ ! -e "$kept/state/images/tiny" ]; then
        vm_root chmod env find head hostname kill mount nsenter prlimit rm seq sha256sum sort timeout touch tr true umount unshare wc
        mv "$T/vm-root.tar" "$kept/"
        vm_build tiny "$kept/vm-root.tar" "$kept/state"
    fi
    if [ -n "${TESTS_SHARED-}" ]; then vm_template "$kept/state" "${1:-$VM_SHAPE}"; fi
    mkdir -p "$STATE"
    cp -al "$kept/state/images" "$STATE/" # nobody writes to what is in there
    exec 9>&-
    cp "$kept/vm-root.tar" "$T/"
}
VM_SHAPE='memory=256M cpu=1'
VM_SMALL_SHAPE='memory=128M cpu=1 disk=32M network=none'
vm_template() { # STATE SHAPE: at the first call
    [ ! -e "$1/shape ${2}" ] || return 0
    printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: echo ran}]}}\n' >"$T/template.yml"
    "$RUNFS" run "$T/template.yml" --label "vm=qemu:tiny $2" --state "$1" >"$T/template.log" 2>&1 9>&-
    touch "$1/shape ${2}"
}
# NAME [PROGRAM...]: builds an image that has these programs of this host, the usual few, and what stands in $T/vm-root already;
# python3 comes with its library
vm_image() {
    local name=$1
    shift
    need_root
    need qemu-system-x86_64
    vm_kernel
    vm_root "$@"
    vm_build "$name" "$T/vm-root.tar" "$STATE"
}
vm_build() { "$RUNFS" image build "$1" --from "$2" --kernel "$(echo "$T"/vm-deb/*.deb)" --state "$3" 2>/dev/null; } # NAME TARBALL STATE
vm_root() { # [PROGRAM...]: $T/vm-root.tar
    local root=$T/vm-root d p loader=/lib64/ld-linux-x86-64.so.2
    mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/etc" "$root/var/tmp" "$root/opt/hostedtoolcache"
    for d in bin lib lib64; do ln -s "usr/$d" "$root/$d"; done
    for p in bash cat ls mkdir sleep sync uname tar "$@"; do [ "$p" = python3 ] || cp -L "$(type -P "$p")" "$root/usr/bin/"; done
    ln -s bash "$root/usr/bin/sh"
    if [[ " $* " == *" python3 "* ]]; then # Debian's own, and its library
        cp -L "$PYTHON" "$root/usr/bin/python3"
        d=$("$PYTHON" -c 'import os; print(os.path.dirname(os.__file__))')
        mkdir -p "$root$d"
        tar -C "$d" --exclude=test --exclude=idlelib --exclude=lib2to3 --exclude=tkinter -c . | tar -C "$root$d" -x
    fi
    # what ldd says, without the programs that it starts for each; scripts have none
    find "$root/usr" -type f '(' -path '*/bin/*' -o -name '*.so' ')' | while read -r p; do
        LD_TRACE_LOADED_OBJECTS=1 "$loader" "$p" 2>/dev/null || :
    done | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r lib; do
        [ -e "$root${lib%/*}" ] || mkdir -p "$root${lib%/*}"
        echo "$lib"
    done >"$T/vm-libraries"
    xargs -a "$T/vm-libraries" cp -L --parents -t "$root"
    tar -C "$root" -cf "$T/vm-root.tar" .
    rm -rf "$root"
}

# Before rf_mount: a qemu begins only once $T/bin/hold is gone.
vm_hold() {
    mkdir "$T/bin"
    cat >"$T/bin/qemu-system-x86_64" <<X
#!/bin/bash
while [ -e "$T/bin/hold" ]; do sleep 0.1; done
exec $(type -P qemu-system-x86_64) "\$@"
X
    chmod 755 "$T/bin/qemu-system-x86_64"
    chmod 711 "$T" # it is another user who executes that
    export PATH=$T/bin:$PATH
}

# The processes that keep virtual machines, each the parent of its qemu; with `ahead`, of those that were started ahead and wait
vm_tethers() {
    local pid
    for pid in $(pgrep -f "tether.*$STATE/machines/"); do
        case $(readlink "/proc/$pid/cwd") in
        "$STATE"/machines/a*) [ -z "${1-}" ] || echo "$pid" ;;
        "$STATE"/machines/*) [ -n "${1-}" ] || echo "$pid" ;;
        esac
    done
}

# NAME ADDRESS PORT [COMMAND...]: starts an sshd with a home of its own, $T/NAME/home, by COMMAND (nsenter ...). Who is let in stands
# in $T/authorized_keys, programs of its own in $T/NAME/bin, its shell in $T/NAME/shell (sh), and what its configuration says before
# all this in $T/NAME/first. It shows keys of two kinds, and its shell says something before each command, as real ones do.
ssh_serve() {
    local dir=$T/$1 address=$2 port=$3 sshd
    shift 3
    sshd=$(command -v sshd) # it wants to be started by its whole name
    mkdir -p "$dir/home"
    [ -e "$dir/hostkey" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/hostkey"
    [ -e "$dir/hostkey-ecdsa" ] || ssh-keygen -q -t ecdsa -N '' -f "$dir/hostkey-ecdsa"
    [ -e "$dir/first" ] || : >"$dir/first"
    [ -e "$dir/shell" ] || echo sh >"$dir/shell"
    cat "$dir/first" - >"$dir/config" <<END
ListenAddress $address:$port
HostKey $dir/hostkey-ecdsa
HostKey $dir/hostkey
AuthorizedKeysFile $T/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv SHLVL=5
ForceCommand echo welcome; PATH=$dir/bin:\$PATH; cd $dir/home && exec $(cat "$dir/shell") -c "\$SSH_ORIGINAL_COMMAND"
END
    if is_root; then mkdir -p /run/sshd; fi # it wants that too, empty
    rm -f "$dir/log"                        # of one that served by this name before: it says that it listens
    "$@" "$sshd" -D -e -f "$dir/config" 2>"$dir/log" &
    children+=("$!")
    rf_wait 20 grep -q 'Server listening' "$dir/log"
}
ssh_print() { ssh-keygen -lf "$T/$1/hostkey.pub" | cut -d ' ' -f 2; } # NAME: the fingerprint of its key
ssh_port() { "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# NAME ADDRESS PORT: makes it known to the mounted runner, and lets that in
ssh_add() {
    exits 0 "$RUNFS" host add "$1" "$(id -un)@$2:$3" --accept "$(ssh_print "$1")" "$M"
    grep '^ssh-ed25519' "$T/out" >>"$T/authorized_keys" || :
}
# HOST: runs a job on it; its log
ssh_job() {
    echo "ssh:$1" >"$M/config/labels/$1"
    # shellcheck disable=SC2016
    printf 'on: push\njobs: {a: {runs-on: %s, steps: [{run: "v=it; echo $v went"}]}}\n' "$1" >"$T/$1.yml"
    cat "$M/runs/$(rf_drop "$T/$1.yml")/log"
}

own_network() { [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$1/ns/net")" ]; } # PID: whether it has one already
# NAME NUMBER (1 to 3): a network of its own behind a link of this host's; sets NAME_net, a process in it, and NAME_at, its address
other_network() {
    local link=rf$$n$2 net=10.$((200 + $$ % 50)).$(($$ / 50 % 80 * 3 + $2)) pid
    need_root
    need ip
    need nsenter
    unshare -n sleep infinity &
    pid=$!
    children+=("$pid")
    declare -g "${1}_net=$pid" "${1}_at=$net.2"
    rf_wait 10 own_network "$pid"
    ip link add "$link" type veth peer name eth0 netns "$pid" 2>"$T/why" || skip "no veth here: $(cat "$T/why")"
    ip addr add "$net.1/24" dev "$link"
    ip link set "$link" up
    nsenter -t "$pid" -n ip addr add "$net.2/24" dev eth0
    nsenter -t "$pid" -n ip link set eth0 up
}

# NODE...: a Slurm cluster of these nodes, all on this machine, in $T/slurm: its own munged, controller and slurmd each; clients find it
# by SLURM_CONF. The first node that can take a job gets it. SLURM_MORE: more lines for its configuration; SLURM_TASKS=cgroup: limits
# are kept to, where slurm_has_cgroups, and then the names of nodes have to be of this scenario only; SLURM_AT: the address of the
# controller; NAME_slurmd: the slurmd of a node; which is in a network of its own after `other_network NAME NUMBER`
slurm_start() {
    local dir=$T/slurm node port at weight=0
    need_root
    for node in munged slurmctld slurmd srun squeue scancel scontrol; do need $node; done
    mkdir -m 755 "$dir" "$dir/state"
    (umask 077 && head -c 64 /dev/urandom >"$dir/key")
    munged --foreground --force --key-file="$dir/key" --socket="$dir/munge" --pid-file="$dir/munge.pid" --seed-file="$dir/seed" \
        --log-file="$dir/munge.log" --num-threads=2 2>"$dir/munge.err" &
    children+=("$!")
    {
        cat <<END
ClusterName=tests
SlurmctldHost=$(hostname -s)(${SLURM_AT-127.0.0.1})
SlurmctldPort=$(ssh_port)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
SlurmctldPidFile=$dir/ctld.pid
SlurmdPidFile=$dir/%n.pid
SlurmctldLogFile=$dir/ctld.log
SlurmdLogFile=$dir/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/${SLURM_TASKS-none}
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=64
ReturnToService=2
SlurmdTimeout=10
KillWait=10
WaitTime=5
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
${SLURM_MORE-}
END
        for node; do
            port=$(ssh_port)
            at=${node}_at
            echo "NodeName=$node NodeHostname=$(hostname -s) NodeAddr=${!at-127.0.0.1} Port=$port CPUs=1 RealMemory=200 Weight=$((++weight))"
        done
        echo "PartitionName=all Nodes=$(IFS=,; echo "$*") Default=YES MaxTime=INFINITE State=UP"
    } >"$dir/slurm.conf"
    printf 'CgroupPlugin=autodetect\nIgnoreSystemd=yes\nConstrainRAMSpace=yes\nConstrainSwapSpace=yes\n' >"$dir/cgroup.conf"
    export SLURM_CONF=$dir/slurm.conf
    rf_wait 20 test -S "$dir/munge"
    slurmctld -D 2>"$dir/ctld.err" &
    children+=("$!")
    slurm_daemons+=("$!")
    slurm_nodes=("$@")
    for node; do slurm_node "$node"; done
    for node; do rf_wait 40 slurm_node_is "$node" idle; done
}
slurm_daemons=() slurm_nodes=()
slurm_node() { # NAME: its slurmd
    local net=${1}_net within=()
    [ -z "${!net-}" ] || within=(nsenter -t "${!net}" -n)
    mkdir -p "$T/slurm/spool-$1"
    "${within[@]}" slurmd -D -N "$1" 2>"$T/slurm/$1.err" &
    children+=("$!")
    slurm_daemons+=("$!")
    declare -g "${1}_slurmd=$!"
}
slurm_node_is() { [ "$(sinfo -h -n "$1" -o %T)" = "$2" ]; } # NAME STATE
slurm_steps() { # the processes that Slurm's jobs of this cluster have
    local f
    for f in /proc/[0-9]*/comm; do
        ! grep -qsx slurmstepd "$f" || ! grep -qsF "$T/slurm" "${f%comm}environ" || basename "${f%/comm}"
    done
}
slurm_kill_steps() {
    local pid
    for pid in $(slurm_steps); do kill -KILL "$pid" 2>/dev/null || :; done
}
slurm_stop() { # at once: asked to, a slurmd waits for jobs, and those for the controller
    local pid
    for pid in "${slurm_daemons[@]}"; do kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || :; done
    slurm_kill_steps
    for pid in "${slurm_nodes[@]}"; do # and what Slurm leaves, which it would use again
        find /sys/fs/cgroup/*/"slurm_$pid" "/sys/fs/cgroup/system.slice/${pid}_slurmstepd.scope" -depth -type d -exec rmdir {} + 2>/dev/null || :
    done
}
slurm_has_cgroups() { [ -w /sys/fs/cgroup/memory ] || [ -w /sys/fs/cgroup/cgroup.subtree_control ]; }
