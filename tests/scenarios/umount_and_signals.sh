# runfs umount, SIGTERM and Ctrl-C of a foreground mount all end cleanly, with jobs running and readers blocked.
. "$(dirname "$0")/lib.sh"
need_fuse
# what lies at the mount point is hidden meanwhile, which is said
mkdir "$M"
"$RUNFS" mount --state "$STATE" "$M" 2>"$T/said"
equal 'nothing is hidden' '' "$(cat "$T/said")"
"$RUNFS" umount "$M"
echo kept >"$M/file"
"$RUNFS" mount --state "$STATE" "$M" 2>"$T/said"
contains 'files are hidden' "$(cat "$T/said")" "$M has files: they are hidden until"
refused test -e "$M/file"
"$RUNFS" umount "$M"
file_is "$M/file" kept
rm "$M/file"

workflow "$T/live.yml" 'echo begun; exec sleep 300'
workflow "$T/done.yml" 'echo whole'
ended_by() { # HOW
    pid=$(daemon_pid)
    n=$(rf_drop "$T/done.yml")
    live=$(rf_start "$T/live.yml")
    rf_wait 10 grep -q '^begun' "$M/runs/$live/log"
    cat "$M/runs/$live/wait" >"$T/waited" 2>&1 &
    children=($!)
    rf_wait 10 sh -c "readlink /proc/${children[0]}/fd/* | grep -q '/wait\$'"
    case $1 in
    umount)
        exits 1 timeout 40 "$RUNFS" umount "$M" # as umount(8) does while someone reads there
        contains 'why not' "$(cat "$T/err")" 'in use'
        kill "${children[0]}"
        wait "${children[0]}" || :
        exits 0 timeout 40 "$RUNFS" umount "$M"
        ;;
    *) kill "-$1" "$pid" ;;
    esac
    rf_wait 30 gone "$pid"
    if is_mounted "$M"; then fail "still mounted after $1"; fi
    rf_wait 5 gone "${children[0]}"
    wait "${children[0]}" || :
    children=()
    equal "scratch after $1" '' "$(find "$STATE/machines" -mindepth 1 -name upper 2>/dev/null)"
}
for how in umount TERM INT; do
    rf_mount
    ended_by $how
done
env --default-signal=INT "$RUNFS" mount -f --state "$STATE" "$M" 2>"$T/front" &
front=$!
children+=("$front")
mounts+=("$M")
rf_wait 10 is_mounted "$M"
rf_wait 10 test -e "$M/status"
equal 'the foreground process is the daemon' "$front" "$(daemon_pid)"
kill -INT "$front"
wait "$front" || fail "Ctrl-C of a foreground mount ended with $?"
children=()
if is_mounted "$M"; then fail "still mounted after Ctrl-C"; fi
rf_mount
for n in 1 3 5; do
    file_is "$M/runs/$n/conclusion" success
    file_has "$M/runs/$n/log" whole
done
for n in 2 4 6; do
    case $(cat "$M/runs/$n/conclusion") in cancelled | interrupted) ;; *) fail "run $n: $(cat "$M/runs/$n/conclusion")" ;; esac
    file_has "$M/runs/$n/log" begun
done
exits 1 "$RUNFS" umount "$T"
exits 2 "$RUNFS" umount
exits 2 "$RUNFS" mount
