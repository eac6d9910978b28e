# Change mounts: a new one, a writable one, less of what hides.
# vm: last
# own: its own mounts
mount -t tmpfs x /mnt 2>/dev/null && reached tmpfs
mount -t proc x /mnt 2>/dev/null && reached proc
mount -t sysfs x /mnt 2>/dev/null && reached sysfs
mount --bind / /mnt 2>/dev/null && reached bind
mount -o remount,rw /sys 2>/dev/null && reached "remount /sys"
mount -o remount,bind,suid,dev / 2>/dev/null && reached "remount /"
for at in /proc/kcore /proc/keys /sys/fs/cgroup /sys /proc /dev /; do
    umount -l "$at" 2>/dev/null && reached "umount $at"
done
true
