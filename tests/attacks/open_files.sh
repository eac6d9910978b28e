# Use up the host's table of open files.
# label: small
# must: Too many open files
# own: a limit that its own root may lift
(ulimit -n 1000000) 2>/dev/null && reached "a higher limit"
python3 -c '
import os
try:
    while True: os.open("/dev/null", 0)
except OSError as e: print(e.strerror)'
