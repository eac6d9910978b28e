# Where somebody wanted a virtual machine and found none that waits, because another had just taken it, there are more from then on.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
[ "$(nproc)" -ge 2 ] || skip 'with one processor there is never more than one'
vm_tiny_image
vm_hold
rf_mount
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
echo 2 >"$M/config/slots"
printf 'on: push\njobs: {a: {runs-on: vm, strategy: {matrix: {i: [1, 2]}}, steps: [{run: echo ran}]}}\n' >"$T/w.yml"
for name in first one; do echo vm >"$M/vms/$name.label"; done
ahead() { grep -q ", $1 ahead\$" "$M/vms/images/tiny/templates"; }
count() { [ "$(vm_tethers ${2-} | wc -l)" = "$1" ]; } # NUMBER [ahead]

mkdir "$M/vms/first"
rf_wait 60 ahead one
touch "$T/bin/hold"
mkdir "$M/vms/one" # takes it; the next is begun, but does not get far
rf_wait 20 count 1 ahead
n=$(rf_start "$T/w.yml") # one of its jobs waits for that, the other has one started
rf_wait 20 count 3
rm "$T/bin/hold"
ended "$n"
file_is "$M/runs/$n/conclusion" success
rf_wait 60 ahead 2
count 2 ahead || fail "it says so, but there are: $(vm_tethers ahead)"

# both are taken at once
waits=$(vm_tethers ahead | sort)
rmdir "$M"/vms/{first,one}
touch "$T/bin/hold"
for name in one two; do
    echo vm >"$M/vms/$name.label"
    mkdir "$M/vms/$name"
done
equal 'which they are' "$waits" "$(vm_tethers | sort)"
rm "$T/bin/hold"
rf_umount
none_left() { ! pgrep -f "tether.*$STATE/machines/" >/dev/null; }
rf_wait 10 none_left
