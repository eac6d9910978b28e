# Two jobs at the same time: neither sees the files or the processes of the other.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo 2 >"$M/config/slots"
cat >"$T/two.yml" <<'Y'
on: push
jobs:
  a: &job
    runs-on: ubuntu-latest
    env: {ME: "${{ github.job }}"}
    steps:
      - run: |
          echo "$ME" >"$HOME/mine"; echo "$ME" >/tmp/mine; echo "$ME" >mine; echo "$ME" >/usr/local/mine; echo "$ME" >/dev/shm/mine
          exec -a "runfs-test-$ME" sleep 300 &
          echo ready
          for i in $(seq 100); do sleep 0.05; [ "$i" -lt 20 ] || break; done
          cat "$HOME"/* /tmp/* ./* /usr/local/mine /dev/shm/* 2>/dev/null | sort -u
          ps -e -o args= | grep -o '[r]unfs-test-[ab]' | sort -u
          kill $!
  b: *job
Y
n=$(rf_drop "$T/two.yml")
for me in a b; do
    equal "$me" $'ready\n'"$me"$'\n'"runfs-test-$me" "$(step_out "$n" $me 01)"
done
[ ! -e /usr/local/mine ] && [ ! -e /tmp/mine ] && [ ! -e /dev/shm/mine ] || fail 'it was written on the host'
