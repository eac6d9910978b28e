# Jobs on other hosts: `runfs host add` asks a host for its key and writes it down, a label `ssh:NAME` then runs jobs there.
# A real sshd on loopback, with a home of its own, stands for another host.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
rf_mount
port=$(ssh_port)
ssh_serve one 127.0.0.1 "$port"
one=$(id -un)@127.0.0.1:$port

# a host is added when its key is what it should be
exits 2 "$RUNFS" host add one
exits 1 "$RUNFS" host add one 127.0.0.1 "$M"
contains 'no address' "$(cat "$T/err")" 'USER@HOST'
exits 1 "$RUNFS" host add one "$one" "$M" </dev/null
contains 'nobody to ask' "$(cat "$T/err")" '--accept FINGERPRINT'
exits 1 "$RUNFS" host add one "$one" --accept SHA256:other "$M"
contains 'another key' "$(cat "$T/err")" "$(ssh_print one)"
refused test -e "$M/config/hosts/one"
exits 0 "$RUNFS" host add one "$one" --accept "$(ssh_print one)" "$M"
grep '^ssh-ed25519' "$T/out" >"$T/authorized_keys"
file_has "$M/config/hosts/one" "hostkey $(cut -d ' ' -f 1,2 "$T/one/hostkey.pub")"
refused cat "$M/config/identities/default"
contains 'it answers' "$("$RUNFS" host list "$M")" answers
refused sh -c "echo '$one' >'$M/config/hosts/keyless'"
file_has "$M/errors/config-hosts-keyless" 'no key of 127.0.0.1 is known'
refused sh -c "printf '%s\nhostkey ssh-ed25519 AAAA\n' '$one' >'$M/config/hosts/bad'"
file_has "$M/errors/config-hosts-bad" 'line 2'
refused sh -c "echo nonsense >'$M/config/identities/bad'"

# what cannot be put there whole leaves nothing there
echo ssh:one >"$M/config/labels/far"
mkdir -p "$T/one/bin"
printf '#!/bin/sh\nexec head -c 1000\n' >"$T/one/bin/cat"
chmod +x "$T/one/bin/cat"
printf 'on: push\njobs: {a: {runs-on: far, steps: [{run: echo in}]}}\n' >"$T/first.yml"
n=$(rf_drop "$T/first.yml")
file_is "$M/runs/$n/conclusion" failure
contains 'why' "$(cat "$M/runs/$n/log")" 'the agent cannot be put into ~/.cache/runfs/'
equal 'what is left there' '' "$(find "$T/one/home/.cache/runfs" -type f)"
rm "$T/one/bin/cat"
n=$(rf_drop "$T/first.yml")
file_is "$M/runs/$n/conclusion" success

# added anew, as its key is another: it is logged in to as before
ssh-keygen -q -t ed25519 -N '' -f "$T/one/key"
exits 0 "$RUNFS" host add two "$one" --accept "$(ssh_print one)" --key "$T/one/key" "$M"
file_has "$M/config/hosts/two" 'identity two'
exits 0 "$RUNFS" host add two "$one" --accept "$(ssh_print one)" "$M"
file_has "$M/config/hosts/two" 'identity two'

# jobs
refused sh -c "echo ssh >'$M/config/labels/far'"
refused sh -c "echo 'ssh:one disk=1G' >'$M/config/labels/far'"
cat >"$T/far.yml" <<'END'
on: push
jobs:
  make:
    runs-on: far
    env: { WORD: "it's here" }
    outputs: { sum: "${{ steps.sum.outputs.sum }}" }
    steps:
      - id: one
        run: |
          echo "$WORD"; echo oops >&2; echo "${SSH_CONNECTION-none of it}"
          echo "K=v 1" >>"$GITHUB_ENV"; echo o=out >>"$GITHUB_OUTPUT"; echo '# done' >>"$GITHUB_STEP_SUMMARY"
      - run: echo "$K ${{ steps.one.outputs.o }}"; head -c 3000000 /dev/zero | tr '\0' x
      - run: mkdir -p out/sub; head -c 20000000 /dev/urandom >out/sub/big; printf 'a\377\000b' >out/odd
      - id: sum
        run: echo "sum=$(cat out/sub/big out/odd | sha256sum)" >>"$GITHUB_OUTPUT"
      - uses: actions/upload-artifact@v4
        with: {name: tree, path: out}
      - run: kill -9 $$
      - if: always()
        shell: sh
        run: echo after; pwd
  take:
    needs: make
    if: always()
    runs-on: far
    steps:
      - uses: actions/download-artifact@v4
        with: {name: tree}
      - run: '[ "$(cat sub/big odd | sha256sum)" = "${{ needs.make.outputs.sum }}" ]'
END
n=$(rf_drop "$T/far.yml")
job=$M/runs/$n/jobs/make
file_is "$job/conclusion" failure
file_is "$M/runs/$n/jobs/take/conclusion" success
equal 'of the first' "it's here
none of it" "$(step_out "$n" make 01)"
equal 'its errors' oops "$(cat "$job"/steps/01-*/stderr)"
equal 'its summary' '# done' "$(cat "$job"/steps/01-*/summary.md)"
equal 'of the second' 'v 1 out' "$(step_out "$n" make 02 | sed -n 1p)"
equal 'all of it' 3000008 "$(step_out "$n" make 02 | wc -c)"
equal 'of a killed one' 137 "$(cat "$job"/steps/06-*/exit_code)"
contains 'of the last' "$(step_out "$n" make 07)" "after
$T/one/home/.cache/runfs/machines/"
none_left() { [ -z "$(ls "$T/$1/home/.cache/runfs/machines")" ]; }
rf_wait 20 none_left one
equal 'one agent, put there once' 1 "$(find "$T/one/home/.cache/runfs" -name 'agent-*' | wc -l)"

# by hand
echo far >"$M/vms/remote.label"
mkdir "$M/vms/remote"
echo 'echo $((6 * 7)); exit 3' >"$M/vms/remote/exec"
file_is "$M/vms/remote/last/stdout" 42
file_is "$M/vms/remote/last/exit_code" 3
file_is "$M/vms/remote/backend" ssh
sleeper=7656$$ # told apart from any other's
echo "echo \${PPID}; sleep $sleeper >/dev/null 2>&1 &" >"$M/vms/remote/exec"
rf_wait 20 pgrep -xf "sleep $sleeper"
rmdir "$M/vms/remote"
refused pgrep -xf "sleep $sleeper"
rf_wait 20 none_left one

# cancelled, and late
printf 'on: push\njobs: {a: {runs-on: far, steps: [{run: echo begun; sleep %s, timeout-minutes: 0.02}]}}\n' "$sleeper" >"$T/late.yml"
n=$(rf_drop "$T/late.yml")
file_is "$M/runs/$n/conclusion" failure
equal 'what it had said' begun "$(step_out "$n" a 01)"
refused pgrep -xf "sleep $sleeper"
printf 'on: push\njobs: {a: {runs-on: far, steps: [{run: sleep %s}, {if: always(), run: echo still}]}}\n' "$sleeper" >"$T/long.yml"
n=$(rf_start "$T/long.yml")
rf_wait 20 pgrep -xf "sleep $sleeper"
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
equal 'what always runs' still "$(step_out "$n" a 02)"
refused pgrep -xf "sleep $sleeper"
rf_wait 20 none_left one
