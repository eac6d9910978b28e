"""
A registry of containers that answers what is asked for and comes to no end with its layer. Usage:
endless_registry.py FILE BYTES; prints its port. FILE gets a line when the layer is asked for: then so many bytes come at once,
and some more now and then; if none, nothing at all.
"""
import hashlib
import http.server
import json
import os
import sys
import time

ARCHITECTURE = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)
LAYER = 'sha256:' + '1' * 64
CONFIG = json.dumps({'architecture': ARCHITECTURE, 'os': 'linux', 'rootfs': {'type': 'layers', 'diff_ids': [LAYER]}}).encode()
ID = 'sha256:' + hashlib.sha256(CONFIG).hexdigest()
OCI = 'application/vnd.oci.image.'
MANIFEST = json.dumps({
    'schemaVersion': 2, 'mediaType': OCI + 'manifest.v1+json',
    'config': {'mediaType': OCI + 'config.v1+json', 'digest': ID, 'size': len(CONFIG)},
    'layers': [{'mediaType': OCI + 'layer.v1.tar', 'digest': LAYER, 'size': 1024}]}).encode()


class Registry(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body, kind='application/json'):
        self.send_response(200)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(body)

    def send(self, many):
        try:
            self.wfile.write(bytes(many))
            while many:
                self.wfile.write(bytes(8192))
                time.sleep(0.05)
            self.rfile.read(1)
        except OSError:
            pass

    def do_GET(self):
        if '/manifests/' in self.path:
            self.answer(MANIFEST, OCI + 'manifest.v1+json')
        elif self.path.endswith(ID):
            self.answer(CONFIG)
        elif '/blobs/' in self.path:
            self.send_response(200)
            self.end_headers()
            with open(sys.argv[1], 'a', encoding='utf-8') as f:
                f.write('asked\n')
            self.send(int(sys.argv[2]))
        else:
            self.answer(b'{}')

    do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Registry)
print(server.server_port, flush=True)
server.serve_forever()
