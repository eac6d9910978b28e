"""
Repositories by HTTP, for who has the token "s3cret-token": git's own http-backend behind it. Usage: git_http.py DIRECTORY LOG; prints its
port. /elsewhere... redirects to /followed.... LOG has a line for all that is asked: METHOD PATH, and TOKEN where the right one came.
While a file LOG.silent exists nothing is answered, while there is LOG.drip a few bytes a second, for ever.
"""
import base64
import http.server
import os
import subprocess
import sys
import time
import urllib.parse

LOGIN = 'Basic ' + base64.b64encode(b'x-access-token:s3cret-token').decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, headers=(), body=b''):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self):
        self.send_response(200)
        self.send_header('Content-Type', 'application/x-git-upload-pack-advertisement')
        self.end_headers()
        while True:
            self.wfile.write(b'001e# service=git')
            time.sleep(0.5)

    def serve(self):
        known = self.headers.get('Authorization') == LOGIN
        with open(sys.argv[2], 'a') as f:
            f.write(f'{self.command} {self.path}{" TOKEN" if known else ""}\n')
        if os.path.exists(sys.argv[2] + '.silent'):
            return time.sleep(600)
        if os.path.exists(sys.argv[2] + '.drip'):
            return self.drip()
        url = urllib.parse.urlsplit(self.path)
        if url.path.startswith('/elsewhere'):
            return self.answer(302, [('Location', self.path.replace('elsewhere', 'followed', 1))])
        if not known:
            return self.answer(401, [('WWW-Authenticate', 'Basic realm="git"')])
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        env = dict(os.environ, GIT_PROJECT_ROOT=sys.argv[1], GIT_HTTP_EXPORT_ALL='1', PATH_INFO=url.path, QUERY_STRING=url.query,
                   REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get('Content-Type') or '', CONTENT_LENGTH=str(len(body)),
                   GIT_PROTOCOL=self.headers.get('Git-Protocol') or '', HTTP_CONTENT_ENCODING=self.headers.get('Content-Encoding') or '',
                   GIT_CONFIG_COUNT='1', GIT_CONFIG_KEY_0='safe.directory', GIT_CONFIG_VALUE_0='*')
        out = subprocess.run(['git', 'http-backend'], input=body, env=env, stdout=subprocess.PIPE, check=False).stdout
        head, _, content = out.partition(b'\r\n\r\n')
        headers = [tuple(line.split(': ', 1)) for line in head.decode().split('\r\n') if line]
        status = next((int(v.split()[0]) for k, v in headers if k == 'Status'), 200)
        self.answer(status, [(k, v) for k, v in headers if k != 'Status'], content)

    do_GET = do_POST = serve


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
