# A program whose types were made from GitHub's description of its API finds in every answer all fields that the description requires:
# times as GitHub writes them, whole addresses, nothing missing. By TCP, with the prefix of an enterprise's host and without it.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need git
rf_mount
echo host >"$M/config/labels/h"
mkdir -p "$T/repo/.github/workflows"
cat >"$T/repo/.github/workflows/ci.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: h
    environment: review
    steps:
      - run: mkdir d; echo x >d/x; echo "::warning file=a.c,line=1::mind this"
      - {uses: actions/upload-artifact@v4, with: {name: things, path: d}}
      - {uses: actions/cache/save@v4, with: {key: k, path: d}}
Y
git_commit "$T/repo"
git -C "$T/repo" remote add origin https://git.example.com/o/r.git
ln -s "$T/repo" "$M/repos/r"
echo "{\"ref\": \"refs/heads/main\", \"after\": \"$(git -C "$T/repo" rev-parse HEAD)\"}" >"$M/events/push"
ended 1
echo x >"$M/secrets/S"
echo x >"$M/vars/V"
echo 0 >"$M/config/listen"
echo 10000 >"$M/config/rate_limit"
rf_wait 10 grep -q '^listen: 127' "$M/status"
base=http://$(awk '/^listen: 127/ {print $2}' "$M/status")
echo "header = \"Authorization: Bearer $("$RUNFS" token create --scope admin "$M")\"" >"$T/token"
ask() { curl -sf -K "$T/token" "$@" || fail "not answered: $*"; }

addresses='archive assignees blobs branches collaborators comments commits compare contents contributors deployments downloads events forks
    git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels languages merges milestones notifications pulls releases
    stargazers statuses subscribers subscription tags teams trees'
user='avatar_url events_url followers_url following_url gists_url gravatar_id html_url id login node_id organizations_url received_events_url
    repos_url site_admin starred_url subscriptions_url type url'
repository="description fork full_name html_url id name node_id owner private url $(for a in $addresses; do printf ' %s_url' "$a"; done)"
run='artifacts_url cancel_url check_suite_url conclusion created_at display_title event head_branch head_commit head_repository head_sha html_url id
    jobs_url logs_url node_id path pull_requests repository rerun_url run_number status updated_at url workflow_id workflow_url'
workflow='badge_url created_at html_url id name node_id path state updated_at url'
artifact='archive_download_url created_at expired expires_at id name node_id size_in_bytes updated_at url'
check='app check_suite completed_at conclusion details_url external_id head_sha html_url id name node_id output pull_requests started_at status url'
suite='after app before check_runs_url conclusion created_at head_branch head_commit head_sha id latest_check_runs_count node_id pull_requests
    repository status updated_at url'
status='avatar_url context created_at creator description id node_id state target_url updated_at url'
app='created_at description events external_url html_url id name node_id owner permissions updated_at'

