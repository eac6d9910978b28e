# runfs doctor says of each part whether it works, names the backend that jobs run in, and exits accordingly.
. "$(dirname "$0")/lib.sh"
code=0
"$RUNFS" doctor >"$T/doctor" || code=$?
for part in mount state bash git node skopeo sandbox bubblewrap host services memory pids cpu disk nat sockets; do
    grep -qE "^(ok|no) +$part " "$T/doctor" || fail "nothing on $part: $(cat "$T/doctor")"
done
backend=$(sed -n 's/^jobs run in: //p' "$T/doctor")
grep -qE "^ok +$backend " "$T/doctor" || fail "jobs run in '$backend'"
# where no network can be made sandboxes work, and services do not
as_user unshare --map-current-user --keep-caps sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec runfs doctor' >"$T/out" || :
grep -qE "^ok +sandbox " "$T/out" || fail "$(cat "$T/out")"
grep -qE "^no +services +cannot make a network for the job" "$T/out" || fail "$(cat "$T/out")"
workflow "$T/w.yml" 'echo'
"$RUNFS" run --state "$STATE" --json "$T/w.yml" >"$T/out"
# what it tries, it tries in TMPDIR
TMPDIR=$T/nowhere exits 1 "$RUNFS" doctor
grep -qE "^no +machines +.*$T/nowhere" "$T/out" || fail "$(cat "$T/out")"
# where runs would be kept
: >"$T/file"
XDG_STATE_HOME=$T/file exits 1 "$RUNFS" doctor
grep -qE "^no +state +$T/file/runfs: .*Not a directory.*--state" "$T/out" || fail "$(cat "$T/out")"
# as root everything is there, but a user who may not open /dev/fuse is told so, and what to do
if is_root && [ "$(stat -c %a /dev/fuse)" = 600 ]; then
    exits 1 as_user runfs doctor
    grep -qE '^no +mount .*/dev/fuse' "$T/out" || fail "$(cat "$T/out")"
    exits 1 as_user runfs mount "$T/user/mnt"
    contains 'mount says so too' "$(cat "$T/err")" /dev/fuse
elif is_root; then
    as_user runfs doctor >/dev/null || :
fi
