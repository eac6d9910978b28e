# A client names the version of GitHub's API that it was written for: it gets what that version answers, or hears that there is none.
. "$(dirname "$0")/lib.sh"
need curl
need jq
rf_mount
echo host >"$M/config/labels/ubuntu-latest"
printf 'on: workflow_dispatch\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: exit}]}}\n' >"$T/w.yml"
cp "$T/w.yml" "$M/workflows/"
echo "$T/sock 0" >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
as() { # VERSION PATH [OPTION...]: the status; the body is in $T/body
    curl -s --unix-socket "$T/sock" -D "$T/head" -o "$T/body" -w '%{http_code}' -H "X-GitHub-Api-Version: $1" "${@:3}" "http://x/api/v3$2"
}
selected() { tr -d '\r' <"$T/head" | sed -n 's/^X-GitHub-Api-Version-Selected: //p'; }
dispatches=/repos/runfs/workflows/actions/workflows/w.yml/dispatches
equal 'as it was' 204 "$(as 2022-11-28 $dispatches -d '{"ref": "main"}')"
equal 'what is answered' 2022-11-28 "$(selected)"
equal 'as it is' 200 "$(as 2026-03-10 $dispatches -d '{"ref": "main"}')"
equal 'its run' "$(readlink "$M/runs/latest")" "$(jq .workflow_run_id "$T/body")"
equal 'what is answered then' 2026-03-10 "$(selected)"
equal 'limits as they were' '200 true' "$(as 2022-11-28 /rate_limit) $(jq 'has("rate")' "$T/body")"
equal 'limits as they are' '200 false' "$(as 2026-03-10 /rate_limit) $(jq 'has("rate")' "$T/body")"
equal 'all of them' '["2022-11-28","2026-03-10"]' "$(curl -s --unix-socket "$T/sock" http://x/versions)"
runs=$(runs)
for none in v3 2021-01-01 2026-03-100 2026-03-1é; do
    equal "$none" 400 "$(as "$none" $dispatches -d '{"ref": "main"}')"
    contains "what is said of $none" "$(jq -r .message "$T/body")" 'is not supported. The versions that are: 2022-11-28, 2026-03-10'
done
equal 'nothing was started by it' "$runs" "$(runs)"
equal 'who may not hears that first' 401 "$(curl -s -o "$T/body" -w '%{http_code}' -H 'X-GitHub-Api-Version: v3' \
    "http://$(awk '/^listen: 127/ {print $2}' "$M/status")/rate_limit")"
