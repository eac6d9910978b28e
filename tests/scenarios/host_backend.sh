# On the host backend a job is plain processes of this user, in a workspace of its own, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/here"
cat >"$T/h.yml" <<Y
on: push
jobs:
  a:
    runs-on: here
    steps:
      - run: |
          [ -e $T/h.yml ] && echo sees the host
          id -u
          pwd
          touch left; ls -A
          [ "\$PWD" = "\$GITHUB_WORKSPACE" ] && [ -d "\$RUNNER_TEMP" ] && [ -w "\$GITHUB_OUTPUT" ] && echo as it should be
Y
n=$(rf_drop "$T/h.yml")
out=$(step_out "$n" a 01)
contains 'the host' "$out" 'sees the host'
contains 'its user' "$out" $'\n'"$(id -u)"$'\n'
contains 'its files' "$out" 'as it should be'
equal 'backend' host "$(cat "$M/runs/$n/jobs/a/backend")"
pwd1=$(sed -n 3p <<<"$out")
m=$(rf_drop "$T/h.yml")
equal 'a fresh workspace each time' left "$(step_out "$m" a 01 | sed -n 4p)"
kept() { find "$STATE/machines" -name left; }
empty() { [ -z "$(kept)" ]; }
rf_wait 5 empty
contains 'the workspace is within the state' "$pwd1" "$STATE"
