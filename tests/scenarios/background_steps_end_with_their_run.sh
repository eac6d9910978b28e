# A run that is cancelled, killed, or out of time ends its steps in the background too; so does the end of the daemon. Nothing of
# them is left.
# waits
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo host >"$M/config/labels/plain"
deaf='trap "" INT TERM; '
write() { # LABEL MARK [MORE]: two in the background and one in front
    cat >"$T/$2.yml" <<END
on: push
jobs:
  a:
    runs-on: $1
    ${3-}
    steps:
      - {id: a, background: true, run: 'echo up; exec -a $2-a sleep 1000'}
      - {id: b, background: true, run: '${deaf}echo up; (exec -a $2-b sleep 1000); sleep 1000'}
      - run: 'trap "exit 1" INT; echo up; (exec -a $2-c sleep 1000) & wait'
      - wait-all:
      - {if: always(), run: 'echo afterwards'}
END
}
marks() { pgrep -fc "^$1-[abc] " || :; }
all_up() { rf_wait 20 sh -c "[ \$(cat '$M/runs/$1'/jobs/a/steps/0[123]-*/stdout | grep -c up) = 3 ]"; }
for label in ubuntu-latest plain; do
    mark=$label-$$
    write "$label" "$mark"
    n=$(rf_start "$T/$mark.yml")
    all_up "$n"
    echo cancel >"$M/runs/$n/ctl"
    ended "$n"
    equal "a cancelled run ($label)" 'cancelled cancelled cancelled' \
        "$(cat "$M/runs/$n/conclusion") $(cat "$M/runs/$n"/jobs/a/steps/0[12]-*/conclusion | tr '\n' ' ' | sed 's/ $//')"
    file_has "$(echo "$M/runs/$n"/jobs/a/steps/05-*/stdout)" afterwards
    rf_wait 10 sh -c "! pgrep -f '^$mark-[abc] ' >/dev/null"
    deaf= # that takes ten seconds, as it should
done

# those that wait for their place do not begin any more, but what is to run all the same
{
    printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'
    for i in 01 02 03 04 05 06 07 08 09 10 11; do echo "      - {background: true, run: 'echo up $i; sleep 1000'}"; done
    echo "      - {background: true, if: always(), run: 'echo afterwards'}"
} >"$T/queue.yml"
n=$(rf_start "$T/queue.yml")
rf_wait 20 sh -c "[ \$(cat '$M/runs/$n'/jobs/a/steps/*/stdout | grep -c up) = 10 ]"
echo cancel >"$M/runs/$n/ctl"
ended "$n"
equal 'one that waited' 'cancelled skipped afterwards' \
    "$(cat "$M/runs/$n/conclusion" "$M/runs/$n"/jobs/a/steps/11-*/conclusion "$M/runs/$n"/jobs/a/steps/12-*/stdout | tr '\n' ' ' | sed 's/ $//')"

# out of time
write ubuntu-latest "late-$$" 'timeout-minutes: 0.02'
n=$(rf_drop "$T/late-$$.yml")
equal 'out of time' 'cancelled' "$(cat "$M/runs/$n/jobs/a/conclusion")"
contains 'and says so' "$(cat "$M/runs/$n/jobs/a/log")" 'has exceeded the maximum execution time'
equal 'nothing is left' 0 "$(marks "late-$$")"
cat >"$T/last.yml" <<'END'
on: push
jobs: {a: {runs-on: ubuntu-latest, timeout-minutes: 0.01, steps: [{background: true, run: sleep 1000}]}}
END
n=$(rf_drop "$T/last.yml")
equal 'when nothing comes behind it' cancelled "$(cat "$M/runs/$n/jobs/a/conclusion")"

# the daemon is killed
write ubuntu-latest "dead-$$"
n=$(rf_start "$T/dead-$$.yml")
all_up "$n"
kill -KILL "$(daemon_pid)"
rf_wait 20 sh -c "! pgrep -f '^dead-$$-[abc] ' >/dev/null"
rf_mount
rf_wait 20 grep -q completed "$M/runs/$n/status"
contains 'what they had logged' "$(cat "$M/runs/$n"/jobs/a/steps/02-*/stdout)" up
