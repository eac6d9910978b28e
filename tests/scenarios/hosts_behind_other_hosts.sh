# A host that only another one reaches: `jump NAME` goes by that. Its jobs run as elsewhere; a way that is lost in the middle of a
# step, at either end, fails the step with a sentence and leaves no machine there. Each host has a network of its own.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
rf_mount
export HOME=$T/home
mkdir -p "$HOME/.ssh"

other_network bastion 1
ssh_serve bastion "$bastion_at" 22 nsenter -t "$bastion_net" -n
bastion_sshd=${children[-1]}
ssh_add bastion "$bastion_at" 22
unshare -n sleep infinity &
inner_net=$!
children+=("$inner_net")
rf_wait 10 own_network "$inner_net"
inside() { nsenter -t "$bastion_net" -n ip "$@"; }
inside link add inner type veth peer name eth0 netns "$inner_net"
inside addr add 10.99.0.1/24 dev inner
inside link set inner up
nsenter -t "$inner_net" -n ip addr add 10.99.0.2/24 dev eth0
nsenter -t "$inner_net" -n ip link set eth0 up
ssh_serve inner 10.99.0.2 2222 nsenter -t "$inner_net" -n
inner=$(id -un)@10.99.0.2:2222

# it is known by what a person says, or by what ssh(1) wrote down, hashed
exits 1 "$RUNFS" host add inner "$inner" --jump bastion "$M"
contains 'no key' "$(cat "$T/err")" 'known_hosts has no key of it'
exits 0 "$RUNFS" host add inner "$inner" --jump bastion --hostkey "$(cat "$T/inner/hostkey.pub")" "$M"
file_has "$M/config/hosts/inner" 'jump bastion'
"$RUNFS" host rm inner "$M"
echo "[10.99.0.2]:2222 $(cut -d ' ' -f 1,2 "$T/inner/hostkey.pub")" >"$HOME/.ssh/known_hosts"
ssh-keygen -q -H -f "$HOME/.ssh/known_hosts" 2>/dev/null
exits 0 "$RUNFS" host add inner "$inner" --jump bastion "$M"
file_has "$M/config/hosts/inner" "hostkey $(cut -d ' ' -f 1,2 "$T/inner/hostkey.pub")"
contains 'the list' "$("$RUNFS" host list "$M")" 'is behind bastion'
set_line() { # HOST LINE: in place of a jump
    { grep -v '^jump' "$M/config/hosts/$1"; echo "$2"; } >"$T/host"
    cp "$T/host" "$M/config/hosts/$1"
}
refused set_line inner "jump root@$bastion_at"
file_has "$M/errors/config-hosts-inner" "is no name of config/hosts"

# jobs, all that they say, and what they leave
contains 'first' "$(ssh_job inner)" 'it went'
cat >"$T/all.yml" <<'END'
on: push
jobs:
  make:
    runs-on: inner
    outputs: { sum: "${{ steps.sum.outputs.sum }}" }
    steps:
      - run: head -c 3000000 /dev/zero | tr '\0' x
      - run: mkdir out; head -c 20000000 /dev/urandom >out/big
      - id: sum
        run: echo "sum=$(sha256sum <out/big)" >>"$GITHUB_OUTPUT"
      - uses: actions/upload-artifact@v4
        with: {name: tree, path: out}
  take:
    needs: make
    runs-on: inner
    steps:
      - uses: actions/download-artifact@v4
        with: {name: tree}
      - run: '[ "$(sha256sum <big)" = "${{ needs.make.outputs.sum }}" ]'
END
n=$(rf_drop "$T/all.yml")
file_is "$M/runs/$n/conclusion" success
equal 'all of it' 3000000 "$(step_out "$n" make 01 | wc -c)"
none_left() { [ -z "$(ls "$T/inner/home/.cache/runfs/machines")" ]; }
rf_wait 20 none_left
connections() { pgrep -P "$bastion_sshd"; }
no_connections() { ! connections; }
rf_wait 20 no_connections

# by two
port=$(ssh_port)
ssh_serve front 127.0.0.1 "$port"
ssh_add front 127.0.0.1 "$port"
set_line bastion 'jump front'
contains 'by two' "$(ssh_job inner)" 'it went'
set_line front 'jump inner'
contains 'a circle' "$(ssh_job inner)" 'the way to inner has more than 4 hosts, or goes in a circle'
set_line front 'jump nobody'
contains 'nobody' "$(ssh_job inner)" "on the way to inner: there is no host 'nobody'"
set_line bastion '# from here'

# lost in the middle of a step
printf 'on: push\njobs: {a: {runs-on: inner, steps: [{run: touch ~/begun; sleep %s}]}}\n' "7657$$" >"$T/long.yml"
begun() { compgen -G "$T/inner/home/.cache/runfs/machines/*/home/runner/begun" >/dev/null; }
lost() { # WHAT WORDS
    ended "$n"
    file_is "$M/runs/$n/conclusion" failure
    contains "$1" "$(cat "$M/runs/$n/log")" "the connection to $inner is lost: $2"
    rf_wait 60 none_left
}
n=$(rf_start "$T/long.yml")
rf_wait 30 begun
for pid in $(connections); do kill "$pid"; done
lost 'the way' "the connection to $(id -un)@$bastion_at:22 is lost"
refused pgrep -xf "sleep 7657$$"
n=$(rf_start "$T/long.yml")
rf_wait 30 begun
inside link set inner down
lost 'its other end' 'nothing is heard of it any more'
contains 'nobody there' "$(ssh_job inner)" "it does not connect to 10.99.0.2:2222"
inside link set inner up
contains 'again' "$(ssh_job inner)" 'it went'

# who cancels does not wait for it
n=$(rf_start "$T/long.yml")
rf_wait 30 begun
inside link set inner down
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
inside link set inner up

# a host that lets nobody through
kill "$bastion_sshd" && wait "$bastion_sshd" || :
echo 'AllowTcpForwarding no' >"$T/bastion/first"
ssh_serve bastion "$bastion_at" 22 nsenter -t "$bastion_net" -n
log=$(ssh_job inner)
contains 'not let through' "$log" "ssh $(id -un)@$bastion_at:22: it does not connect to 10.99.0.2:2222 (AllowTcpForwarding"
contains 'not let through' "$log" 'administratively prohibited'