checks=$(ask "$base/repos/o/r/commits/main/check-runs" | jq '.check_runs[0].id')
P=/repos/o/r A=/repos/o/r/actions
# a path, where in its answer, and the names of the fields there
cat >"$T/fields" <<X
$A/workflows|workflows.0|$workflow
$A/workflows/ci.yml||$workflow
$A/runs|workflow_runs.0|$run
$A/runs/1|repository|$repository
$A/runs/1|actor|$user
$A/runs/1|head_commit|id tree_id message timestamp author committer
$A/runs/1/attempts/1||$run
$A/runs/1/jobs|jobs.0|check_run_url completed_at conclusion created_at head_branch head_sha html_url id labels name node_id run_id run_url runner_group_id runner_group_name runner_id runner_name started_at status url workflow_name
$A/runs/1/artifacts|artifacts.0|$artifact
$A/artifacts|artifacts.0|$artifact
$A/caches|actions_caches.0|id ref key version last_accessed_at created_at size_in_bytes
$A/secrets|secrets.0|name created_at updated_at
$A/secrets/S||name created_at updated_at
$A/secrets/public-key||key key_id
$A/variables|variables.0|name value created_at updated_at
$A/variables/V||name value created_at updated_at
$A/runners|runners.0|busy id labels name os status
$A/runners/1||busy id labels name os status
$A/permissions||enabled
$A/permissions/workflow||default_workflow_permissions can_approve_pull_request_reviews
$P||$repository archived clone_url created_at default_branch disabled forks forks_count git_url has_discussions has_issues has_pages has_projects has_wiki homepage language license mirror_url network_count open_issues open_issues_count pushed_at size ssh_url stargazers_count subscribers_count svn_url updated_at watchers watchers_count
$P/environments|environments.0|created_at html_url id name node_id updated_at url
$P/environments/review||created_at html_url id name node_id updated_at url
$P/branches/main||_links commit name protected protection protection_url
$P/commits/main||author comments_url commit committer html_url node_id parents sha url
$P/git/ref/heads/main||node_id object ref url
$P/commits/main/status||commit_url repository sha state statuses total_count url
$P/commits/main/statuses|0|$status
$P/commits/main/check-runs|check_runs.0|$check
$P/commits/main/check-suites|check_suites.0|$suite
$P/check-runs/$checks|app|$app
$P/check-runs/$checks/annotations|0|annotation_level blob_href end_column end_line message path raw_details start_column start_line title
$P/check-suites/1||$suite
$P/contents/.github/workflows|0|_links download_url git_url html_url name path sha size type url
$P/contents/.github/workflows/ci.yml||_links content download_url encoding git_url html_url name path sha size type url
/user||$user bio blog company created_at email followers following hireable location name public_gists public_repos updated_at
/users/somebody||$user
/user/repos|1|$repository
/rate_limit|resources.search|limit remaining reset used
X
ask_all() { # BASE
    "$PYTHON" - "$1" "$(sed 's/.*Bearer \(.*\)"/\1/' "$T/token")" "$T/fields" <<'P'
import json
import re
import sys
import urllib.request

base, token, table = sys.argv[1:]


def ask(path):
    return json.load(urllib.request.urlopen(urllib.request.Request(base + path, headers={'Authorization': 'token ' + token})))


def each(value):
    if isinstance(value, dict):
        yield from value.items()
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from each(one)


for line in open(table).read().replace('\n    ', ' ').splitlines():
    path, at, names = line.split('|')
    answer = found = ask(path)
    for key in at.split('.'):
        found = found[int(key) if key.isdigit() else key] if key else found
    for name in names.split():
        if name not in found:
            print(f'{path}: {at}: {name} is missing')
    for key, value in each(answer):
        if isinstance(value, str) and (key.endswith('_at') or key == 'timestamp') and not re.fullmatch(r'[\d-]{10}T[\d:]{8}Z', value):
            print(f'{path}: {key} is no time: {value}')
        if isinstance(value, str) and key.endswith('url') and not re.match(re.escape(base.replace('/api/v3', '')) + '/|git:|git@', value):
            print(f'{path}: {key} is no address: {value}')
print('asked')
P
}
equal 'what is missing' asked "$(ask_all "$base")"
equal 'what is missing below the prefix' asked "$(ask_all "$base/api/v3")"

# a file is called what git calls it, and comes as it is to who asks for that
equal 'its name' "$(git -C "$T/repo" rev-parse HEAD:.github/workflows/ci.yml)" "$(ask "$base/repos/o/r/contents/.github/workflows/ci.yml" | jq -r .sha)"
equal 'as it is' "$(cat "$T/repo/.github/workflows/ci.yml")" "$(ask -H 'Accept: application/vnd.github.raw+json' "$base/repos/o/r/contents/.github/workflows/ci.yml")"
equal 'by its address' "$(cat "$T/repo/.github/workflows/ci.yml")" "$(curl -sf "$(ask "$base/repos/o/r/contents/.github/workflows" | jq -r '.[0].download_url')")"
equal 'what git says of the commit' "$(git -C "$T/repo" log -1 --format='%H %T %an %s')" \
    "$(ask "$base/repos/o/r/commits/main" | jq -r '"\(.sha) \(.commit.tree.sha) \(.commit.author.name) \(.commit.message)"')"

# every answer says what limits there are (none that could be used up), and which one it is
curl -s -D "$T/head" -o "$T/body" -K "$T/token" "$base/repos/o/r/actions/runs"
for name in x-github-request-id: x-github-media-type: x-ratelimit-limit: x-ratelimit-remaining: x-ratelimit-reset: x-ratelimit-used: 'x-ratelimit-resource: core' 'content-type: application/json; charset=utf-8' etag:; do
    grep -qi "^$name" "$T/head" || fail "without $name: $(cat "$T/head")"
done
curl -s -D "$T/other" -o "$T/body" -K "$T/token" "$base/repos/o/r/actions/runs"
[ "$(grep -i request-id "$T/head")" != "$(grep -i request-id "$T/other")" ] || fail 'two answers have the same id'
