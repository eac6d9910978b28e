"""
A server on loopback that answers as GitHub's REST API does (commit statuses, check runs, issue comments), as far as a client
can tell: what it demands of headers and values, its codes and its words. Usage: github.py DIRECTORY; prints its port.

DIRECTORY/faults holds what is to go wrong, a line for each request that comes (an empty line: nothing): `502`, `502-done`
(after it was done), `cut`, `cut-done`, `slow SECONDS`, `mute SECONDS` (before the answer), `retry-after SECONDS`, `reset SECONDS`, `secondary`, `401`, `403`, `422`,
`garbage`. DIRECTORY/requests gets a line of JSON for each. DIRECTORY/state.json is what it has.
"""
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse

D = sys.argv[1]
TOKEN = open(f'{D}/token').read().strip()
KNOWN = re.compile('[0-9a-f]{40}')
GITEA = os.path.exists(f'{D}/gitea')  # no check runs, no more than 50 on a page, all comments on each
lock = threading.Lock()
state = {'statuses': [], 'checks': [], 'comments': []}
if os.path.exists(f'{D}/state.json'):
    state = json.load(open(f'{D}/state.json'))


class Refusal(Exception):
    def __init__(self, status, message, headers=None):
        self.status, self.message, self.headers = status, message, headers or {}


def next_fault():
    with lock:
        try:
            lines = open(f'{D}/faults').read().split('\n')
        except OSError:
            return ''
        with open(f'{D}/faults.new', 'w') as f:
            f.write('\n'.join(lines[1:]))
        os.replace(f'{D}/faults.new', f'{D}/faults')
        return lines[0].strip()


def demand(good, message):
    if not good:
        raise Refusal(422, message)


