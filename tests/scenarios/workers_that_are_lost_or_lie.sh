# A worker that does not start, is killed, falls silent, or is none: its job fails at once with a sentence that says so, what came
# before is kept, other jobs go on. And a daemon that is killed leaves no worker behind.
# waits
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo 2 >"$M/config/worker_silence"
refused sh -c "echo 1 >'$M/config/worker_silence'"
sleeper=8765$$
cat >"$T/job.yml" <<END
on: push
jobs:
  a:
    runs-on: far
    steps:
      - run: echo first
      - run: echo begun; sleep $sleeper
      - if: always()
        run: echo never
  b:
    needs: a
    if: always()
    runs-on: ubuntu-latest
    steps:
      - run: echo "a was \${{ needs.a.result }}"
END
far() { printf 'worker:%s\n' "$1" >"$M/config/labels/far"; } # COMMAND
fails() { # COMMAND WORDS: gives the job to that
    far "$1"
    n=$(rf_drop "$T/job.yml")
    file_is "$M/runs/$n/jobs/a/conclusion" failure
    file_has "$M/runs/$n/jobs/a/log" "$2"
    file_has "$M/runs/$n/annotations" "$2"
    contains 'the others' "$(step_out "$n" b 01)" 'a was failure'
}
refused far ' '

# it does not start, or is no worker
fails 'echo not here >&2; exit 7' 'The worker did not start: its command ended with exit code 7: not here'
fails true 'The worker did not start: its command ended with exit code 0'
fails no-such-program 'no-such-program'
fails 'echo a greeting' 'The worker did not start: its command ended with exit code 0: a greeting'
fails yes 'It is no worker that answers'
fails "$RUNFS worker --machine worker:x" 'takes whole jobs'

# a liar: each of these comes after a greeting
hello='{"type": "hello", "version": 1, "host": "liar"}'
liar() { # LINE WORDS
    printf '%s\n%s\n' "$hello" "$1" >"$T/lines"
    fails "cat $T/lines; exec sleep 60" "$2"
}
liar 'nonsense' 'it is no line of JSON'
liar "{\"type\": \"alive\", \"x\": [$(head -c 400000 /dev/zero | sed 's/\x0\x0/0,/g')0]}" 'a line has too much in it'
liar '{"type": "step_started", "step": 99, "name": "x"}' 'no worker tells: step_started'
liar '{"type": "step_started", "step": "0", "name": "x"}' 'no worker tells: step_started'
liar '{"type": "step_added", "step": 0, "place": "pre", "name": "x"}' 'no worker tells: step_added'
liar '{"type": "step_added", "step": 3, "place": "cellar", "name": "x"}' 'no worker tells: step_added'
liar '{"type": "output", "step": 0, "stream": "stdfoo", "text": "x"}' 'no worker tells: output'
liar '{"type": "output", "step": 0, "stream": "stdout", "text": {"base64": "?"}}' 'no worker tells: output'
liar '{"type": "annotation", "step": 0, "level": "woe", "message": "x"}' 'no worker tells: annotation'
liar '{"type": "step_completed", "step": 0, "outcome": "fine", "conclusion": "success"}' 'no worker tells: step_completed'
liar '{"type": "step_completed", "step": 0, "outcome": "success", "conclusion": "success", "outputs": []}' 'step_completed'
started='{"type": "step_started", "step": 2, "name": "x"}' completed='{"type": "step_completed", "step": 2, "outcome": "success", "conclusion": "success"}'
liar "$started
$started" 'no worker tells: step_started'
liar "$completed
$started" 'no worker tells: step_started'
liar "$completed
$completed" 'no worker tells: step_completed'
liar '{"type": "step_completed", "step": -1, "outcome": "success", "conclusion": "success"}' 'no worker tells: step_completed'
liar '{"type": "job_completed", "conclusion": "perfect"}' 'no worker tells: job_completed'
liar '{"type": "ask", "id": 1, "what": "artifact_put"}
{"type": "ask", "id": 2, "what": "artifact_get", "artifact": 1}
{"type": "ask", "id": 3, "what": "secrets"}
{"type": "ask", "id": 4, "what": "cache_get", "keys": 5}
{"type": "data", "id": 5, "base64": 7}' 'no worker tells: data'
liar '{"type": "refused", "message": "no room"}' 'The worker on liar: no room'
long=$(printf 'ä%.0s' {1..40})
hello='{"type": "hello", "version": 1, "host": "'$long'"}' liar '{"type": "refused", "message": "no room"}' 'ää: no room'
hello='{"type": "hello", "version": 1, "host": "a\u009b31mb"}' liar '{"type": "refused", "message": "no room"}' 'on a??31mb: no room'
hello='{"type": "hello", "version": 2, "host": "liar"}' liar '' 'speaks version 2'

