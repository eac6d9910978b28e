# A kernel that says nothing while it boots, as an emulated one does now and then: it is ended, another is booted, and the job runs.
# waits
# limit: 600
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image
mkdir -m 711 "$T/bin"
mkdir -m 777 "$T/bin/once"
cat >"$T/bin/qemu-system-x86_64" <<X
#!/bin/bash
case "\$*" in *-kernel*) ! mkdir "$T/bin/once/hung" || set -- "\$@" -S ;; esac # its processor stands still
exec $(type -P qemu-system-x86_64) "\$@"
X
chmod 755 "$T/bin/qemu-system-x86_64"
chmod 711 "$T" # it is another user who executes that
PATH=$T/bin:$PATH rf_mount
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
printf 'on: push\njobs: {a: {runs-on: vm, steps: [{run: echo it runs}]}}\n' >"$T/w.yml"
n=$(rf_drop "$T/w.yml")
file_is "$M/runs/$n/conclusion" success
contains 'its step' "$(step_out "$n" a 01)" 'it runs'
file_has "$M/log" 'a virtual machine said nothing for 60 seconds: it is booted again'
test -d "$T/bin/once/hung"
