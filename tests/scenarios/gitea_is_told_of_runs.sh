# Gitea's API below /api/v1, by the names that the token has there, which has statuses and comments as GitHub has them, pages of its own size, and no check runs.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/github.sh"
mkdir "$G"
touch "$G/gitea"
github_begin
words_begin 'status check comment' <<'Y'
on: pull_request
jobs: {a: {runs-on: h, steps: [{run: 'true'}]}}
Y
echo "http://127.0.0.1:$port/api/v1" >"$M/config/github/api_url"
rm "$M/secrets/GITHUB_TOKEN"
echo $token >"$M/secrets/GITEA_TOKEN"
deliver pull_request "$(pull 1)"
rf_wait 20 all_said
equal 'the words' "run $run: status: said: 1 success
run $run: check: not said: POST /repos/o/r/check-runs answered 404: Not Found
run $run: comment: said: 1 success" "$(words)"
equal 'the status' success "$(has '.statuses[-1].state')"
equal 'one comment' 1 "$(has '.comments | length')"
# what is in doubt is found, however many there are on a page
echo 'status comment' >"$M/config/github/report"
github_end
jq -c --arg sha "$sha" '.statuses += [range(60) | {id: (. + 100), sha: $sha, state: "success", context: "x", description: "y"}]' "$G/state.json" >"$T/more.json"
cp "$T/more.json" "$G/state.json"
github_begin "$port"
rm "$M/secrets/GITEA_TOKEN"
deliver pull_request "$(pull 1)"
printf '%s\n' cut-done cut-done >"$G/faults"
before=$(has '[(.statuses | length), (.comments | length)] | join(" ")')
echo $token >"$M/secrets/FORGEJO_TOKEN"
rf_wait 60 all_said
equal 'one more of each' "$(echo "$before" | awk '{ print $1 + 1, $2 + 1 }')" "$(has '[(.statuses | length), (.comments | length)] | join(" ")')"
