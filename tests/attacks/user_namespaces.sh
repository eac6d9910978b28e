# Become root of a namespace of one's own, with every capability there, and mount.
# own: namespaces of its own kernel
for what in -U -Ur -Urm -Urn -Urpf -UrC -UrT -n -m -p -C -u -i; do
    unshare $what true 2>/dev/null && reached "unshare $what"
done
unshare -Urm sh -c 'mount -t tmpfs x /mnt' 2>/dev/null && reached "a mount in a namespace"
bwrap --ro-bind / / true 2>/dev/null && reached bwrap
true
