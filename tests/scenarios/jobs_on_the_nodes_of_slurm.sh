# A label gives jobs to Slurm: a real cluster of two nodes, started here. A matrix runs on both, with live logs; what waits says why, and
# can be cancelled; a time limit, a node that is lost in the middle of a job, and one that scancel ends are told in words.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
. "$here/tests/containers.bash"
need_containers
slurm_start n1 n2
at_end+=(slurm_stop)
rf_mount
need_sandbox
echo 6 >"$M/config/slots"
echo "slurm:all --no-kill state=$T/far memory=64M" >"$M/config/labels/nodes"
refused sh -c "echo 'slurm --pty' >$M/config/labels/bad"
file_has "$M/errors/config-labels-bad" "srun's option --pty is runfs's own business"
for bad in 'slurm -n 5' 'slurm: all' 'slurm memory=much' 'slurm runfs=here' "slurm:a'b" 'slurm --Mem=5'; do
    refused sh -c 'printf "%s\n" "$1" >"$2"' - "$bad" "$M/config/labels/bad"
done
grep -q '^backend slurm: works' "$M/status"

# a matrix of four on two nodes: all run, two at a time; outputs and artifacts come back
cat >"$T/matrix.yml" <<'END'
on: push
jobs:
  job:
    strategy: { matrix: { n: [1, 2, 3, 4] } }
    runs-on: nodes
    steps:
      - run: echo "number ${{ matrix.n }}" | tee f
      - uses: actions/upload-artifact@v4
        with: { name: "a${{ matrix.n }}", path: f }
END
n=$(rf_drop "$T/matrix.yml")
file_is "$M/runs/$n/conclusion" success
for i in 1 2 3 4; do
    file_is "$M/runs/$n/artifacts/a$i/f" "number $i"
    file_is "$M/runs/$n/jobs/job-$i/backend" slurm
done

# a job in a container, with a Docker action and a service, on a node that has no Docker
busybox_root
image_of tool "$T/busybox"
"$RUNFS" image pull "oci:$T/images/tool:it" tool --state "$T/far" >/dev/null 2>&1
echo "slurm:all --no-kill state=$T/far memory=64M registry=localhost:5000 registry=[::1]:5000 container_pull=missing container_size_mib=5000" >"$M/config/labels/boxes"
for bad in 'slurm registry=a/b' 'slurm container_pull=never' 'slurm container_size_mib=0'; do
    refused sh -c 'printf "%s\n" "$1" >"$2"' - "$bad" "$M/config/labels/bad"
done
cat >"$T/box.yml" <<'END'
on: push
jobs:
  box:
    runs-on: boxes
    container: tool
    services: { other: { image: tool, entrypoint: nc -ll -p 7 -e, command: /bin/echo heard } }
    steps:
      - run: while ! said=$(nc other 7 </dev/null); do sleep 0.1; done; echo "in $PWD it was $said"
      - uses: docker://tool
        with: { args: /bin/echo by an action }
END
n=$(rf_drop "$T/box.yml")
file_is "$M/runs/$n/conclusion" success
repository=$(cat "$M/runs/$n/jobs/box/steps/01-"*/cwd)
contains 'a container' "$(step_out "$n" box 01)" "in $repository it was heard"
contains 'its workspace' "$repository" /__w/
contains 'an action' "$(step_out "$n" box 02)" 'by an action'

# one on each node, one in the queue: the log is live, and what waits says why
sleeper=9876$$
cat >"$T/three.yml" <<END
on: push
jobs:
  job:
    strategy: { fail-fast: false, matrix: { n: [1, 2] } }
    runs-on: nodes
    steps:
      - run: echo "on \$(uname) for \${{ matrix.n }}"; while [ ! -e go ]; do sleep $sleeper & wait; done
      - if: always()
        run: echo cleaned up
END
cat >"$T/third.yml" <<'END'
on: push
jobs: {c: {runs-on: nodes, steps: [{run: echo never}]}}
END
two() { [ "$(pgrep -xc -f "sleep $sleeper")" = 2 ]; }
three=$(rf_start "$T/three.yml")
rf_wait 60 two
for i in 1 2; do rf_wait 20 grep -qx "on Linux for $i" "$M/runs/$three/log"; done
third=$(rf_start "$T/third.yml")
why=$M/runs/$third/jobs/c/why
rf_wait 30 grep -qE "^waits in Slurm's queue as job [0-9]+: (Resources|Priority)$" "$why"
id=$(sed -n "s/^waits in Slurm's queue as job \([0-9]*\):.*/\1/p" "$why")
equal 'as Slurm has it' PENDING "$(squeue -h -j "$id" -o %T)"
echo cancel >"$M/runs/$third/ctl"
ended "$third"
file_is "$M/runs/$third/conclusion" cancelled
file_lacks "$why" 'waits in'
not_queued() { [ -z "$(squeue -h -j "$id" 2>/dev/null)" ]; }
rf_wait 20 not_queued

# of the two that run, one is ended by scancel, and the other loses its node: slurmd, and what that started
job_of() { squeue -h -o '%i %j' | awk -v name="runfs-$three-job-$1-" 'index($2, name) == 1 {print $1}'; }
scancel "$(job_of 1)"
rf_wait 60 test -s "$M/runs/$three/jobs/job-1/conclusion"
file_is "$M/runs/$three/jobs/job-1/conclusion" cancelled
file_has "$M/runs/$three/jobs/job-1/log" 'was cancelled there (CANCELLED)'
file_has "$M/runs/$three/jobs/job-1/log" 'cleaned up'
node=$(squeue -h -j "$(job_of 2)" -o %N)
pid=${node}_slurmd
kill -KILL "${!pid}"
slurm_kill_steps
ended "$three"
file_is "$M/runs/$three/jobs/job-2/conclusion" failure
file_has "$M/runs/$three/jobs/job-2/log" 'was lost before the job had ended'
file_is "$(echo "$M/runs/$three"/jobs/job-2/steps/02-*/conclusion)" skipped
nothing_runs() { ! pgrep -xf "sleep $sleeper"; }
rf_wait 30 nothing_runs

# the other node goes on, with a time limit of Slurm's that is over before the job is
slurm_node "$node"
rf_wait 60 slurm_node_is "$node" idle
n=$(rf_drop "$T/third.yml")
file_is "$M/runs/$n/conclusion" success

# a node that goes down by Slurm's own word
n=$(rf_start "$T/three.yml")
rf_wait 60 two
three=$n
node=$(squeue -h -j "$(job_of 1)" -o %N)
scontrol update "NodeName=$node" State=DOWN Reason=test
rf_wait 60 test -s "$M/runs/$n/jobs/job-1/conclusion"
file_is "$M/runs/$n/jobs/job-1/conclusion" failure
file_has "$M/runs/$n/jobs/job-1/log" 'lost the node that it ran on (NODE_FAIL)'
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/jobs/job-2/conclusion" cancelled
file_has "$M/runs/$n/jobs/job-2/log" 'cleaned up'
nothing_there() { [ -z "$(find "$T/far" -mindepth 1 ! -name lock ! -path "$T/far/containers*")" ]; }
rf_wait 30 nothing_there
