# The same steps in a sandbox, in a virtual machine and on a host by SSH, as a matrix over labels: the same outputs, exit codes,
# conclusions and files, and the same names below vms/.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
vm_tiny_image
rf_mount
need_sandbox
port=$(ssh_port)
ssh_serve far 127.0.0.1 "$port"
ssh_add far 127.0.0.1 "$port"
echo sandbox >"$M/config/labels/box"
echo 'qemu:tiny memory=256M cpu=1' >"$M/config/labels/vm"
echo ssh:far >"$M/config/labels/far"

cat >"$T/all.yml" <<'END'
on: push
jobs:
  job:
    strategy: { fail-fast: false, matrix: { on: [box, vm, far] } }
    runs-on: ${{ matrix.on }}
    defaults: { run: { shell: bash } }
    env: { WORD: "a 'quoted' \"word\" \\ $HOME" }
    outputs: { sum: "${{ steps.big.outputs.sum }}" }
    steps:
      - run: echo "$WORD"; echo err >&2; pwd | tr / '\n' | sort | wc -l >/dev/null
      - run: |
          echo "MULTI<<E" >>"$GITHUB_ENV"; echo "one" >>"$GITHUB_ENV"; echo "two" >>"$GITHUB_ENV"; echo E >>"$GITHUB_ENV"
          echo "$PWD/bin" >>"$GITHUB_PATH"; mkdir bin; printf '#!/bin/bash\necho mine\n' >bin/tool; chmod +x bin/tool
      - run: echo "$MULTI"; tool
      - run: '[ "$PWD" = "$GITHUB_WORKSPACE" ] && [ -d "$RUNNER_TEMP" ] && [ -d "$HOME" ] && echo as it should be'
      - id: big
        run: head -c 1000000 /dev/zero | tr '\0' z >f; echo "sum=$(sha256sum <f)" >>"$GITHUB_OUTPUT"; cat f
      - uses: actions/upload-artifact@v4
        with: { name: "of ${{ matrix.on }}", path: f }
      - run: exit 7
        continue-on-error: true
      - run: kill -TERM $$
        continue-on-error: true
      - run: sleep 100
        timeout-minutes: 0.01
        continue-on-error: true
      - run: no-such-command
      - if: failure()
        run: echo "after ${{ steps.big.outcome }}"
END
n=$(rf_drop "$T/all.yml")
what_came() { # LABEL
    local step job=$M/runs/$n/jobs/job-$1
    cat "$job/conclusion" "$job/outputs/sum"
    for step in "$job"/steps/[0-9]*; do
        echo "$(cat "$step/exit_code") $(cat "$step/conclusion") $(sha256sum <"$step/stdout")"
    done
    sed "s|[^ ]*/step-[0-9]*.sh|script|" "$job"/steps/10-*/stderr
    sha256sum <"$M/runs/$n/artifacts/of $1/f"
}
what_came box >"$T/box"
file_has "$T/box" failure
# an action of ours has none
equal 'how steps ended' '0 0 0 0 0 7 143 130 127 0' "$(sed -n 's/^\([0-9]*\) [a-z]* .*/\1/p' "$T/box" | grep -v '^$' | paste -sd ' ')"
what_came vm >"$T/vm"
equal 'in a virtual machine' "$(cat "$T/box")" "$(cat "$T/vm")"
what_came far >"$T/by-ssh"
equal 'by SSH' "$(cat "$T/box")" "$(cat "$T/by-ssh")"

for label in box vm far; do
    echo $label >"$M/vms/$label.label"
    mkdir "$M/vms/$label"
    echo 'echo hello; exit 3' >"$M/vms/$label/exec"
    equal "$label by hand" '3 hello' "$(cat "$M/vms/$label/last/exit_code") $(cat "$M/vms/$label/last/stdout")"
    ls "$M/vms/$label" | grep -vx 'rootfs' >"$T/files-$label"
done
equal 'files of a virtual machine' "$(cat "$T/files-box")" "$(cat "$T/files-vm")"
equal 'files of one by SSH' "$(cat "$T/files-box")" "$(cat "$T/files-far")"
rmdir "$M"/vms/{box,vm,far}
