# A daemon that is killed with a full outbox, in the middle of calls, tells everything once after its restart.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/github.sh"
github_begin
words_begin status <<'Y'
on: push
jobs: {a: {runs-on: h, steps: [{run: 'true'}]}}
Y
restart() {
    local pid
    pid=$(daemon_pid)
    kill -KILL "$pid"
    rf_umount 2>/dev/null || umount -l "$M"
    rf_wait 10 gone "$pid"
    rf_mount
    listening
}
# a status that came there, but whose answer never came: the daemon ends while it waits for that
rm "$M/secrets/GITHUB_TOKEN"
for i in $(seq 5); do deliver push "$(push "early$i")"; done
echo 'mute 100' >"$G/faults"
echo $token >"$M/secrets/GITHUB_TOKEN"
rf_wait 20 test -s "$G/state.json"
restart
for i in $(seq 5); do rf_wait 60 all_said "$i"; done

github_end # nobody is there: the outbox fills
for i in $(seq 12); do deliver push "$(push "late$i")"; done
contains 'full' "$(cat "$M/status")" 'word back: 12 waiting'
restart
contains 'still full' "$(cat "$M/status")" 'word back: 12 waiting'
seq 8 | sed 's/.*/cut-done/' >"$G/faults" # and then the first ones are done, and no answer says so
github_begin "$port"
rf_wait 20 sh -c "[ \$(grep -c cut-done '$G/requests') -ge 3 ]"
restart
for i in $(seq 6 17); do rf_wait 60 all_said "$i"; done
equal 'every run is told' "$(seq 17)" "$(has '.statuses[] | select(.state == "success").description' | sed 's/Run \(.*\): .*/\1/' | sort -n)"
equal 'nothing is told twice' '' "$(has '.statuses[].description' | sort | uniq -d)"
equal 'nothing waits' '' "$(grep 'word back' "$M/status" || :)"
