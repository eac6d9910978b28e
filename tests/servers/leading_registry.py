"""
A registry of containers that has nothing and leads on. Usage: leading_registry.py realm|redirection URL; prints its port. Whoever
asks is to log in at URL, or goes on there.
"""
import http.server
import sys


class Registry(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        if sys.argv[1] == 'realm':
            self.send_response(401)
            self.send_header('WWW-Authenticate', 'Bearer realm="%s",service="registry"' % sys.argv[2])
        elif self.path == '/v2/':
            self.send_response(200)
        else:
            self.send_response(302)
            self.send_header('Location', sys.argv[2])
        self.send_header('Content-Length', '0')
        self.end_headers()

    do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Registry)
print(server.server_address[1], flush=True)
server.serve_forever()
