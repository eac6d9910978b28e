# Steps in the background in a virtual machine and on a host by SSH: over the one stream that leads there, each with its own output.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
vm_tiny_image
rf_mount
port=$(ssh_port)
ssh_serve far 127.0.0.1 "$port"
ssh_add far 127.0.0.1 "$port"
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
echo ssh:far >"$M/config/labels/far"
cat >"$T/all.yml" <<'END'
on: push
jobs:
  job:
    strategy: { fail-fast: false, matrix: { on: [vm, far] } }
    runs-on: ${{ matrix.on }}
    defaults: { run: { shell: bash } }
    steps:
      - { id: server, background: true, run: 'trap "echo heard it; exit 3" INT; echo up; touch up; while :; do sleep 0.05; done' }
      - id: big
        background: true
        run: until [ -e up ]; do sleep 0.05; done; seq 300000; echo "done=yes" >>"$GITHUB_OUTPUT"
      - run: until [ -e up ]; do sleep 0.05; done; seq 300000
      - wait: big
      - cancel: server
      - run: echo "${{ steps.big.outputs.done }} ${{ steps.server.outcome }}"
      - run: sleep 1000
        timeout-minutes: 0.01
        continue-on-error: true
      - parallel:
          - run: exit 0
          - run: exit 4
END
n=$(rf_drop "$T/all.yml")
sum=$(seq 300000 | sha256sum)
for on in vm far; do
    J=$M/runs/$n/jobs/job-$on
    equal "$on: what was in front" "$sum" "$(sha256sum <"$(echo "$J"/steps/03-*/stdout)")"
    equal "$on: what was behind" "$sum" "$(sha256sum <"$(echo "$J"/steps/02-*/stdout)")"
    equal "$on: the server" $'up\nheard it' "$(cat "$J"/steps/01-*/stdout)"
    equal "$on: what is known then" 'yes cancelled' "$(step_out "$n" "job-$on" 06)"
    equal "$on: the group" 'success failure failure failure 4' \
        "$(cat "$J"/steps/{08,09,10}-*/conclusion "$J/conclusion" "$J/exit_code" | tr '\n' ' ' | sed 's/ $//')"
done
