# Open the host's memory, disks and other devices, or make nodes for them.
# vm: late
# own: its own devices
for d in mem kmem port kmsg sda vda nvme0n1 loop0 loop-control fuse kvm net/tun vhost-vsock vsock uinput snapshot \
    mapper/control cuse vfio/vfio; do
    { : <"/dev/$d"; } 2>/dev/null && reached "/dev/$d"
done
n=0
for spec in 'b 8 0' 'b 254 0' 'c 1 1' 'c 10 229'; do
    for dir in /tmp /dev /dev/shm /dev/pts . /; do
        n=$((n + 1))
        mknod "$dir/node$n" $spec 2>/dev/null || continue
        { : <"$dir/node$n"; } 2>/dev/null && reached "$spec in $dir"
    done
done
true
