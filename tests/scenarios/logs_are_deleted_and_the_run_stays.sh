# The logs of a run that is over can be deleted, by HTTP as on GitHub and by its ctl: nothing of what was said is left, in the mount, by
# HTTP or on the disk; the run stays, says so, and runs again with new logs. Who runs it again is its triggering actor.
. "$(dirname "$0")/lib.sh"
need curl
need sqlite3
need jq
rf_mount
echo host >"$M/config/labels/h"
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
API=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
read=$("$RUNFS" token create --scope run --name reader "$M") admin=$("$RUNFS" token create --scope admin --name boss "$M")
ask() { curl -s -m 30 -o "$T/body" -w '%{http_code}' -H "Authorization: Bearer $1" "${@:2}"; } # TOKEN CURL...: prints the status
cat >"$T/w.yml" <<Y
on: push
jobs:
  a: {runs-on: h, steps: [{run: "echo confidential a; test -e $T/good"}]}
  b: {runs-on: h, steps: [{run: "echo confidential b by \$GITHUB_TRIGGERING_ACTOR"}]}
Y
n=$(rf_drop "$T/w.yml")
R=$API/repos/runfs/workflows/actions/runs/$n
equal 'who began it' "$(cat "$M/runs/$n/actor")" "$(ask "$read" "$R" >/dev/null; jq -r .triggering_actor.login "$T/body")"
say 'who runs it again'
touch "$T/good"
equal 'again' 201 "$(ask "$read" -X POST "$R/rerun-failed-jobs")"
ended "$n"
file_is "$M/runs/$n/conclusion" success
equal 'the reader' 200 "$(ask "$read" "$R")"
equal 'both' "$(cat "$M/runs/$n/actor") reader 2" "$(jq -r '"\(.actor.login) \(.triggering_actor.login) \(.run_attempt)"' "$T/body")"
ask "$read" "$R/attempts/1" >/dev/null
equal 'of the first attempt' "$(cat "$M/runs/$n/actor")" "$(jq -r .triggering_actor.login "$T/body")"
A=$(jq -r .id < <(ask "$read" "$R/jobs" >/dev/null; jq '.jobs[] | select(.name == "a")' "$T/body"))

say 'only who may, and only what is over'
grep -rq confidential "$M/runs/$n/log" "$M/runs/$n"/jobs/*/log "$M/runs/$n"/jobs/*/steps/*/stdout "$M/runs/$n/attempts/1/log"
equal 'the reader may not' 403 "$(ask "$read" -X DELETE "$R/logs")"
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: "until [ -e %s ]; do sleep 0.05; done"}]}}\n' "$T/go" >"$T/long.yml"
long=$(rf_start "$T/long.yml")
equal 'it runs' 403 "$(ask "$admin" -X DELETE "${R%/*}/$long/logs")"
touch "$T/go"
ended "$long"
equal 'no such run' 404 "$(ask "$admin" -X DELETE "${R%/*}/999/logs")"
equal 'whole as yet' 302 "$(ask "$read" "$R/logs")"

say 'deleted'
equal 'deleted' 204 "$(ask "$admin" -X DELETE "$R/logs")"
if grep -rl confidential "$M/runs/$n" --include='*log' --include=stdout; then fail 'it is in the mount'; fi
if grep -rl 'confidential [ab]$' "$STATE" --include='*.log' --include='*.idx'; then fail 'it is on the disk'; fi
for of in "runs/$n/log" "runs/$n/jobs/a/log" "runs/$n/attempts/1/log"; do file_has "$M/$of" 'The log was deleted.'; done
for of in log jobs/a/log attempts/1/log jobs/b/steps/*/stdout; do
    for file in "$M/runs/$n"/$of; do equal "size of $file" "$(stat -c %s "$file")" "$(wc -c <"$file")"; done
done
file_is "$M/runs/$n/conclusion" success
for of in "$R/logs" "$R/attempts/1/logs" "${R%/runs/*}/jobs/$A/logs"; do
    equal "$of" 410 "$(ask "$read" "$of")"
    equal 'why' 'The logs of this run were deleted.' "$(jq -r .message "$T/body")"
done
equal 'once more' 204 "$(ask "$admin" -X DELETE "$R/logs")"

say 'run again it has logs, but for what was'
echo rerun >"$M/runs/$n/ctl"
ended "$n"
file_has "$M/runs/$n/log" 'confidential a'
equal 'the new ones' 302 "$(ask "$read" "$R/logs")"
equal 'the old ones' 410 "$(ask "$read" "$R/attempts/2/logs")"
contains 'by whom' "$(step_out "$n" b 01)" "by $(id -un)"

say 'by its ctl, and for good: also to a program that only reads what it has read before'
for file in "$M/runs/$n"/{log,jobs/a/log,jobs/a/steps/01-*/stdout}; do file_has "$file" 'confidential a'; done
echo delete-logs >"$M/runs/$n/ctl"
for file in "$M/runs/$n"/{log,jobs/a/log,jobs/a/steps/01-*/stdout}; do file_lacks "$file" confidential; done
rf_umount
rf_mount
file_has "$M/runs/$n/log" 'The log was deleted.'
file_lacks "$M/runs/$n/log" confidential

say 'cut short, it is done to its end at the next start'
rf_umount
sqlite3 "$STATE/runfs.db" "UPDATE steps SET log_size = 99 WHERE run_id = $n"
: >"$STATE/logs/000/$n.gone"
rf_mount
for file in "$M/runs/$n"/jobs/*/steps/*/log; do equal "size of $file" "$(stat -c %s "$file")" "$(wc -c <"$file")"; done
equal 'what is left to be done' '' "$(find "$STATE/logs" -name '*.gone')"
file_has "$M/runs/$n/log" 'The log was deleted.'
