# What is no error but not what its author wants is a warning: beside lint's errors, in the annotations of the run that a drop
# starts, at the end of `runfs run`. The workflow is taken, and runs.
. "$(dirname "$0")/lib.sh"
need jq
cat >"$T/doubtful.yml" <<'Y'
on:
  push:
    paths: [a]
    paths-ignore: [b]
jobs: {a: {runs-on: h, steps: [{run: echo ran}]}}
Y
words='you may only define one of `paths` and `paths-ignore` for a single event'
exits 0 "$RUNFS" lint --json "$T/doubtful.yml"
equal 'no error' '[]' "$(jq -c . "$T/out")"
contains 'a warning' "$(cat "$T/err")" "warning: $T/doubtful.yml (Line: 4, Col: 5): $words"
rf_run --label h=host "$T/doubtful.yml"
contains 'by itself' "$(cat "$T/out" "$T/err")" "doubtful.yml:4:5: $words"
rf_mount
echo host >"$M/config/labels/h"
n=$(rf_drop "$T/doubtful.yml")
file_is "$M/runs/$n/conclusion" success
file_is "$M/runs/$n/annotations" "doubtful.yml:4:5: warning: $words"
[ ! -e "$M/errors/doubtful.yml" ] || fail 'it counts as refused'