def text(body, key, most, needed=True):
    value = body.get(key)
    if value is None and not needed:
        return None
    demand(isinstance(value, str) and len(value) <= most, f'{key} is not a string of at most {most} characters')
    return value


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json; charset=utf-8')
        self.send_header('Content-Length', str(len(data)))
        for name, value in {'X-RateLimit-Limit': '5000', 'X-RateLimit-Remaining': '4999', **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def cut(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def fail(self, fault):
        """Whether that is all."""
        word, *rest = fault.split()
        if word == 'slow':
            time.sleep(float(rest[0]))
            return False
        if word == 'cut':
            self.cut()
        elif word == '502':
            self.answer(502, b'<html><h1>502 Bad Gateway</h1></html>')
        elif word == 'retry-after':
            self.answer(403, {'message': 'You have exceeded a secondary rate limit.'}, {'Retry-After': rest[0]})
        elif word == 'reset':
            self.answer(403, {'message': 'API rate limit exceeded for user ID 1.'},
                        {'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': str(int(time.time()) + int(rest[0]))})
        elif word == '401':
            self.answer(401, {'message': 'Bad credentials'})
        elif word == '403':
            self.answer(403, {'message': 'Resource not accessible by personal access token'})
        elif word == '422':
            self.answer(422, {'message': 'Validation Failed <script>alert(1)</script>\n' + TOKEN})
        elif word == 'redirect':
            self.answer(307, {'message': 'Moved'}, {'Location': rest[0]})
        elif word == 'garbage':
            self.answer(201, b'\x00{"id": ')
        else:
            return False
        return True

    def handle_one(self):
        length = int(self.headers.get('Content-Length') or 0)
        raw = self.rfile.read(length)
        fault = next_fault()
        with lock:
            with open(f'{D}/requests', 'a') as f:
                f.write(json.dumps({'at': time.time(), 'method': self.command, 'path': self.path, 'fault': fault,
                                    'body': raw.decode(errors='replace'),
                                    'delivery': self.headers.get('X-Runfs-Delivery'), 'authorized': 'Authorization' in self.headers}) + '\n')
        if fault and self.fail(fault):
            return
        try:
            status, body = self.do(raw)
        except Refusal as r:
            status, body = r.status, {'message': r.message, 'documentation_url': 'https://docs.github.com/rest'}
        if fault.startswith('mute'):
            time.sleep(float(fault.split()[1]))
        if fault == 'cut-done':
            self.cut()
        elif fault == '502-done':
            self.answer(502, b'<html><h1>502 Bad Gateway</h1></html>')
        elif fault == 'last':
            self.answer(status, body, {'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': str(int(time.time()) + 3)})
        else:
            self.answer(status, body)

    def do(self, raw):
        h = self.headers
        if not h.get('User-Agent'):
            raise Refusal(403, 'Request forbidden by administrative rules. Please make sure your request has a User-Agent header')
        if self.path.startswith('/hook'):  # of a chat
            return 200, {'ok': True}
        if h.get('Authorization') not in (f'Bearer {TOKEN}', f'token {TOKEN}'):
            raise Refusal(401, 'Bad credentials')
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = {}
        if raw:
            try:
                body = json.loads(raw)
            except ValueError:
                raise Refusal(400, 'Problems parsing JSON')
        for method, pattern, fn in ROUTES:
            if GITEA and 'check-runs' in pattern:
                continue
            m = re.fullmatch(pattern, url.path)
            if m and method == self.command:
                with lock:
                    result = fn(m.groupdict(), body, query)
                    with open(f'{D}/state.new', 'w') as f:
                        json.dump(state, f, indent=1)
                    os.replace(f'{D}/state.new', f'{D}/state.json')
                return result
        raise Refusal(404, 'Not Found')

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one


def known(m):
    if not KNOWN.fullmatch(m['sha']):
        raise Refusal(422, f"No commit found for SHA: {m['sha']}")


def put_status(m, body, query):
    known(m)
    demand(body.get('state') in ('error', 'failure', 'pending', 'success'), 'state is not included in the list')
    one = {'id': len(state['statuses']) + 1, 'sha': m['sha'], 'state': body['state'],
           'context': text(body, 'context', 255), 'description': text(body, 'description', 140),
           'target_url': text(body, 'target_url', 1000, False)}
    state['statuses'].append(one)
    return 201, one


def get_statuses(m, body, query):
    known(m)
    its = [s for s in reversed(state['statuses']) if s['sha'] == m['sha']]
    return 200, page(its, query)


def take_check(one, body):
    demand(body.get('status', 'queued') in ('queued', 'in_progress', 'completed'), 'status is not included in the list')
    if 'conclusion' in body:
        demand(body['conclusion'] in ('success', 'failure', 'neutral', 'cancelled', 'skipped', 'timed_out', 'action_required'),
               'conclusion is not included in the list')
    demand(body.get('status') != 'completed' or 'conclusion' in body, 'conclusion is missing')
    for key in ('started_at', 'completed_at'):
        demand(key not in body or re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z', body[key]), f'{key} is no time')
    if 'output' in body:
        text(body['output'], 'title', 255)
        text(body['output'], 'summary', 65535)
    one.update({k: v for k, v in body.items() if k != 'head_sha'})
    return one


def put_check(m, body, query):
    demand(KNOWN.fullmatch(body.get('head_sha', '')), 'No commit found for SHA')
    text(body, 'name', 255)
    one = take_check({'id': len(state['checks']) + 1, 'head_sha': body['head_sha']}, body)
    state['checks'].append(one)
    return 201, one


def edit_check(m, body, query):
    its = [c for c in state['checks'] if c['id'] == int(m['id'])]
    if not its:
        raise Refusal(404, 'Not Found')
    return 200, take_check(its[0], body)


def page(its, query):
    size, at = int(query.get('per_page', 30)), int(query.get('page', 1))
    if GITEA:
        size = min(50, int(query.get('limit', 30)))
    return its[(at - 1) * size:at * size]


def get_checks(m, body, query):
    known(m)
    its = [c for c in reversed(state['checks']) if c['head_sha'] == m['sha'] and query.get('check_name', c['name']) == c['name']]
    return 200, {'total_count': len(its), 'check_runs': page(its, query)}


def put_comment(m, body, query):
    value = text(body, 'body', 65536)
    demand(value, 'body cannot be blank')
    one = {'id': len(state['comments']) + 1, 'issue': int(m['n']), 'body': value, 'user': {'login': 'runfs'}}
    state['comments'].append(one)
    return 201, one


def get_comments(m, body, query):
    return 200, (lambda its, query: its if GITEA else page(its, query))([c for c in state['comments'] if c['issue'] == int(m['n']) and not c.get('gone')], query)


def edit_comment(m, body, query):
    its = [c for c in state['comments'] if c['id'] == int(m['id']) and not c.get('gone')]
    if not its:
        raise Refusal(404, 'Not Found')
    its[0]['body'] = text(body, 'body', 65536)
    its[0]['edits'] = its[0].get('edits', 0) + 1
    return 200, its[0]


def delete_comment(m, body, query):
    for c in state['comments']:
        if c['id'] == int(m['id']):
            c['gone'] = True
    return 204, {}


R = '(?:/api/v1)?/repos/o/r'
ROUTES = [
    ('POST', R + '/statuses/(?P<sha>[^/]*)', put_status),
    ('GET', R + '/commits/(?P<sha>[^/]*)/statuses', get_statuses),
    ('POST', R + '/check-runs', put_check),
    ('PATCH', R + r'/check-runs/(?P<id>\d+)', edit_check),
    ('GET', R + '/commits/(?P<sha>[^/]*)/check-runs', get_checks),
    ('POST', R + r'/issues/(?P<n>\d+)/comments', put_comment),
    ('GET', R + r'/issues/(?P<n>\d+)/comments', get_comments),
    ('PATCH', R + r'/issues/comments/(?P<id>\d+)', edit_comment),
    ('DELETE', R + r'/issues/comments/(?P<id>\d+)', delete_comment),
]

server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
