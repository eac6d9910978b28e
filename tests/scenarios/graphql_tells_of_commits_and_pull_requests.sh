# What came of a commit or a pull request is asked by GraphQL (and REST), as gh does (`pr checks`, `pr list`, `repo view`); what is not known here is
# said to be no field, so that nobody takes an empty answer for one.
. "$(dirname "$0")/lib.sh"
need git
need curl
need jq
rf_mount
echo host >"$M/config/labels/h"
R=$T/repo
mkdir -p "$R/.github/workflows"
cat >"$R/.github/workflows/ci.yml" <<'Y'
name: CI
on: [push, pull_request]
jobs:
  build: {runs-on: h, steps: [{run: 'true'}]}
  check: {runs-on: h, steps: [{run: 'test "$GITHUB_EVENT_NAME" = push'}]}
Y
git_commit "$R" 'the first

of all'
git -C "$R" tag v1
git -C "$R" checkout -q -b topic
echo x | tee "$R/new" >"$R/newer"
git_commit "$R" 'the second'
git -C "$R" checkout -q main
git -C "$R" remote add origin https://git.example.com/o/r.git
ln -s "$R" "$M/repos/r"
id() { git -C "$R" rev-parse "$1"; }
echo "{\"ref\": \"refs/heads/main\", \"after\": \"$(id main)\"}" >"$M/events/push"
ended 1
end() { echo "{\"ref\": \"$1\", \"sha\": \"$(id "$1")\", \"repo\": {\"id\": 7, \"name\": \"r\", \"full_name\": \"$2\"}}"; }
pull() { # NUMBER TITLE STATE HEAD-REPOSITORY
    echo "{\"action\": \"opened\", \"number\": $1, \"pull_request\": {\"number\": $1, \"title\": \"$2\", \"state\": \"$3\", \"user\": {\"login\": \"ann\"},
        \"head\": $(end topic "$4"), \"base\": $(end main o/r)}, \"repository\": {\"full_name\": \"o/r\"}}" >"$M/events/pull_request"
    ended "$(readlink "$M/runs/latest")"
}
pull 3 'as it was' open o/r
pull 3 'as it is' open o/r
pull 4 'of a fork' closed x/r
echo "$T/sock" >"$M/config/listen"
rf_wait 10 test -S "$T/sock"
ask() { # QUERY [VARIABLES] [FILTER]
    jq -n --arg q "$1" --argjson v "${2:-{\}}" '{query: $q, variables: $v}' |
        curl -s --unix-socket "$T/sock" http://runfs/graphql -d @- >"$T/body"
    jq -r "${3:-.data}" "$T/body" | jq -c . 2>/dev/null || jq -r "${3:-.data}" "$T/body"
}
o='repository(owner: "o", name: "r")'

equal 'a repository' '{"nameWithOwner":"o/r","owner":{"login":"o"},"main":{"name":"main"},"viewerPermission":"ADMIN"}' \
    "$(ask "{ $o { nameWithOwner owner { login } main: defaultBranchRef { name } viewerPermission } }" '' .data.repository)"
