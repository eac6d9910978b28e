# The second choice: the same workflows in bubblewrap, isolated too.
. "$(dirname "$0")/lib.sh"
need bwrap
if is_root; then # bwrap runs as another user then, who has to be let through
    rf_mount
    file_has "$M/status" "backend bubblewrap: does not work: bwrap runs as another user, who may not pass $T: \`chmod o+x\`"
    rf_umount
    chmod 711 "$T" "$STATE"
fi
rf_mount
grep -q 'backend bubblewrap: works' "$M/status" || skip "$(grep 'backend bubblewrap' "$M/status" | cut -c1-150)"
echo bubblewrap >"$M/config/labels/ubuntu-latest"
echo canary >"$T/canary"
workflow "$T/b.yml" "[ ! -e $T/canary ]; [ ! -e $STATE ]; echo x 2>/dev/null >/usr/rf-canary || echo cannot write; touch here; pwd"
n=$(rf_drop "$T/b.yml")
file_is "$M/runs/$n/conclusion" success
file_is "$M/runs/$n/jobs/a/backend" bubblewrap
[ ! -e /usr/rf-canary ] || fail 'it wrote to the host'
