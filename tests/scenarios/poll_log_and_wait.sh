# poll(2) on wait and log: not ready while nothing came, ready when it did.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/w.yml" <<Y
on: push
jobs:
  a:
    runs-on: h
    steps:
      - run: |
          until [ -e $T/go ]; do sleep 0.02; done
          echo came
          until [ -e $T/end ]; do sleep 0.02; done
Y
cp "$T/w.yml" "$M/workflows/"
"$PYTHON" - "$M/runs/$(readlink "$M/runs/latest")" "$T" <<'P'
import os, select, sys, time
run, tmp = sys.argv[1:]
deadline = time.time() + 10
while time.time() < deadline and not b'endgroup' in open(run + '/log', 'rb').read():
    time.sleep(0.02)
log = os.open(run + '/log', os.O_RDONLY)
while os.read(log, 65536):
    pass
wait = os.open(run + '/wait', os.O_RDONLY)
def ready(fd, ms):
    p = select.poll()
    p.register(fd, select.POLLIN)
    return bool(p.poll(ms))
def woken(fd, why): # by a notification: a poll that only looks again when its time is over is too late
    begun = time.time()
    assert ready(fd, 10000), why
    assert time.time() - begun < 5, 'nobody woke the poll'
assert not ready(log, 150), 'the log is readable though nothing came'
assert not ready(wait, 150), 'wait is readable though the run goes on'
open(tmp + '/go', 'w')
woken(log, 'the log never became readable')
assert b'came' in os.read(log, 65536)
assert not ready(wait, 50)
open(tmp + '/end', 'w')
woken(wait, 'wait never became readable')
assert os.read(wait, 100) == b'success\n'
P
