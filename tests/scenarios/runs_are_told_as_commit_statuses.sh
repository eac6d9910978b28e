# What a webhook started is told to its sender as commit statuses: pending, then what came of it. Whatever the server does
# (limits, 502, silence, cut connections, refusals), the runs go on, each status comes there once, and files say what waits.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/github.sh"
github_begin
words_begin off <<Y
name: Build & test
on: {push: , pull_request: }
jobs: {a: {runs-on: h, steps: [{run: 'while [ -e "$T/hold" ]; do sleep 0.05; done; test "\${{ github.event.pusher.name }}" != mallory'}]}}
Y
# COMMAND...: starts a run that ends when it was said of it that it goes: else that and how it ended may be said as one
slowly() {
    local before
    before=$(how_many)
    touch "$T/hold"
    "$@"
    rf_wait 20 more_than "$before"
    rm "$T/hold"
}
how_many() { if [ -e "$G/state.json" ]; then has '.statuses | length'; else echo 0; fi; }
more_than() { [ "$(how_many)" -gt "$1" ]; }
statuses() { has '.statuses[] | "\(.state) \(.description)"' | sed 's/ after .*//'; }

# nothing is told before it is asked for, and nothing is to be seen of it
deliver push "$(push nobody)"
[ ! -e "$M/events/deliveries/1/words" ] || fail 'there are words that nobody asked for'

# settings that cannot be
for bad in loudly 'status loudly' ''; do
    refused sh -c "echo '$bad' >'$M/config/github/report'"
done
file_has "$M/errors/config-github-report" 'it is off, or of status, check and comment'
for bad in ftp://host http:// 'https://user:pass@host' 'https://host/?a=' 'https://ho st' file:///etc/passwd; do
    refused sh -c "echo '$bad' >'$M/config/github/api_url'"
done
file_has "$M/errors/config-github-api_url" 'the address of an API'
refused sh -c "echo 'javascript:alert(1)' >'$M/config/github/link'"
file_is "$M/config/github/report" off

# as it should be
echo status >"$M/config/github/report"
echo 'https://ci.example.com/#/runs/' >"$M/config/github/link"
slowly send push "$(push alice)"
delivered
rf_wait 20 all_said
equal 'a run that succeeds' "pending Run $run has not ended yet
success Run $run: success" "$(statuses)"
equal 'of which' 'runfs / Build & test (push)' "$(has '.statuses[-1].context')"
equal 'of what' "$sha" "$(has '.statuses[-1].sha')"
equal 'where more is to be seen' "https://ci.example.com/#/runs/$run" "$(has '.statuses[-1].target_url')"
equal 'the words' "run $run: status: said: 1 success" "$(words)"
deliver push "$(push mallory)"
rf_wait 20 all_said
equal 'a run that fails' "failure Run $run: failure" "$(statuses | tail -n 1)"
rerun() { echo rerun >"$M/runs/$run/ctl"; }
slowly rerun
ended "$run"
rf_wait 20 all_said
rf_wait 20 grep -q "$run, attempt 2: failure" "$G/state.json"
equal 'run again' "pending Run $run, attempt 2 has not ended yet
failure Run $run, attempt 2: failure" "$(statuses | tail -n 2)"

# everything that goes wrong, and each status is there once all the same
before=$(has '.statuses | length') # that it runs and that it ended may fall together
printf '%s\n' 502 502-done cut cut-done 'slow 1' >"$G/faults"
deliver push "$(push bob)"
rf_wait 60 all_said
equal 'once each' "success Run $run: success" "$(statuses | tail -n 1)"
equal 'none of them twice' '' "$(has '.statuses[].description' | sort | uniq -d)"
[ "$(has '.statuses | length')" -le $((before + 2)) ] || fail "more than two statuses: $(statuses)"

