# Find what a job that runs at the same time has in its files, memory and environment.
what=victim-$((6 * 7))
for i in $(seq 5); do
    grep -rqs "$what-toke[n]" /home /tmp /var/tmp /dev/shm /run /opt/hostedtoolcache /mnt && reached files
    cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | grep -qa "$what-toke[n]" && reached processes
    read -rt 0.1 <> <(:)
done
[ -z "$(ipcs -m 2>/dev/null | grep 0x)" ] || reached "shared memory"
true
