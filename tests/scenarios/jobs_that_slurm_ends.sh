# Slurm ends jobs itself: at their time limit, for the memory that they use, for a job that goes before, for a node that goes down, or
# because somebody says scancel. Each concludes as it should, and a sentence says how it ended; what stands in always() steps runs
# where there is time for it. One that it only suspends goes on later, although nothing is heard of it meanwhile.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
tasks=cgroup
slurm_has_cgroups || tasks=none
SLURM_TASKS=$tasks SLURM_MORE="PreemptType=preempt/partition_prio
PreemptMode=CANCEL
PartitionName=low Nodes=a$$ PriorityTier=1
PartitionName=high Nodes=a$$ PriorityTier=2" slurm_start a$$ b$$ c$$ d$$ e$$
at_end+=(slurm_stop)
rf_mount
need_sandbox
echo 8 >"$M/config/slots"
echo 6 >"$M/config/worker_silence"
label() { echo "slurm$2 --mem=100M state=$T/far" >"$M/config/labels/$1"; } # NAME REST
for name in timeout scancelled dirty node suspended; do label $name ''; done
label oom ' --mem=90M'
label low ':low'
label high ':high'

# JOB SCRIPT: on the nodes of label JOB; "cleaned up" says whether what always runs did
sleeper=5432$$
job() {
    printf 'on: push\njobs:\n  %s:\n    runs-on: %s\n    steps:\n      - run: |\n          echo begun\n          %s\n' "$1" "$1" "$2"
    printf '      - if: always()\n        run: echo cleaned up\n      - if: failure()\n        run: echo it failed\n'
} >"$T/$1.yml"
begin() { # JOB [SCRIPT]: sets NAME_run
    job "$1" "${2:-while sleep $sleeper & wait; do :; done}"
    declare -g "${1}_run=$(rf_start "$T/$1.yml")"
}
runs_there() { grep -qx begun "$M/runs/$1/log"; } # RUN
id_of() { squeue -h -o '%i %j' | awk -v name="runfs-$1-" 'index($2, name) == 1 {print $1}'; } # RUN
ends() { # JOB CONCLUSION WORDS
    local n=${1}_run
    ended "${!n}"
    file_has "$M/runs/${!n}/log" "$3"
    file_has "$M/runs/${!n}/annotations" "$3"
    file_is "$M/runs/${!n}/jobs/$1/conclusion" "$2"
}
cleans_up() { # JOB: as what is cancelled does, not what failed
    local n=${1}_run
    file_is "$(echo "$M/runs/${!n}/jobs/$1/steps"/01-*/conclusion)" cancelled
    contains 'what always runs' "$(step_out "${!n}" "$1" 02)" 'cleaned up'
    file_is "$(echo "$M/runs/${!n}/jobs/$1/steps"/03-*/conclusion)" skipped
}

# by scancel: every process of the job gets its signal, and one that dies of it has not failed
begin low
begin timeout
begin scancelled
begin node
begin suspended "sleep 5$sleeper || :"
for n in $low_run $timeout_run $scancelled_run $node_run $suspended_run; do rf_wait 60 runs_there "$n"; done
scontrol update "JobId=$(id_of "$timeout_run")" EndTime=now+2seconds # its limits are whole minutes
suspended_id=$(id_of "$suspended_run")
scontrol suspend "$suspended_id"
scancel "$(id_of "$scancelled_run")"
ends scancelled cancelled 'was cancelled there (CANCELLED)'
cleans_up scancelled

# by a node that goes down
there=$(squeue -h -j "$(id_of "$node_run")" -o %N)
scontrol update "NodeName=$there" State=DOWN Reason=test
ends node failure 'lost the node that it ran on (NODE_FAIL)'

# by a job that goes before
begin high 'true'
ends low failure 'gave way to another one (PREEMPTED)'
cleans_up low
ended "$high_run"
file_is "$M/runs/$high_run/conclusion" success

# by its memory, of which its own machine knows no limit
if [ $tasks = none ]; then
    say 'no control group here can be written to: OUT_OF_MEMORY is not tried'
else
    begin oom "(head -c 150000000 /dev/zero; sleep $sleeper) | tail -c 150000000"
    ends oom failure 'used more memory than it was given there (OUT_OF_MEMORY)'
fi

# by its time limit, which Slurm looks at twice a minute
ends timeout failure 'took longer than its time limit there (TIMEOUT)'
cleans_up timeout

# all this while, which was longer than a worker may be silent, one was suspended
equal 'what Slurm says' SUSPENDED "$(squeue -h -j "$suspended_id" -o %T)"
scontrol resume "$suspended_id"
pkill -xf "sleep 5$sleeper"
ended "$suspended_run"
file_is "$M/runs/$suspended_run/conclusion" success

# a job that has failed by itself is none that Slurm ended, whatever signal it died of
begin dirty 'kill -TERM $$'
ended "$dirty_run"
file_is "$M/runs/$dirty_run/conclusion" failure
file_lacks "$M/runs/$dirty_run/log" Slurm
contains 'failure()' "$(step_out "$dirty_run" dirty 03)" 'it failed'

nothing_runs() { ! pgrep -xf "sleep $sleeper" && [ -z "$(find "$T/far" -mindepth 1 ! -name lock)" ]; }
rf_wait 30 nothing_runs
