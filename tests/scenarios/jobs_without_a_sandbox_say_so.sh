# Where neither sandboxes nor bubblewrap work, jobs run on the host, and say so first; a label that wants more than a host can
# give fails its job. Here a user namespace in which nobody may make another is such a place.
. "$(dirname "$0")/lib.sh"
workflow "$T/w.yml" 'echo ran'
as_user true
is_root && cp "$T/w.yml" "$T/user/home/"
confined() { # COMMAND...
    as_user unshare -U --keep-caps --map-current-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' - "$@"
}
confined true 2>"$T/err" || skip "no user namespace: $(cat "$T/err")"
file=$T/w.yml runfs=$RUNFS
if is_root; then file=w.yml runfs=runfs; fi
for label in sandbox bubblewrap 'sandbox network=none'; do
    got=0
    confined "$runfs" run --label "*=$label" "$file" >"$T/log" 2>&1 || got=$?
    case $label in
    sandbox)
        equal "$label: $(cat "$T/log")" 0 $got
        file_has "$T/log" '##[warning]The backend sandbox does not work here, so this machine is of backend host'
        file_has "$T/log" ran
        ;;
    *)
        equal "$label: $(cat "$T/log")" 1 $got
        file_lacks "$T/log" ran
        ;;
    esac
done
exits 1 confined "$runfs" doctor
file_has "$T/out" 'jobs run in: host'
