# Every script of tests/attacks tries to leave its machine, as root and as an ordinary user, and none gets anywhere.
. "$(dirname "$0")/lib.sh"
if is_root; then
    private=$(mktemp -d /var/lib/runfs-tests-XXXXXX)
    at_end+=('rm -rf "$private"')
    chmod 755 "$private"
    install -m 600 /dev/null "$private/root"
    install -m 600 -o 31337 /dev/null "$private/user"
    export PRIVATE=$private/root
fi
rf_mount
need_sandbox
if is_root; then # at the same time: each waits for what takes its time
    as_user true
    PRIVATE=$private/user "$here/tests/run-attacks" run "$T/user/bin/runfs" "$T/user/home/state" 31337 >"$T/as-user" 2>&1 &
    children+=($!)
fi
"$here/tests/run-attacks" mount "$M" "$STATE" >"$T/as-self" 2>&1 || fail "$(cat "$T/as-self")"
if is_root; then
    wait "${children[0]}" || fail "as an ordinary user:
$(cat "$T/as-user")"
    children=()
fi
# the daemon goes on working, and nothing is left of any machine
workflow "$T/after.yml" 'echo still here'
n=$(rf_drop "$T/after.yml")
equal 'a job afterwards' success "$(cat "$M/runs/$n/conclusion")"
nothing_left() { [ -z "$(find "$STATE/machines" -mindepth 1 -maxdepth 1 -not -name spare -not -name layers)" ]; }
rf_wait 20 nothing_left
no_groups() { [ -z "$(find /sys/fs/cgroup -maxdepth 6 -path '*/runfs-*' -name 'm[0-9]*' -path "*-$(daemon_pid)/*")" ]; }
rf_wait 20 no_groups
