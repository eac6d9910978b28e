# The daemon ends when it is unmounted, also when a program in a mount namespace of its own still has a copy of the mount.
. "$(dirname "$0")/lib.sh"
need_root
rf_mount
mkfifo "$T/held"
unshare -m --propagation private sh -c 'echo ready; read -r _ <"$0"' "$T/held" >"$T/ready" &
children+=($!)
rf_wait 10 grep -q ready "$T/ready"
pid=$(daemon_pid)
rf_umount
rf_wait 5 gone "$pid"