equal 'a commit' "{\"oid\":\"$(id main)\",\"messageHeadline\":\"the first\",\"messageBody\":\"of all\",\"author\":{\"name\":\"tester\"},\"statusCheckRollup\":{\"state\":\"SUCCESS\"}}" \
    "$(ask "{ $o { object(expression: \"main\") { ... on Commit { oid messageHeadline messageBody author { name } statusCheckRollup { state } } ... on Blob { text } } } }" '' .data.repository.object)"
equal 'its checks' '["build COMPLETED SUCCESS CI","check COMPLETED SUCCESS CI"]' "$(ask "query(\$sha: GitObjectID) { $o { object(oid: \$sha) { ... on Commit { statusCheckRollup {
    contexts(first: 100) { nodes { __typename ... on CheckRun { name status conclusion checkSuite { workflowRun { workflow { name } } } } ... on StatusContext { context } } } } } } } }" \
    "{\"sha\": \"$(id main)\"}" '[.data.repository.object.statusCheckRollup.contexts.nodes[] | "\(.name) \(.status) \(.conclusion) \(.checkSuite.workflowRun.workflow.name)"] | sort')"
equal 'what is behind it' '["the second",true,"1"]' "$(ask "{ $o { ref(qualifiedName: \"topic\") { target { ... on Commit { history(first: 1) { nodes { message } pageInfo { hasNextPage endCursor } } } } } } }" '' \
    '.data.repository.ref.target.history | [.nodes[].message, .pageInfo.hasNextPage, .pageInfo.endCursor]')"
equal 'and then' 'the first false' "$(ask "{ $o { object(expression: \"topic\") { ... on Commit { history(first: 5, after: \"1\") { edges { node { messageHeadline } } pageInfo { hasNextPage } } } } } }" '' \
    '.data.repository.object.history | "\(.edges[].node.messageHeadline) \(.pageInfo.hasNextPage)"')"
equal 'of a file' '0' "$(ask "{ $o { object(expression: \"main\") { ... on Commit { history(path: \"none\") { nodes { oid } } } } } }" '' '.data.repository.object.history.nodes | length')"
equal 'branches by pages' '{"nodes":[{"name":"main","target":{"oid":"'"$(id main)"'"}}],"pageInfo":{"hasNextPage":true,"endCursor":"1"},"totalCount":2}' \
    "$(ask "{ $o { refs(refPrefix: \"refs/heads/\", first: 1) { nodes { name target { oid } } pageInfo { hasNextPage endCursor } totalCount } } }" '' .data.repository.refs)"
equal 'the next page' topic "$(ask "{ $o { refs(refPrefix: \"refs/heads/\", first: 1, after: \"1\") { edges { node { name } } } } }" '' '.data.repository.refs.edges[0].node.name')"
equal 'tags' v1 "$(ask "{ $o { refs(refPrefix: \"refs/tags/\", last: 5) { nodes { name } } } }" '' '.data.repository.refs.nodes[].name')"

equal 'a pull request, as it was told last' '{"title":"as it is","state":"OPEN","author":{"login":"ann"},"isCrossRepository":false}' \
    "$(ask "{ $o { pullRequest(number: 3) { title state author { login } isCrossRepository } } }" '' .data.repository.pullRequest)"
equal 'what came of it' '["build SUCCESS","check FAILURE"]' "$(ask "{ $o { pullRequest(number: 3) { commits(last: 1) { nodes { commit { statusCheckRollup { state contexts(first: 2) {
    nodes { ... on CheckRun { name conclusion } } } } } } } } } }" '' '[.data.repository.pullRequest.commits.nodes[0].commit.statusCheckRollup.contexts.nodes[] | "\(.name) \(.conclusion)"] | sort')"
equal 'those that are open' '3' "$(ask "query(\$s: [PullRequestState!] = OPEN) { $o { pullRequests(states: \$s, first: 9) { nodes { ...P } } } } fragment P on PullRequest { number }" '' \
    '.data.repository.pullRequests.nodes[].number')"
equal 'all of them' '[4,3]' "$(ask "{ $o { pullRequests(first: 9) { nodes { number } } } }" '' '[.data.repository.pullRequests.nodes[].number]')"
node=$(ask "{ $o { pullRequest(number: 4) { id } } }" '' .data.repository.pullRequest.id)
equal 'by its id' 'CLOSED x true' "$(ask 'query($id: ID!) { node(id: $id) { ... on PullRequest { state headRepositoryOwner { login } isCrossRepository } } }' "{\"id\": \"$node\"}" \
    '.data.node | "\(.state) \(.headRepositoryOwner.login) \(.isCrossRepository)"')"

rest() { curl -s -g --unix-socket "$T/sock" "http://runfs/repos/o/r/$1" | jq -r "$2"; }
equal 'by REST: those that are open' '3 as it is o:topic main' "$(rest pulls '.[] | "\(.number) \(.title) \(.head.label) \(.base.ref)"')"
equal 'all' '4 3' "$(rest 'pulls?state=all' '[.[].number] | join(" ")')"
equal 'by their branch' 4 "$(rest 'pulls?state=closed&head=x:topic' '.[].number')"
equal 'one' 'open ann false' "$(rest pulls/3 '"\(.state) \(.user.login) \(.merged)"')"
equal 'what wants to merge a commit' '4 3' "$(rest commits/topic/pulls '[.[].number] | join(" ")')"
equal 'none' '[]' "$(rest commits/main/pulls .)"
equal 'its commits' 'the second' "$(rest pulls/3/commits '.[].commit.message')"
equal 'its files, by pages' 'new 1' "$(rest 'pulls/3/files?per_page=1' '"\(.[0].filename) \(.[0].additions)"')"
contains 'the next page' "$(curl -s -D - -o /dev/null --unix-socket "$T/sock" 'http://runfs/repos/o/r/pulls/3/files?per_page=1')" 'page=2>; rel="next"'
equal 'nor one of that number' 'Not Found' "$(rest pulls/9 .message)"
equal 'where its run says that it is' 3 "$(curl -s --unix-socket "$T/sock" "$(rest actions/runs/3 '.pull_requests[0].url')" | jq .number)"

first='.errors[0].message'
equal 'what is not there' 'NOT_FOUND null' "$(ask '{ repository(owner: "o", name: "none") { id } }' '' '"\(.errors[0].type) \(.data.repository)"')"
equal 'no such pull request' 'Could not resolve to a PullRequest with the number of 9.' "$(ask "{ $o { pullRequest(number: 9) { id } } }" '' "$first")"
equal 'what is not known' "Field 'reviews' doesn't exist on type 'PullRequest'" "$(ask "{ $o { pullRequest(number: 3) { title reviews(first: 1) { nodes { id } } } } }" '' "$first")"
equal 'then nothing else is answered' false "$(jq 'has("data")' "$T/body")"
equal 'what a type has' true "$(ask '{ __type(name: "Commit") { fields { name } } }' '' '[.data.__type.fields[].name] | contains(["statusCheckRollup"])')"
equal 'a type that is not' null "$(ask '{ __type(name: "Issue") { fields { name } } }' '' .data.__type)"
equal 'a field that is not wanted' '{"viewer":{}}' "$(ask 'query($no: Boolean!) { viewer { login @include(if: $no) id @skip(if: true) } }' '{"no": false}')"
for query in '' '{' '{viewer}' 'mutation { x }' '{ viewer { ...F } } fragment F on User { ...F }' '{ viewer { ...G } }' '{a(b:{c:[1,{' \
    "{$(printf '{%.0s' {1..3000})" "{ $o { $(for i in {1..1500}; do printf 'a%d: ref(qualifiedName: "none") { name } ' "$i"; done)} }"; do
    equal "an error for ${query:0:20}" true "$(ask "$query" '' '(.errors[0].message | length > 0) and (has("data") | not)')"
done

command -v gh >/dev/null || exit 0
export XDG_CONFIG_HOME=$T/config XDG_CACHE_HOME=$T/cache HOME=$T GH_PROMPT_DISABLED=1 NO_COLOR=1 PATH=$BUILD:$PATH
unset GH_TOKEN GITHUB_TOKEN
eval "$("$RUNFS" gh-setup "$M")"
export GH_REPO=$GH_HOST/o/r
contains 'gh pr list' "$(gh pr list)" $'3\tas it is\ttopic\tOPEN'
exits 1 gh pr checks 3
contains 'gh pr checks' "$(cat "$T/out")" $'check\tfail\t'
contains 'gh pr checks' "$(cat "$T/out")" $'build\tpass\t'
contains 'gh repo view' "$(gh repo view o/r)" 'o/r'
contains 'gh repo list' "$(gh repo list o)" 'o/r'
exits 1 gh pr view 3
contains 'gh pr view says why not' "$(cat "$T/err")" "doesn't exist on type 'PullRequest'"
