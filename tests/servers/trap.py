"""
A place on loopback that nobody is to come to. Usage: trap.py FILE [LOCATION]; prints its port. FILE gets a line for each connection: what
was said first. With LOCATION it answers as HTTP, and sends whoever comes there.
"""
import socket
import sys

s = socket.socket()
s.bind(('127.0.0.1', 0))
s.listen(64)
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    c.settimeout(2)
    try:
        first = c.recv(4096).split(b'\n')[0].strip()
    except OSError:
        first = b''
    with open(sys.argv[1], 'ab') as f:
        f.write(first + b'\n')
    if len(sys.argv) > 2:
        c.sendall(b'HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' % sys.argv[2].encode())
    c.close()
