# Where the disk of the state is full, deleting a run makes room: what that needs is kept for it, also the next time.
. "$(dirname "$0")/lib.sh"
need_root
mkdir -p "$STATE"
mount -t tmpfs -o size=24m,mode=700 runfs-test "$STATE" || skip 'no tmpfs can be mounted here'
at_end+=(rf_umount 'umount -l "$STATE"')
rf_mount
echo host >"$M/config/labels/ubuntu-latest"
workflow "$T/long.yml" 'yes "a line of a log" | head -n 200000'
workflow "$T/next.yml" true
head -c 300000 /dev/zero | tr '\0' '#' >>"$T/next.yml"
fill() { dd if=/dev/zero of="$STATE/fill-$1" bs=4k 2>/dev/null || :; }
first=$(rf_drop "$T/long.yml")
second=$(rf_drop "$T/long.yml")

for n in "$first" "$second"; do
    fill "$n"
    refused cp "$T/next.yml" "$M/workflows/"
    contains 'the disk is full' "$(cat "$T/err")" 'No space left'
    rmdir "$M/runs/$n"
    refused test -e "$M/runs/$n"
    rf_wait 10 cp "$T/next.yml" "$M/workflows/"
    ended latest
    file_is "$M/runs/latest/conclusion" success
done
