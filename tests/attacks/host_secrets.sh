# Read what a stranger on the host could not: homes, passwords, keys, the daemon's state and environment.
# own: its own root, kernel and log
cut -d: -f2 /etc/shadow 2>/dev/null | grep -v '^[*!]*$' && reached "a password"
for f in "$CANARY" "$PRIVATE" "$STATE/runfs.db" "$CANARY_DIR" "/proc/$DAEMON/environ" "/proc/$DAEMON/root"; do
    [ ! -e "$f" ] || reached "$f"
done
[ -z "$(ls -A /root /srv /boot /mnt /media 2>/dev/null | grep -v ':$' | grep .)" ] || reached "homes"
find /var/log /var/mail /var/spool /var/backups -type f 2>/dev/null | grep . && reached "the system's data"
find / -xdev \( -name id_rsa -o -name id_ed25519 -o -name runfs.db \) 2>/dev/null | grep . && reached keys
[ "$(head -c 1 /proc/kcore 2>/dev/null | wc -c)" = 0 ] || reached "the kernel's memory"
dmesg >/dev/null 2>&1 && reached "the kernel's log"
true
