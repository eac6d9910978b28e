# A label that nobody mapped fails with the cure; mapping it works at once; settings are checked.
. "$(dirname "$0")/lib.sh"
rf_mount
printf 'on: push\njobs:\n  a:\n    runs-on: my-box\n    steps:\n      - run: echo here\n' >"$T/l.yml"
n=$(rf_drop "$T/l.yml")
equal 'unmapped' failure "$(cat "$M/runs/$n/conclusion")"
contains 'the cure' "$(cat "$M/runs/$n/log")" 'echo sandbox > config/labels/my-box'
echo host >"$M/config/labels/my-box"
n=$(rf_drop "$T/l.yml")
equal 'mapped' success "$(cat "$M/runs/$n/conclusion")"
equal 'backend' host "$(cat "$M/runs/$n/jobs/a/backend")"
refused sh -c "echo spaceship > '$M/config/labels/my-box'"
contains 'why' "$(cat "$M/errors/config-labels-my-box")" 'sandbox, bubblewrap, qemu, firecracker, fcctl, ssh, worker, slurm or host'
equal 'unchanged' host "$(cat "$M/config/labels/my-box")"
rm "$M/config/labels/my-box"
refused test -e "$M/config/labels/my-box"
refused sh -c "echo 0 > '$M/config/slots'"
echo 5 >"$M/config/slots"
equal slots 5 "$(cat "$M/config/slots")"
contains 'takes effect' "$(cat "$M/status")" 'slots: 5'
rm "$M/config/slots"
[ "$(cat "$M/config/slots")" -ge 2 ]
for key in webhook/secret fcctl/url fcctl/token; do # which have no default
    echo http://a-long-enough-value >"$M/config/$key"
    [ -e "$M/config/$key" ] || fail "$key is not there"
    rm "$M/config/$key"
    refused test -e "$M/config/$key"
done
refused sh -c "echo x > '$M/vars/1bad'"
refused sh -c "echo x > '$M/secrets/GITHUB_X'"
refused sh -c "echo x > '$M/config/nonsense'"
echo blue >"$M/vars/COLOUR"
workflow "$T/v.yml" 'echo ${{ vars.COLOUR }}'
rf_drop "$T/v.yml" >/dev/null
contains 'vars' "$(cat "$M/runs/latest/log")" blue
rf_umount
rf_mount
equal 'settings are kept' blue "$(cat "$M/vars/COLOUR")"
# README lists each setting, and what stands there at first
for key in "$M"/config/* "$M"/config/github/*; do
    key=${key#"$M/config/"}
    [ -d "$M/config/$key" ] || grep -q "^  $key " "$M/README" || fail "README says nothing of config/$key"
done
grep -q '^  hold_minutes .*(60)$' "$M/README" || fail 'README does not say what hold_minutes is at first'
