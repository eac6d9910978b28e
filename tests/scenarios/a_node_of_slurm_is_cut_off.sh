# The network of a node is cut, and what runs there goes on. A job that no worker had got yet is given to another node, and runs once;
# one that had begun fails, and can be run again. Then both copies run: what the one behind the cut tells later counts for nothing.
# waits
# limit: 600
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
for i in 1 2 3; do
    other_network n$i $i
    net=n${i}_net at=n${i}_at
    nsenter -t "${!net}" -n ip route add default via "${!at%.*}.1"
done
SLURM_AT=${n1_at%.*}.1 slurm_start n1 n2 n3
at_end+=(slurm_stop)
network() { ip link set "rf$$n$1" "$2"; } # NUMBER down, or up
rf_mount
need_sandbox
echo 90 >"$M/config/worker_silence" # Slurm knows earlier

# what is started on a node says so, and waits there as long as it is told to
cat >"$T/runfs" <<END
#!/bin/sh
echo "\$SLURM_JOB_ID" >"$T/on-\$SLURMD_NODENAME"
while [ -e "$T/hold-\$SLURMD_NODENAME" ]; do sleep 0.1; done
exec "$RUNFS" "\$@"
END
chmod +x "$T/runfs"
echo "slurm runfs=$T/runfs state=$T/far memory=60M" >"$M/config/labels/nodes"
sleeper=4321$$
cat >"$T/w.yml" <<END
on: push
jobs:
  a:
    runs-on: nodes
    outputs: { which: "\${{ steps.s.outputs.which }}" }
    steps:
      - run: |
          echo begun
          [ \${{ github.run_attempt }} = 2 ] || sleep $sleeper || :
      - id: s
        run: echo "which=\${{ github.run_attempt }}" | tee -a "\$GITHUB_OUTPUT" >f
      - uses: actions/upload-artifact@v4
        with: { name: of-it, path: f, overwrite: true }
END
sed "s/\[ .* = 2 \]/true/" "$T/w.yml" >"$T/once.yml"
nothing_runs() { ! pgrep -xf "sleep $sleeper" && [ -z "$(find "$T/far" -mindepth 1 ! -name lock)" ]; }

# it has not begun: another node has it
touch "$T/hold-n1"
n=$(rf_start "$T/once.yml")
rf_wait 60 test -s "$T/on-n1"
network 1 down
ended "$n"
file_is "$M/runs/$n/conclusion" success
file_has "$M/runs/$n/log" 'The job is given to Slurm again'
file_has "$M/runs/$n/log" 'lost the node that it ran on (NODE_FAIL)'
equal 'begun' 1 "$(grep -cx begun "$M/runs/$n/log")"
[ -s "$T/on-n2" ] || [ -s "$T/on-n3" ] || fail 'no other node had it'
rm -f "$T/hold-n1" "$T"/on-n[23] # the one there goes on, too late

# it has: it fails, and goes on there
n=$(rf_start "$T/w.yml")
rf_wait 60 pgrep -xf "sleep $sleeper"
its=2 # Slurm's choice; the one before may just have ended there
[ -s "$T/on-n2" ] || its=3
network "$its" down
ended "$n"
file_is "$M/runs/$n/conclusion" failure
file_has "$M/runs/$n/log" 'lost the node that it ran on (NODE_FAIL)'
echo rerun-failed >"$M/runs/$n/ctl"
again() { grep -qx 2 "$M/runs/$n/attempt"; }
rf_wait 20 again
ended "$n"
test -s "$T/on-n$((5 - its))"
pkill -xf "sleep $sleeper" # all this while it ran; now it ends as if all were well, and wants to tell
network 1 up
network "$its" up
rf_wait 60 nothing_runs
file_is "$M/runs/$n/conclusion" success
file_is "$M/runs/$n/jobs/a/outputs/which" 2
file_is "$M/runs/$n/artifacts/of-it/f" which=2
file_lacks "$M/runs/$n/log" which=1