# it is lost when it has said what comes before the first step, and has not begun with it
liar '{"type": "step_added", "step": 3, "place": "setup", "name": "Set up job"}
{"type": "step_added", "step": 4, "place": "setup", "name": "Initialize containers"}
nonsense' 'it is no line of JSON'
file_has "$M/runs/$n/jobs/a/steps/00-set-up-job/log" 'it is no line of JSON'
file_is "$M/runs/$n/jobs/a/steps/00-set-up-job/conclusion" failure
file_is "$M/runs/$n/jobs/a/steps/00-initialize-containers/conclusion" skipped

# it tells that the job has ended, and not how the step has that it began
printf '%s\n' "$hello" '{"type": "step_started", "step": 0, "name": "x"}' '{"type": "job_completed", "conclusion": "success", "exit_code": 0}' >"$T/lines"
far "cat $T/lines"
n=$(rf_drop "$T/job.yml")
file_is "$M/runs/$n/jobs/a/conclusion" success
file_is "$(echo "$M/runs/$n"/jobs/a/steps/01-*/conclusion)" cancelled
file_is "$(echo "$M/runs/$n"/jobs/a/steps/02-*/conclusion)" skipped

# silent from its greeting on
fails "printf '%s\\n' '{\"type\": \"hello\", \"version\": 1, \"host\": \"mute\"}'; exec sleep 60" \
    'The worker on mute was lost, and with it what became of the job: nothing was heard of it for 2 seconds'

# in the middle of a step: it is killed, or what is between is
begin() { # COMMAND
    far "$1"
    n=$(rf_start "$T/job.yml")
    rf_wait 30 pgrep -xf "sleep $sleeper"
    rf_wait 10 grep -qx begun "$M/runs/$n/log"
}
nothing_runs() { ! pgrep -xf "sleep $sleeper" && ! pgrep -f "worker --state $T/far"; }
broke() { # WORDS
    ended "$n"
    file_is "$M/runs/$n/jobs/a/conclusion" failure
    contains 'what came before' "$(step_out "$n" a 01)" first
    file_has "$(echo "$M/runs/$n"/jobs/a/steps/02-*/log)" "$1"
    file_is "$(echo "$M/runs/$n"/jobs/a/steps/02-*/conclusion)" failure
    file_is "$(echo "$M/runs/$n"/jobs/a/steps/03-*/conclusion)" skipped
    contains 'the others' "$(step_out "$n" b 01)" 'a was failure'
    rf_wait 30 nothing_runs
}
worker="$RUNFS worker --state $T/far"
begin "$worker"
pkill -KILL -f "^$worker"
broke 'was lost before the job had ended: its command ended with exit code 137'

# what carries its words is stopped: both ends find out by themselves, and the worker's job ends
cat >"$T/carry" <<END
mkfifo $T/to $T/from
cat <&0 >$T/to & cat $T/from & echo \$! >$T/carrier
$worker <$T/to >$T/from
END
sed -i "s|cat <&0|exec 3<\&0; cat <\&3|" "$T/carry"
begin "sh $T/carry"
kill -STOP "$(cat "$T/carrier")"
broke 'nothing was heard of it for 2 seconds'
kill -CONT "$(cat "$T/carrier")" 2>/dev/null || :

# cancelled before it has greeted
far "exec sleep 1000$$"
n=$(rf_start "$T/job.yml")
rf_wait 20 pgrep -xf "sleep 1000$$"
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled

# the daemon is killed
begin "$worker"
kill -KILL "$(daemon_pid)"
rf_wait 30 nothing_runs
nothing_there() { [ -z "$(find "$T/far" -mindepth 1 ! -name lock)" ]; }
rf_wait 30 nothing_there
umount -l "$M" 2>/dev/null || fusermount3 -uz "$M"
rf_mount
echo cancel >"$M/runs/$n/ctl" || :
ended "$n"
