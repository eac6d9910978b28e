# The fcctl backend before servers that take their time, fail now and then, or say what makes no sense: it waits as long as that
# is worth it, and what it says then has the server's own words. The servers are played by a few lines of Python.
# waits
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/server.py" <<'END'
import base64, http.server, json, time
looks, said = 0, b'until its time was over\n'


class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self, status, body):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        if self.path == '/api/vms':
            return self.reply(200, {'id': {'lies': '../../etc'}.get(body['vm_type'], body['vm_type'])})
        assert self.path == '/api/llm/execute' and body['agent_id'].startswith('workflow-executor-'), self.path
        if 'slow-step' in body['code']:
            open('slow', 'w').close()
            time.sleep(100)
        if body['code'].startswith('out() '):  # what a command has printed until now
            return self.reply(200, {'exit_code': 0, 'stdout': f'{len(said)} {base64.b64encode(said).decode()}.\n.\n', 'stderr': ''})
        if 'no-answer' in body['code']:
            return self.reply(200, {'stdout': 'that is all'})
        if 'error-page' in body['code']:
            return self.reply(502, b'<h1>the gateway is tired</h1>')
        self.reply(200, {'exit_code': 0, 'stdout': '', 'stderr': ''})

    def do_GET(self):
        global looks
        looks += 1
        kind = self.path.split('/')[-1]
        if kind == 'broken':
            return self.reply(200, {'status': 'failed', 'error': 'no huge pages are left'})
        if looks == 2:
            return self.reply(503, b'try later')
        self.reply(200, {'status': 'running' if looks > 4 else 'creating'})

    def do_DELETE(self):
        open('deleted', 'a').write(self.path + '\n')
        self.reply(404, {})

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


s = Server(('127.0.0.1', 0), Handler)
print(s.server_address[1], flush=True)
s.serve_forever()
END
(cd "$T" && exec "$PYTHON" server.py >"$T/port") &
children+=($!)
rf_wait 20 test -s "$T/port"
echo "http://127.0.0.1:$(cat "$T/port")" >"$M/config/fcctl/url"
job() { # TYPE SCRIPT: sets n and log
    echo "fcctl:$1" >"$M/config/labels/far"
    printf 'on: push\njobs: {a: {runs-on: far, steps: [{timeout-minutes: %s, run: echo %s}]}}\n' "${3:-5}" "$2" >"$T/w.yml"
    n=$(rf_drop "$T/w.yml")
    log=$(cat "$M/runs/$n/log")
}
job plain nothing # creating, 503, creating, creating, running: looked at until it runs
file_is "$M/runs/$n/conclusion" success
file_is "$T/deleted" /api/vms/plain
job lies nothing
contains 'an id that leads elsewhere' "$log" 'no `id` that could be one'
job broken nothing
contains 'a machine that failed' "$log" 'failed: no huge pages are left'
contains 'it is removed all the same' "$(cat "$T/deleted")" /api/vms/broken
job plain no-answer
contains 'no exit code' "$log" 'no `exit_code`'
job plain error-page
contains 'no JSON' "$log" '502: <h1>the gateway is tired</h1>'
job plain slow-step 0.02
file_is "$M/runs/$n/conclusion" failure
contains 'its time' "$log" 'has timed out'
equal 'what it had printed' 'until its time was over' "$(step_out "$n" a 01)"
[ -e "$T/slow" ] || fail 'the step was never asked for'
