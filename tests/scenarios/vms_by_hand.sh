# A machine by hand: mkdir boots it, exec runs commands in it, its files can be looked at, snapshots bring them back,
# rmdir destroys everything. As root and as an ordinary user.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cd "$M/vms"
mkdir mine
file_is mine/status active
file_is mine/backend sandbox
file_is mine/image host
file_is mine/label ubuntu-latest
[ "$(cat mine/boot_ms | cut -d. -f1)" -lt 5000 ] || fail "it took $(cat mine/boot_ms) ms to boot"
[ "$(cat mine/memory_mib)" -gt 0 ]
file_has mine/limits pids
file_has mine/console initializing

say 'commands'
echo 'uname -a; echo oops >&2; exit 3' >mine/exec
contains 'stdout' "$(cat mine/last/stdout)" "$(uname -r)"
file_is mine/last/exit_code 3
file_is mine/last/stderr oops
file_is mine/last/command 'uname -a; echo oops >&2; exit 3'
[ "$(cat mine/last/duration_ms)" -lt 10000 ]
equal 'last' history/1 "$(readlink mine/last)"
printf 'cat <<E\nseveral\nlines\nE\n' >mine/exec
equal 'several lines' $'several\nlines' "$(cat mine/last/stdout)"
equal 'history' '1 2' "$(ls mine/history | xargs)"
equal 'sizes' "$(cat mine/last/stdout | wc -c)" "$(stat -c %s mine/last/stdout)"
seq 1000 | sed 's/.*/echo line &/' >mine/exec
equal 'many lines' 1000 "$(wc -l <mine/last/stdout)"

say 'what is refused, and why'
refused bash -c 'printf "a\0b" > mine/exec'
file_has mine/ctl 'without NULs'
refused bash -c 'head -c 2000000 /dev/zero | tr "\0" x > mine/exec'
echo >"$T/empty"
refused cp "$T/empty" mine/exec # a shell does not tell what a close says
file_has mine/ctl 'no command'
equal 'no trace of them' 3 "$(ls mine/history | wc -l)"
refused mkdir images
refused mkdir run-1-x
file_has "$M/errors/vms-run-1-x" 'those of jobs'
refused mkdir mine
refused bash -c 'echo nonsense > mine/ctl'
refused bash -c 'echo rollback none > mine/ctl'
file_has mine/ctl "no snapshot 'none'"
refused bash -c 'echo x > mine/status'
refused rmdir mine/history
refused mkdir mine/rootfs/tmp/x
refused touch mine/rootfs/tmp/x
refused rm mine/rootfs/etc/hosts

say 'snapshots'
echo 'echo one > f; mkdir d; echo in > d/g; echo t > /tmp/t' >mine/exec
mkdir mine/snapshots/clean
[ "$(cut -d. -f1 mine/snapshots/clean/cost_ms)" -lt 5000 ]
equal 'names' clean "$(ls mine/snapshots)"
refused mkdir mine/snapshots/clean
echo 'rm -r f d /tmp/t; echo two > f' >mine/exec
mkdir mine/snapshots/after
echo 'rollback clean' >mine/ctl
file_is mine/status rolled_back
echo 'cat f d/g /tmp/t' >mine/exec
equal 'after the rollback' $'one\nin\nt' "$(cat mine/last/stdout)"
file_is mine/status active
echo 'sleep 1000 >/dev/null 2>&1 & until grep -q sleep /proc/$!/comm; do :; done' >mine/exec
refused mkdir mine/snapshots/busy
file_has mine/ctl 'sleep ('
echo 'pkill sleep' >mine/exec
rmdir mine/snapshots/after
equal 'names' clean "$(ls mine/snapshots)"

say 'its files'
echo 'ln -s /etc/hostname abs; ln -s ../../../../../../../etc/hostname up; ln -s d/g rel; ln -s / root; mkfifo p; chmod 0600 f' >mine/exec
work=mine/rootfs/home/runner/work/mine/mine
file_is "$work/f" one
file_is "$work/rel" in
equal 'grep -r' "$work/d/g:in" "$(grep -r '^in$' "$work/d")"
equal 'find' 6 "$(find "$work" -maxdepth 1 -type l -o -maxdepth 1 -type f | wc -l)"
lacks 'an absolute link' "$(readlink "$work/abs")" '^/'
case $(realpath "$work/abs") in "$M"/vms/mine/rootfs/*) ;; *) fail "a link leads to $(realpath "$work/abs")" ;; esac
case $(realpath -m "$work/up") in "$M"/vms/mine/rootfs/*) ;; *) fail "a link leads to $(realpath "$work/up")" ;; esac
equal 'a link to the root' "$(ls mine/rootfs)" "$(ls "$work/root")"
refused cat "$work/p"
[ ! -e mine/rootfs/proc ] || fail '/proc of a machine is shown'
cmp mine/rootfs/usr/bin/env /usr/bin/env
cp -r "$work" "$T/copy" 2>/dev/null || :
file_is "$T/copy/d/g" in
chmod -R u+w "$T/copy"

say 'pause, resume, stop'
echo pause >mine/ctl
file_is mine/status paused
refused bash -c 'echo true > mine/exec'
file_has mine/ctl 'paused'
refused bash -c 'echo pause > mine/ctl'
echo resume >mine/ctl
file_is mine/status active
(echo 'echo begun; sleep 1000; echo never' >mine/exec; echo $? >"$T/status") 2>/dev/null &
rf_wait 10 grep -q begun mine/last/stdout
file_is mine/status executing
refused bash -c 'echo true > mine/exec'
file_has mine/ctl 'a command runs in it'
echo stop >mine/ctl
wait
file_is mine/status stopped
equal 'the end of a command that was stopped' 137 "$(cat mine/last/exit_code)"
echo 'cat f' >mine/exec
file_is mine/last/stdout one
file_is mine/status active

say 'over the end of the daemon, in order and not'
history=$(ls mine/history)
cd "$T"
rf_umount
rf_mount
cd "$M/vms"
equal 'history' "$history" "$(ls mine/history)"
echo 'cat f; echo three > f' >mine/exec
file_is mine/last/stdout one
cd "$T"
pid=$(daemon_pid)
kill -KILL "$pid"
rf_wait 10 gone "$pid"
umount -l "$M" 2>/dev/null || fusermount3 -uz "$M"
rf_mount
cd "$M/vms"
echo 'cat f' >mine/exec
file_is mine/last/stdout three
echo 'rollback clean' >mine/ctl
echo 'cat f' >mine/exec
file_is mine/last/stdout one

say 'labels and images'
echo 'sandbox memory=256M network=none' >other.label
mkdir other
file_is other/memory_mib 256
file_has other/limits 'network none'
refused bash -c 'echo nonsense > x.label'
file_is images/host/path /
rmdir other
rm other.label
rmdir mine
[ ! -e mine ]
refused ls mine
equal 'nothing left' images "$(ls)"
cd "$T"
rf_wait 10 sh -c "[ \"\$(find '$STATE/machines/layers' -mindepth 1 -maxdepth 1 | wc -l)\" = 0 ]"
equal 'outputs' 0 "$(find "$STATE/vms" -type f | wc -l)"
