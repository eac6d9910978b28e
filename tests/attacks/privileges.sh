# Have or gain more than a machine's root should: capabilities, set-user-id programs, file capabilities.
# own: root of its own kernel
status() { awk -v k="$1:" '$1 == k { print $2 }' /proc/self/status; }
[ "$(status NoNewPrivs)" = 1 ] || reached "no_new_privs is off"
[ "$(status Seccomp)" = 2 ] || reached "there is no filter"
for set in CapEff CapPrm CapBnd CapAmb; do
    held=0x$(status $set)
    for cap in 12 16 17 20 21 22 25 26 27 34 38 39 40; do # networks, modules, raw I/O, accounting, admin, boot, time, tty, ...
        ! (((held >> cap) & 1)) || reached "$set has $cap"
    done
done
[ "$HOST_UID" != 0 ] || ! grep -Eq ' 0 +0 ' /proc/self/uid_map || reached "the host's root is in here"
cp /bin/bash /tmp/bash && chmod 6755 /tmp/bash
cp /usr/bin/python3 /tmp/python 2>/dev/null && setcap cap_sys_admin+ep /tmp/python 2>/dev/null
/tmp/bash -pc 'unshare -m true' 2>/dev/null && reached "set-user-id"
/tmp/python -c 'import ctypes; exit(ctypes.CDLL(None).unshare(0x20000))' 2>/dev/null && reached "file capabilities"
sudo -n unshare -m true 2>/dev/null && reached sudo
true
