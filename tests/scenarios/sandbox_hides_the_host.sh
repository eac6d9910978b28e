# A step sees nothing of the host's homes, of the state, of the mount, nor of other jobs, and cannot write the host.
. "$(dirname "$0")/lib.sh"
rf_mount
grep -q 'backend sandbox: works' "$M/status" || skip "$(grep 'backend sandbox' "$M/status")"
echo mine >"$T/canary"
cat >"$T/s.yml" <<Y
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          bad() { echo "REACHED: \$*"; exit 1; }
          [ ! -e $T/canary ] || bad the temporary directory of the host
          [ ! -e $STATE/runfs.db ] || bad the state
          [ ! -e $M/README ] || bad the mount
          [ -z "\$(ls -A /root 2>/dev/null)" ] || bad /root: \$(ls -A /root | head -3)
          [ "\$(ls /proc | grep -c '^[0-9]')" -lt 20 ] || bad processes of the host
          echo x > /usr/runfs-canary 2>/dev/null || true
          echo 1 > /proc/sys/kernel/panic 2>/dev/null && bad /proc/sys
          echo c > /proc/sysrq-trigger 2>/dev/null && bad sysrq
          mknod /tmp/disk b 8 0 2>/dev/null && bad mknod
          mount -t tmpfs x /mnt 2>/dev/null && bad mount
          kill -9 $(daemon_pid) 2>/dev/null && bad kill
          grep -q '^NoNewPrivs:.*1' /proc/self/status || bad no_new_privs
          [ "\$(awk '{print \$2}' /proc/self/uid_map)" != 0 ] || [ "\$(wc -l < /proc/self/uid_map)" != 1 ] || bad real root
          echo "\$HOME \$PWD"
Y
n=$(rf_drop "$T/s.yml")
equal "$(cat "$M/runs/$n/log")" success "$(cat "$M/runs/$n/conclusion")"
contains 'home' "$(cat "$M/runs/$n/log")" '/home/runner /home/runner/work/s/s'
[ ! -e /usr/runfs-canary ] || fail 'the host was written'
equal 'the daemon lives' 0 "$(kill -0 "$(daemon_pid)"; echo $?)"
workflow "$T/t.yml" 'ls -A; ls -A /tmp; touch here'
rf_drop "$T/t.yml" >/dev/null
n=$(rf_drop "$T/t.yml")
equal 'each job has a fresh workspace' '' "$(cat "$M"/runs/$n/jobs/a/steps/01-*/stdout)"
