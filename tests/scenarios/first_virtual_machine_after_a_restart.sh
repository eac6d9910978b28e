# A virtual machine that was booted for others to begin as copies outlasts its daemon: the first one that the next daemon wants, or a
# `runfs run`, is a copy of that too, with a clock, a name and random numbers of its own. What a daemon was writing when it was
# killed is not taken for one.
# limit: 600
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image
rm -rf "$STATE"/images/tiny/templates # of others
rf_mount
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
V=$M/vms/mine
K=$STATE/images/tiny/templates
templates() { cat "$M/vms/images/tiny/templates"; }
says() { templates | grep -q "$1"; }
start() {
    echo vm >"$V.label"
    mkdir "$V"
}
restart() {
    rf_umount
    rf_mount
}
do_in() { # SCRIPT -> what it says
    echo "$1" >"$V/exec"
    cat "$V/last/stdout"
}

# killed while it writes
killed() {
    local pid
    pid=$(daemon_pid)
    start
    until [ -e "$K/.writing/memory" ]; do ! says 'kept since' || return 1; done
    kill -KILL "$pid"
    rf_wait 10 gone "$pid"
    umount -l "$M"
    [ -e "$K/.writing" ]
}
for i in 1 2 3; do # it may be quicker than who looks for it
    if killed; then break; fi
    [ "$i" != 3 ] || fail "it was never seen being written: $(ls -A "$K")"
    if is_mounted "$M"; then
        rmdir "$V"
        rf_umount
    fi
    rm -r "$K"
    rf_mount
done
equal 'what is left' .writing "$(ls -A "$K")"
rf_mount
[ -e "$V" ] || start # the machine that it had is begun anew
lacks 'the first' "$(templates)" loaded
rf_wait 60 says ', kept since '
equal 'whose it is' '700 root
700 root
600 root' "$(stat -c '%a %U' "$K" "$K"/* "$K"/*/memory)"
[ ! -e "$K/.writing" ] || fail 'what was left is still there'
uuid='read -r id </proc/sys/kernel/random/uuid && echo "$id"'
first=$(do_in "$uuid")
rmdir "$V"

# the next daemon
restart
says ', not loaded$' || fail "it is not there: $(templates)"
start
says ', kept since .*, loaded in ' || fail "it was not taken: $(templates)"
second=$(do_in "$uuid")
[ "$first" != "$second" ] || fail 'two machines draw the same random numbers'
equal 'its name' "$(do_in 'echo $HOSTNAME')" mine
now=$EPOCHSECONDS there=$(do_in 'echo $EPOCHSECONDS')
[ "$there" -ge "$now" ] && [ "$there" -le "$EPOCHSECONDS" ] || fail "its clock says $there, not $now"
equal 'nothing of the former' '' "$(do_in 'ls /root')"
rmdir "$V"
restart
start
[ "$(do_in "$uuid")" != "$second" ] || fail 'two machines draw the same random numbers'
rmdir "$V"
rf_umount
equal 'how many' 1 "$(ls -A "$K" | wc -l)"

# and a run without one: who takes it says so in the file
touch "$T/before"
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: uname -r}]}}\n' >"$T/w.yml"
exits 0 "$RUNFS" run "$T/w.yml" --label 'vm=qemu:tiny memory=256M cpu=1' --state "$STATE"
[ -n "$(find "$K" -name template.json -newer "$T/before")" ] || fail 'a run has booted one of its own'
"$RUNFS" image rm tiny --state "$STATE"
equal 'nothing' '' "$(ls -A "$STATE/images")"