# limits: nothing is asked before they are over
for limit in 'retry-after 3' 'reset 2' last; do
    echo "$limit" >"$G/faults"
    case $limit in
    last) slowly send push "$(push "carol $limit")" && delivered ;; # the answer that is given first is the last
    *) deliver push "$(push "carol $limit")" ;;
    esac
    rf_wait 20 sh -c "! grep -q . '$G/faults'"
    rf_wait 30 all_said
    at=$(jq -rs --arg l "$limit" 'map(select(.fault == $l))[-1].at' "$G/requests")
    next=$(jq -rs --argjson at "$at" 'map(select(.at > $at))[0].at' "$G/requests")
    case $limit in 'retry-after 3') least=2.9 ;; *) least=1 ;; esac
    awk -v a="$at" -v n="$next" -v l="$least" 'BEGIN { exit !(n - a >= l) }' || fail "$limit: asked again after $(jq -n "$next - $at") s"
    equal "$limit: said" "success Run $run: success" "$(statuses | tail -n 1)"
done

# what is refused is not said again and again, and the run is what it was; a server's words are no markup and no secret
printf '422\n422\n' >"$G/faults"
deliver push "$(push dave)"
rf_wait 20 all_said
contains 'refused' "$(words)" 'not said: POST /repos/o/r/statuses/'
contains 'why' "$(words)" 'answered 422: Validation Failed <script>alert(1)</script> ***'
equal 'one line' 1 "$(words | wc -l)"
file_is "$M/runs/$run/conclusion" success
if grep -rsF "$token" "$M" "$STATE/log"; then fail 'the token can be read'; fi

# a redirect leads nowhere; neither does anything in a payload
echo "redirect http://127.0.0.1:$port/repos/o/r/statuses/$sha" >"$G/faults"
n=$(wc -l <"$G/requests")
deliver push "$(push erin)"
rf_wait 20 all_said
deliver push "$(push frank | jq -c '.repository.full_name = "o/r" | .repository.url = "http://169.254.169.254/" | .repository.statuses_url = "http://169.254.169.254/{sha}"')"
rf_wait 20 all_said
cp "$T/repo/.github/workflows/ci.yml" "$M/workflows/dropped.yml"
for name in ../../etc 'o/r/../../x' 'o/..' 'o/r?x=' 'o/r#' 'http://evil/x'; do
    deliver push "$(push gina | jq -c --arg n "$name" '.repository.full_name = $n')"
    [ ! -e "$M/events/deliveries/$hook/words" ] || fail "$name counts as a repository: $(words)"
done
rm "$M/workflows/dropped.yml"
equal 'nothing but what is meant was asked' '' "$(jq -r '.path' "$G/requests" | grep -vxE '/repos/o/r/(statuses/[0-9a-f]{40}|commits/[0-9a-f]{40}/statuses\?per_page=100&limit=100&page=1)' || :)"

# without a token, and with one that is not taken: it waits until there is another
echo '401' >"$G/faults"
deliver push "$(push heidi)"
rf_wait 20 grep -q '401: Bad credentials' "$M/events/deliveries/$hook/words"
contains 'in status' "$(cat "$M/status")" 'word back: 1 waiting for a setting to change'
rm "$M/secrets/GITHUB_TOKEN"
rf_wait 20 grep -q 'GITHUB_TOKEN is not set' "$M/events/deliveries/$hook/words"
echo $token >"$M/secrets/GITHUB_TOKEN"
rf_wait 20 all_said
equal 'said in the end' "success Run $run: success" "$(statuses | tail -n 1)"

# while a limit lasts files say so
echo 'retry-after 100' >"$G/faults"
deliver push "$(push kate)"
rf_wait 20 grep -q 'to be said: 1 success: .*rate limit.*: again at 2' "$M/events/deliveries/$hook/words"
contains 'in status' "$(cat "$M/status")" 'word back: 1 waiting, not before 2'
n=$(wc -l <"$G/requests")
deliver push "$(push lena)"
equal 'nothing is asked meanwhile' "$n" "$(wc -l <"$G/requests")"
rf_wait 10 grep -q 'again at 2' "$M/events/deliveries/$hook/words"
pid=$(daemon_pid)
rf_umount
rf_wait 10 gone "$pid"
rf_mount
listening
pause 0.5
equal 'nor after a restart' "$n" "$(wc -l <"$G/requests")"
contains 'it waits' "$(words)" 'again at 2'

# a server that never answers holds up no run
seq 50 | sed 's/.*/slow 100/' >"$G/faults"
for _ in 1 2 3; do deliver push "$(push "ivan$_")"; done
file_is "$M/runs/$run/conclusion" success
: >"$G/faults"
