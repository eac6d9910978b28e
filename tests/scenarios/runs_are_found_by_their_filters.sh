# A dashboard asks for runs by when they were made, in every way that ISO 8601 writes a moment, by who started them and by check suite.
. "$(dirname "$0")/lib.sh"
need curl
need jq
rf_mount
echo host >"$M/config/labels/ubuntu-latest"
workflow "$T/w.yml" :
for _ in 1 2 3; do rf_drop "$T/w.yml" >/dev/null; done
echo "$T/sock" >"$M/config/listen"
rf_wait 10 test -S "$T/sock"
ask() { # PARAMETER...: the numbers of the runs that fit
    local options=()
    for parameter; do options+=(--data-urlencode "$parameter"); done
    curl -sG --unix-socket "$T/sock" "${options[@]}" http://x/repos/runfs/workflows/actions/runs |
        jq -r '.message // ([.workflow_runs[].id] | join(" ")), .total_count // empty' | paste -sd:
}
at() { date -ud "@$1" "+$2"; }
actor=$(cat "$M/runs/1/actor")
born=$(stat -c %Y "$M/runs/2/created_at")
all='3 2 1:3'
equal 'all' "$all" "$(ask)"
for since in "$(at $((born - 60)) %FT%TZ)" "$(at $((born - 60)) %FT%T.000Z)" "$(at $((born - 60)) %FT%T+00:00)" "$(at $((born - 60)) %FT%T)" \
    "$(at $((born + 7140)) %FT%T+02:00)" "$(at $((born - 7260)) %FT%T.5-0200)" "$(at $((born - 120)) %FT%H:%MZ)" "$(at $((born - 86400)) %F)"; do
    equal "since $since" "$all" "$(ask "created=>$since")"
    equal "since $since, otherwise" "$all" "$(ask "created=$since..*")"
    equal "until $since" ':0' "$(ask "created=<$since")"
    equal "from $since to its end" "$all" "$(ask "created=$since..$(at $((born + 86400)) %FT%T%:z)")"
done
equal 'a plus that was not encoded' "$all" "$(curl -s --unix-socket "$T/sock" \
    "http://x/repos/runfs/workflows/actions/runs?created=>$(at $((born + 7140)) %FT%T)+02:00" | jq -r '[.workflow_runs[].id] | join(" ") + ":3"')"
for wrong in yesterday 2020-01 2020-01-01T00:00:00+2 2020-01-01T00:00:00.. '>=2020-01-01..2021-01-01' 2020-01-01+02:00; do
    equal "$wrong" 'created is no date, and no range of dates' "$(ask "created=$wrong")"
done
equal 'whoever writes the login how' "$all" "$(ask "actor=${actor^^}")"
equal 'of another' ':0' "$(ask "actor=x$actor")"
equal 'of a suite' '2:1' "$(ask check_suite_id=2)"
equal 'and of its actor' '2:1' "$(ask check_suite_id=2 "actor=$actor")"
equal 'of none' ':0' "$(ask check_suite_id=9)"
equal 'of what is no number' ':0' "$(ask check_suite_id=x)"

# a pull request's run is of the branch and the commit that it wants to merge, and found by them
head=$(printf %040d 5)
printf 'on: pull_request\njobs: {a: {runs-on: h, steps: [{run: "echo $GITHUB_REF $GITHUB_HEAD_REF"}]}}\n' | sed 's/ h,/ ubuntu-latest,/' >"$T/pull.yml"
cp "$T/pull.yml" "$M/workflows/"
ended "$(readlink "$M/runs/latest")"
jq -n --arg sha "$head" '{action: "opened", number: 7, pull_request: {number: 7, head: {ref: "feature", sha: $sha}, base: {ref: "main"}}}' >"$M/events/pull_request"
n=$(readlink "$M/runs/latest")
ended "$n"
equal 'by its branch' "$n:1" "$(ask branch=feature)"
equal 'by its commit' "$n:1" "$(ask "head_sha=$head")"
equal 'not by what was checked out' ':0' "$(ask branch=pull/7/merge)"
one() { curl -s --unix-socket "$T/sock" "http://x/repos/runfs/workflows/actions/runs/$n" | jq -r '[.head_branch, .head_sha, .head_commit.id] | join(" ")'; }
equal 'what is said of it' "feature $head $head" "$(one)"
contains 'what it sees' "$(cat "$M/runs/$n/log")" 'refs/pull/7/merge feature'
echo rerun >"$M/runs/$n/ctl"
ended "$n"
equal 'by another attempt' "feature $head $head" "$(one)"
rf_umount
rf_mount
equal 'by a later start' "feature $head $head" "$(one)"
