# A workflow with a schedule is started by the daemon when it is due; status says when that is next.
# waits
. "$(dirname "$0")/lib.sh"
need git
rf_mount
need_sandbox
body='jobs: {a: {runs-on: ubuntu-latest, steps: [{run: "echo ${{ github.event_name }} ${{ github.event.schedule }} $GITHUB_REF"}]}}'
printf '%s\n' 'on: {workflow_dispatch: , schedule: [{cron: "* * * * *"}]}' "$body" >"$T/minute.yml"
printf '%s\n' 'on: {workflow_dispatch: , schedule: [{cron: "0 3 1 1 *", timezone: Europe/Berlin}, {cron: "0 0 30 2 *"}]}' "$body" >"$T/rare.yml"
printf '%s\n' 'on: {workflow_dispatch: , schedule: [{cron: "5 4 * * *", timezone: Mars/Base}]}' "$body" >"$T/mars.yml"
mkdir -p "$T/proj/.github/workflows"
printf '%s\n' 'on: {push: , schedule: [{cron: "*/1 * * * *"}]}' "$body" >"$T/proj/.github/workflows/ci.yml"
git -C "$T/proj" init -q -b trunk
git -C "$T/proj" add -A
git -C "$T/proj" -c user.name=a -c user.email=a@example.com commit -qm one

ln -s "$T/proj" "$M/repos/proj"
for f in minute rare mars; do cp "$T/$f.yml" "$M/workflows/"; done
status() { sed -n "s,^schedule $1: ,,p" "$M/status"; }
listed() { [ -n "$(status mars.yml)" ] && [ -n "$(status proj/ci.yml)" ] && [ -n "$(status rare.yml)" ]; }
rf_wait 10 listed
equal 'a zone that is not' "'5 4 * * *' Mars/Base: never: there is no time zone 'Mars/Base'" "$(status mars.yml)"
equal 'the next New Year, and a day that never comes' "'0 3 1 1 *' Europe/Berlin: $(($(date -u +%Y) + 1))-01-01T02:00:00.000Z
'0 0 30 2 *' UTC: never" "$(status rare.yml)"
next=$(status minute.yml | sed 's/.* //')
due=$(date -d "$next" +%s)
[ $((due % 60)) = 0 ] || fail "$next is not a whole minute"
[ $((due - $(date +%s))) -le 60 ] || fail "$next is not within a minute"

# a checkout whose file changes is noticed without anybody looking
printf '%s\n' 'on: {schedule: [{cron: "* * * * *"}, {cron: "1 1 1 1 *"}]}' "$body" >"$T/proj/.github/workflows/ci.yml"
noticed() { [ "$(status proj/ci.yml | wc -l)" = 2 ]; }
rf_wait 10 noticed
rm -r "$T/proj/.github"
forgotten() { [ -z "$(status proj/ci.yml)" ]; }
rf_wait 10 forgotten
mkdir -p "$T/proj/.github/workflows"
printf '%s\n' 'on: {push: , schedule: [{cron: "*/1 * * * *"}]}' "$body" >"$T/proj/.github/workflows/ci.yml"
known() { [ -n "$(status proj/ci.yml)" ]; }
rf_wait 10 known

by() { find "$M/runs/by-workflow/$1" -mindepth 1 -printf '%f\n' 2>/dev/null | sort -n | tail -n 1; }
equal 'dropping runs it once, by hand' workflow_dispatch "$(cat "$M/runs/$(by minute.yml)/event")"
fired() { [ "$(cat "$M/runs/$(by "$1")/event")" = schedule ]; }
rf_wait 75 fired minute.yml
rf_wait 5 fired proj:ci.yml
n=$(by minute.yml)
ended "$n"
equal 'what it is told' 'schedule * * * * * refs/heads/main' "$(step_out "$n" a 01)"
n=$(by proj:ci.yml)
ended "$n"
equal 'a linked one' 'schedule */1 * * * * refs/heads/trunk' "$(step_out "$n" a 01)"
file_has "$M/events/schedule" "schedule: '"
equal 'only what was due' 1 "$(find "$M/runs/by-workflow/rare.yml" -mindepth 1 | wc -l)"
later=$(date -d "$(status minute.yml | sed 's/.* //')" +%s)
[ "$later" -gt "$due" ] || fail "the next firing is still $next"

rm "$M/workflows/minute.yml"
gone_from_status() { [ -z "$(status minute.yml)" ]; }
rf_wait 10 gone_from_status
