# Whatever people do to runs, in whatever order, and whatever befalls the daemon meanwhile: in the end each run, job and step has an
# end, the tree is whole, and nothing is left. RUNFS_STATES=SECONDS for a long one, RUNFS_STATES_SEED for what one has found.
# limit: 900
. "$(dirname "$0")/lib.sh"
if is_root; then # a small disk of its own, that may be full at times
    mkdir -p "$STATE"
    mount -t tmpfs -o size=200m,mode=700 runfs-test "$STATE" && at_end+=('unmount "$M"' 'umount -l "$STATE"')
fi
rf_mount
need_sandbox
echo host >"$M/config/labels/here"
echo "worker:$RUNFS worker --machine host --state $T/far" >"$M/config/labels/far"
echo 4 >"$M/config/slots"
echo on >"$M/config/snapshots"
echo "$T/api.sock" >"$M/config/listen"
seed=${RUNFS_STATES_SEED:-$RANDOM}
say "seed $seed"
"$PYTHON" "$here/tests/states.py" "$RUNFS" "$STATE" "$M" "$seed" "${RUNFS_STATES:-4}" >"$T/out" 2>&1 || fail "seed $seed: $(cat "$T/out")"
cat "$T/out"

say 'and the next run works'
workflow "$T/next.yml" 'echo next'
n=$(rf_drop "$T/next.yml")
file_is "$M/runs/$n/conclusion" success
pid=$(daemon_pid)
rf_umount
rf_wait 10 gone "$pid"
left() { pgrep -f "$T/" | grep -vx $$; }
nothing_left() { ! left; }
rf_wait 10 nothing_left
equal 'mounts' '' "$(awk -v d="$T/" 'index($2, d) == 1 && $2 != d "state" { print $2 }' /proc/self/mounts)"
