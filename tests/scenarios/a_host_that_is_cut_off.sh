# Of two hosts, each in a network of its own, one is cut off in the middle of a step: its job fails and says so, the other's goes
# on, and what ran on the lost host ends there by itself.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
rf_mount

host() { # NAME NUMBER
    local net=$1_net at=$1_at
    other_network "$1" "$2"
    ssh_serve "$1" "${!at}" 22 nsenter -t "${!net}" -n
    ssh_add "$1" "${!at}" 22
    echo "ssh:$1" >"$M/config/labels/$1"
}
host near 1
host lost 2
equal 'one key for both' 1 "$(wc -l <"$T/authorized_keys")"

cat >"$T/both.yml" <<'END'
on: push
jobs:
  job:
    strategy: { fail-fast: false, matrix: { host: [near, lost] } }
    runs-on: ${{ matrix.host }}
    steps:
      - run: touch ~/begun; while ! [ -e ~/go ]; do sleep 0.1; done; echo done
END
n=$(rf_start "$T/both.yml")
begun() { compgen -G "$T/$1/home/.cache/runfs/machines/*/home/runner/begun" >/dev/null; }
rf_wait 30 begun near
rf_wait 30 begun lost
nsenter -t "$lost_net" -n ip link set eth0 down
touch "$(echo "$T/near/home/.cache/runfs/machines/"*/home/runner)/go"
ended "$n"
file_is "$M/runs/$n/jobs/job-near/conclusion" success
file_is "$M/runs/$n/jobs/job-lost/conclusion" failure
contains 'why' "$(cat "$M/runs/$n/log")" "the connection to root@$lost_at:22 is lost"
none_left() { [ -z "$(ls "$T/$1/home/.cache/runfs/machines")" ]; }
rf_wait 60 none_left lost
rf_wait 20 none_left near

# it stays away, and comes back
printf 'on: push\njobs: {a: {runs-on: lost, steps: [{run: echo back}]}}\n' >"$T/again.yml"
n=$(rf_drop "$T/again.yml")
file_is "$M/runs/$n/conclusion" failure
contains 'nobody there' "$(cat "$M/runs/$n/log")" 'cannot connect'
nsenter -t "$lost_net" -n ip link set eth0 up
n=$(rf_drop "$T/again.yml")
file_is "$M/runs/$n/conclusion" success

# another host in its place, and a user who is not let in
kill "${children[-1]}" && wait "${children[-1]}" || :
ssh-keygen -q -t ed25519 -N '' -f "$T/other"
mv "$T/other" "$T/lost/hostkey"
ssh_serve lost "$lost_at" 22 nsenter -t "$lost_net" -n
n=$(rf_drop "$T/again.yml")
contains 'who is it' "$(cat "$M/runs/$n/log")" 'which is none that it is known by'
contains 'in the list' "$("$RUNFS" host list "$M")" 'shows another key than the one it is known by'
: >"$T/authorized_keys"
printf 'on: push\njobs: {a: {runs-on: near, steps: [{run: echo in}]}}\n' >"$T/near.yml"
n=$(rf_drop "$T/near.yml")
contains 'not let in' "$(cat "$M/runs/$n/log")" 'authorized_keys'
exits 0 "$RUNFS" host rm near "$M"
n=$(rf_drop "$T/near.yml")
contains 'gone' "$(cat "$M/runs/$n/log")" "there is no host 'near'"
