# A server that does not answer holds only the jobs that ask it: others fetch their actions meanwhile, a cancel is heard at
# once, and a step's time limit ends a checkout and a composite action as it ends a script.
. "$(dirname "$0")/lib.sh"
need git
mkdir -p "$T/action/o/fast"
cat >"$T/action/o/fast/action.yml" <<'Y'
name: fast
inputs: {seconds: {default: '0'}}
runs:
  using: composite
  steps:
    - run: sleep ${{ inputs.seconds }}; echo acted
      shell: bash
    - run: echo later
      if: success()
      shell: bash
Y
git_commit "$T/action/o/fast"
git -C "$T/action/o/fast" tag v1
mkdir -p "$T/www/o"
git clone -q --bare "$T/action/o/fast" "$T/www/o/fast"
git -C "$T/www/o/fast" update-server-info
cat >"$T/server.py" <<'P'
import http.server, sys, time
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if '/slow' in self.path:
            time.sleep(600)
        else:
            super().do_GET()
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
P
mkfifo "$T/port"
(cd "$T/www" && exec "$PYTHON" "$T/server.py" >"$T/port") &
children+=($!)
read -r port <"$T/port"

rf_mount
echo 4 >"$M/config/slots"
echo "http://127.0.0.1:$port" >"$M/config/actions_mirror"
cat >"$T/slow.yml" <<'Y'
on: push
jobs:
  slow:
    runs-on: ubuntu-latest
    steps:
      - uses: o/slow@v1
Y
cat >"$T/fast.yml" <<'Y'
on: push
jobs:
  fast:
    runs-on: ubuntu-latest
    steps:
      - uses: o/fast@v1
  checkout:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        name: Get it
        timeout-minutes: 0.02
        with: {repository: o/slow}
      - if: always()
        run: echo "after ${{ job.status }}"
  composite:
    runs-on: ubuntu-latest
    steps:
      - uses: o/fast@v1
        name: Act
        timeout-minutes: 0.02
        continue-on-error: true
        with: {seconds: '60'}
      - run: echo goes on
Y
slow=$(rf_start "$T/slow.yml")
rf_wait 10 grep -qs in_progress "$M/runs/$slow/jobs/slow/status"
n=$(rf_drop "$T/fast.yml")
J=$M/runs/$n/jobs
file_is "$M/runs/$slow/status" in_progress
file_is "$J/fast/conclusion" success
file_is "$J/checkout/conclusion" failure
file_has "$J/checkout/log" "The action 'Get it' has timed out after 0.02 minutes."
contains 'what comes after it' "$(step_out "$n" checkout 02)" 'after failure'
file_is "$J/composite/conclusion" success
file_has "$J/composite/log" "The action 'Act' has timed out after 0.02 minutes."
lacks 'the rest of it' "$(cat "$J/composite/log")" $'\nlater'
contains 'the job' "$(cat "$J/composite/log")" $'\ngoes on'

echo cancel >"$M/runs/$slow/ctl"
before=$(date +%s)
ended "$slow"
[ $(($(date +%s) - before)) -lt 20 ] || fail 'the cancel waited for the server'
file_is "$M/runs/$slow/conclusion" cancelled
